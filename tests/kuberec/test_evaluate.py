import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rectools import metrics as rectools

from kuberec.artifacts import read_manifest, verify_artifact
from kuberec.baselines import fit_baseline
from kuberec.errors import ArtifactError, ConfigError, DataError
from kuberec.evaluate import evaluate, read_truth
from kuberec.evaluation.contenders import read_models
from kuberec.features import load_features
from kuberec.featurize import featurize
from kuberec.gate import quality_checks
from kuberec.recommender import Recommender
from kuberec.split import split
from kuberec.train import load_model, train
from tests.kuberec.builders import DAY, Row, make_features, taste_rows, write_validated
from tests.kuberec.conftest import Run

ALL = "all"


def metrics_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "metrics.json").read_text()))


def test_figures_agree_with_rectools_on_the_same_lists(run: Run) -> None:
    features = load_features(run.features)
    test = pq.read_table(run.split / "test.parquet").to_pandas()
    truth = test.loc[test.label, ["user_id", "item_id"]]
    users = sorted(truth.user_id.unique())
    found = metrics_of(run.evaluation)["recommenders"]
    recommenders: dict[str, Recommender] = {
        "matrix_factorization_2": load_model(run.model, features),
        "baseline:item_knn": fit_baseline("item_knn", features),
    }
    for name, recommender in recommenders.items():
        answer = recommender.recommend(users, 10).item_ids
        reco = pd.DataFrame(
            {"user_id": np.repeat(users, 10), "item_id": answer.ravel(), "rank": [*range(1, 11)] * len(users)}
        )
        own = {metric: value["mean"] for metric, value in found[name]["slices"][ALL].items()}
        assert own["ndcg@10"] == pytest.approx(
            rectools.NDCG(k=10, divide_by_achievable=True).calc(reco, truth), abs=1e-6
        )
        assert own["recall@10"] == pytest.approx(rectools.Recall(k=10).calc(reco, truth), abs=1e-6)
        assert own["hr@10"] == pytest.approx(rectools.HitRate(k=10).calc(reco, truth), abs=1e-6)
        assert own["mrr@10"] == pytest.approx(rectools.MRR(k=10).calc(reco, truth), abs=1e-6)
        catalogue = features.items.ids[1:]
        assert found[name]["lists"]["coverage"] == pytest.approx(
            rectools.CatalogCoverage(k=10, normalize=True).calc(reco, catalogue)
        )


def test_the_candidate_is_chosen_on_the_validation_part(run: Run) -> None:
    manifest = read_manifest(run.evaluation)
    chosen = json.loads((run.model / "validation.json").read_text())["ndcg@10"]
    other = json.loads((run.weak / "validation.json").read_text())["ndcg@10"]
    assert chosen > other
    assert manifest.facts["candidate"] == "matrix_factorization_2"
    assert manifest.facts["candidate_folder"] == str(run.model)
    assert manifest.parents["matrix_factorization_2"] == read_manifest(run.model).content_hash


def test_a_model_named_like_a_baseline_is_judged_beside_it(run: Run, tmp_path: Path) -> None:
    train(run.features, tmp_path / "ease", family="ease", overrides={"regularizations": [1e9]})
    out = tmp_path / "out"
    evaluate([tmp_path / "ease"], run.split, run.features, out, baselines=["ease", "popularity"], resamples=20)
    found = metrics_of(out)
    roles = {name: each["role"] for name, each in found["recommenders"].items()}
    assert roles == {"ease": "model", "baseline:ease": "baseline", "baseline:popularity": "baseline"}
    assert set(found["differences"]) == {"baseline:ease", "baseline:popularity"}
    means = {name: each["slices"][ALL]["ndcg@10"]["mean"] for name, each in found["recommenders"].items()}
    lead = found["differences"]["baseline:ease"][ALL]["ndcg@10"]["mean"]
    assert lead == pytest.approx(means["ease"] - means["baseline:ease"], abs=2e-6)
    assert lead != 0  # so strong a regularization leaves hardly more than popularity
    assert set(pq.read_table(out / "per_user.parquet")["recommender"].to_pylist()) == set(roles)
    reasons = [check.reason for check in quality_checks(found, "ndcg@10", 0.0)]
    assert any("against baseline:popularity" in reason for reason in reasons)


def test_no_two_models_have_one_name(tmp_path: Path) -> None:
    families = ["als", "als", "als_2", "als", "champion", "split", "als2"]
    for number, family in enumerate(families):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "model.json").write_text(json.dumps({"family": family}))
        (tmp_path / str(number) / "validation.json").write_text(json.dumps({"ndcg@10": 0.5}))
    models = read_models([tmp_path / str(number) for number in range(len(families))])
    assert [model.name for model in models] == ["als", "als_2", "als_2_2", "als_3", "champion_2", "split_2", "als2"]


def test_every_interval_holds_its_mean_and_the_leads_are_differences(run: Run) -> None:
    found = metrics_of(run.evaluation)
    own = found["recommenders"][found["candidate"]]["slices"]
    for other, parts in found["differences"].items():
        theirs = found["recommenders"][other]["slices"]
        for part, leads in parts.items():
            for metric, lead in leads.items():
                assert lead["low"] <= lead["mean"] <= lead["high"]
                expected = own[part][metric]["mean"] - theirs[part][metric]["mean"]
                assert lead["mean"] == pytest.approx(expected, abs=2e-6)


def test_slices_part_the_users_and_the_truth(run: Run) -> None:
    slices = metrics_of(run.evaluation)["slices"]
    assert slices["warm_users"]["users"] + slices["cold_users"]["users"] == slices[ALL]["users"]
    assert slices["head_items"]["truth"] + slices["tail_items"]["truth"] == slices[ALL]["truth"]


def test_the_table_by_user_holds_what_the_means_are_made_of(run: Run) -> None:
    table = pq.read_table(run.evaluation / "per_user.parquet").to_pandas()
    found = metrics_of(run.evaluation)["recommenders"]
    means = table.groupby("recommender")["ndcg@10"].mean()
    assert set(means.index) == set(found)
    for name, mean in means.items():
        assert found[str(name)]["slices"][ALL]["ndcg@10"]["mean"] == pytest.approx(mean, abs=1e-6)


def test_the_lists_have_no_faults(run: Run) -> None:
    for facts in metrics_of(run.evaluation)["recommenders"].values():
        assert facts["faults"] == {"observed": 0, "repeated": 0, "missing": 0}


def test_the_best_baseline_is_named_by_metric(run: Run) -> None:
    assert metrics_of(run.evaluation)["best_baseline"]["ndcg@10"] == "baseline:item_knn"


def test_the_facts_are_flat_numbers(run: Run) -> None:
    flat = read_manifest(run.evaluation).facts["metrics"]
    assert all(isinstance(value, float) for value in flat.values())
    found = metrics_of(run.evaluation)
    assert flat["ndcg@10"] == found["recommenders"][found["candidate"]]["slices"][ALL]["ndcg@10"]["mean"]
    assert (
        flat["ndcg@10_over_baseline:popularity"] == found["differences"]["baseline:popularity"][ALL]["ndcg@10"]["mean"]
    )


def test_the_same_inputs_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    for name in ("first", "second"):
        evaluate([run.model], run.split, run.features, tmp_path / name, baselines=["ease"], resamples=20)
    assert read_manifest(tmp_path / "first").files == read_manifest(tmp_path / "second").files
    verify_artifact(tmp_path / "first")


def test_the_champion_is_asked_through_its_signature(run: Run, tmp_path: Path) -> None:
    evaluate(
        [run.model],
        run.split,
        run.features,
        tmp_path / "out",
        baselines=["popularity"],
        champion=str(run.export),
        resamples=20,
    )
    found = metrics_of(tmp_path / "out")
    # The champion is the candidate's own export, so it must give the very same lists.
    assert found["recommenders"]["champion"]["role"] == "champion"
    assert found["recommenders"]["champion"]["slices"] == found["recommenders"]["matrix_factorization"]["slices"]
    assert found["differences"]["champion"][ALL]["ndcg@10"] == {"mean": 0, "low": 0, "high": 0}


def test_a_champion_from_a_remote_store(run: Run, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(run.export), "/champion/3", recursive=True)
    evaluate(
        [run.model],
        run.split,
        run.features,
        tmp_path / "out",
        baselines=[],
        champion="memory://champion/3",
        resamples=20,
    )
    found = metrics_of(tmp_path / "out")
    assert found["recommenders"]["champion"]["slices"] == found["recommenders"]["matrix_factorization"]["slices"]


def test_a_champion_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for champion, words in {str(tmp_path / "nowhere"): "no folder", str(tmp_path / "empty"): "no SavedModel"}.items():
        with pytest.raises(ArtifactError, match=words):
            evaluate([run.model], run.split, run.features, tmp_path / "out", baselines=[], champion=champion)
    assert not (tmp_path / "out").exists()


def test_models_of_other_features_are_refused(run: Run, tmp_path: Path) -> None:
    split(write_validated(tmp_path / "validated", taste_rows()[9:]), tmp_path / "split")
    featurize(tmp_path / "split", tmp_path / "features")
    with pytest.raises(ArtifactError, match="was trained on the features"):
        evaluate([run.model], tmp_path / "split", tmp_path / "features", tmp_path / "out")
    with pytest.raises(ArtifactError, match="was not made from the split"):
        evaluate([run.model], tmp_path / "split", run.features, tmp_path / "out")


def test_bad_arguments_are_named(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no model"):
        evaluate([], run.split, run.features, out)
    with pytest.raises(ConfigError, match=r"slim.*popularity"):
        evaluate([run.model], run.split, run.features, out, baselines=["slim"])
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        evaluate([run.model], run.split, run.features, out, k=0)


def test_k_above_the_catalogue_fills_what_there_is(run: Run, tmp_path: Path) -> None:
    evaluate([run.model], run.split, run.features, tmp_path / "out", k=60, baselines=["popularity"], resamples=20)
    found = metrics_of(tmp_path / "out")["recommenders"]["matrix_factorization"]
    # All unseen items are in every list, so each positive of the test part is found.
    assert found["slices"][ALL]["recall@60"]["mean"] == 1.0
    assert found["faults"]["missing"] > 0


ROWS: list[Row] = [("u", "a", 5, 0), ("u", "b", 5, DAY), ("v", "a", 5, 0), ("v", "b", 5, DAY), ("w", "a", 5, 0)]


def write_test_part(folder: Path, rows: list[Row]) -> Path:
    table = pq.read_table(write_validated(folder, rows) / "interactions.parquet")
    label = [value >= 4 for value in table["value"].to_pylist()]
    pq.write_table(table.append_column("label", [label]), folder / "test.parquet")
    return folder


def test_truth_is_the_positives_alone(tmp_path: Path) -> None:
    part = write_test_part(tmp_path / "part", [("u", "c", 5, 9), ("v", "c", 1, 9), ("new", "elsewhere", 4, 9)])
    truth = read_truth(part, make_features(ROWS))
    assert truth.user_ids.tolist() == ["new", "u"]
    assert truth.sizes.tolist() == [1, 1]


def test_truth_of_repeat_consumption_leaves_out_what_is_known(tmp_path: Path) -> None:
    part = write_test_part(tmp_path / "part", [("u", "a", 5, 9), ("w", "a", 5, 9), ("w", "b", 5, 9)])
    truth = read_truth(part, make_features(ROWS, repeat_consumption=True))
    assert truth.user_ids.tolist() == ["w"]
    assert truth.sizes.tolist() == [1]


def test_a_test_part_without_positives_is_refused(tmp_path: Path) -> None:
    part = write_test_part(tmp_path / "part", [("u", "c", 1, 9)])
    with pytest.raises(DataError, match="no test user has a positive"):
        read_truth(part, make_features(ROWS))


def test_an_evaluation_replaces_an_earlier_one(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.evaluation, tmp_path / "out")
    evaluate([run.model], run.split, run.features, tmp_path / "out", baselines=["popularity"], resamples=20)
    assert set(metrics_of(tmp_path / "out")["recommenders"]) == {"matrix_factorization", "baseline:popularity"}
