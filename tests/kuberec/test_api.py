"""The API for notebooks: one name for two things, nothing made twice, the same answers as the steps."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kuberec
from kuberec.artifacts import read_manifest
from kuberec.errors import ArtifactError, ConfigError, ModelError
from kuberec.features import load_features
from kuberec.train import load_model
from kuberec.training.families import family_names, load_family
from kuberec.work_folder import WorkFolder
from tests.kuberec.conftest import BASELINES, Run
from tests.pipelines.synthetic import write_dataset

FAST: dict[str, Any] = {"embedding_size": 8, "learning_rate": 0.02, "epochs": 3}
HEAVY = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "duckdb", "grpc", "pydantic", "IPython")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data")).parent


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def model(dataset: Path, work_dir: Path) -> kuberec.Model:
    return kuberec.train(dataset, family="matrix_factorization", work_dir=work_dir, **FAST)


@pytest.fixture(scope="module")
def opened(run: Run, tmp_path_factory: pytest.TempPathFactory) -> kuberec.Model:
    """A model that the steps made."""
    work_dir = tmp_path_factory.mktemp("opened")
    return kuberec.Model(run.model, features=run.features, split=run.split, work_dir=work_dir)


def made(work_dir: Path) -> dict[Path, int]:
    """When each artifact was written."""
    return {path.parent: path.stat().st_mtime_ns for path in work_dir.rglob("manifest.json")}


IMPORTS = (
    "import kuberec",
    "from kuberec.train import load_model; import kuberec",
    "import kuberec.train; import kuberec",
    "import kuberec; from kuberec.train import load_model",
    "import kuberec.export, kuberec.cli.app; import kuberec",
    "import importlib; importlib.import_module('kuberec.train'); import kuberec",
)


@pytest.mark.parametrize("imports", IMPORTS)
def test_the_function_and_the_step_keep_their_names_in_any_order(imports: str) -> None:
    check = "from kuberec.train import train as step; print(kuberec.train.__module__, step.__module__)"
    done = subprocess.run([sys.executable, "-c", f"{imports}; {check}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["kuberec.api", "kuberec.train"]


def test_the_import_is_light() -> None:
    code = f"import sys, kuberec; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_hyperparameter_is_named_like_an_argument() -> None:
    own = set(inspect.signature(kuberec.train).parameters)
    for name in family_names():
        assert not own & set(load_family(name).config.model_fields), name


@pytest.mark.slow
def test_a_second_call_makes_nothing(model: kuberec.Model, dataset: Path, work_dir: Path) -> None:
    before = made(work_dir)
    again = kuberec.train(dataset / "dataset.yaml", family="matrix_factorization", work_dir=work_dir, **FAST)
    assert again.folder == model.folder
    assert made(work_dir).items() >= before.items()
    assert len(list((work_dir / "train").iterdir())) == 1


@pytest.mark.slow
def test_another_seed_trains_anew_on_the_same_features(model: kuberec.Model, dataset: Path, work_dir: Path) -> None:
    other = kuberec.train(
        dataset, family="matrix_factorization", seed=1, strategy="leave_one_out", work_dir=work_dir, **FAST
    )
    assert other.seed == 1
    assert other.folder != model.folder
    assert len(list((work_dir / "ingest").iterdir())) == 1
    assert len(list((work_dir / "split").iterdir())) == 2


def test_a_wrong_hyperparameter_is_told_before_the_data_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="warmth"):
        kuberec.train(tmp_path / "absent", family="triplet", work_dir=tmp_path / "work", warmth=3)
    with pytest.raises(ModelError, match="there is no model family 'nope'"):
        kuberec.train(tmp_path / "absent", family="nope", work_dir=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_recommendations_are_those_of_the_step(opened: kuberec.Model, run: Run) -> None:
    users = ["u003", "u001"]
    expected = load_model(run.model, load_features(run.features)).recommend(users, 4)
    table = opened.recommend(users, 4)
    assert table.columns.tolist() == ["user_id", "rank", "item_id", "score"]
    assert table["user_id"].tolist() == ["u003"] * 4 + ["u001"] * 4
    assert table["rank"].tolist() == [1, 2, 3, 4] * 2
    assert table["item_id"].tolist() == expected.item_ids.ravel().tolist()
    np.testing.assert_array_equal(table["score"], expected.scores.ravel())


def test_one_user_needs_no_list(opened: kuberec.Model) -> None:
    assert opened.recommend("u001", 3).equals(opened.recommend(["u001"], 3))
    assert opened.recommend(np.int64(7), 3)["user_id"].tolist() == ["7"] * 3


def test_no_user_gets_an_empty_table(opened: kuberec.Model) -> None:
    assert opened.recommend([], 3).empty


def test_lists_end_with_the_catalogue(opened: kuberec.Model) -> None:
    table = opened.recommend("u001", 1000)
    assert table["item_id"].is_unique
    assert np.isfinite(table["score"]).all()


def test_a_history_changes_the_answer(opened: kuberec.Model) -> None:
    plain = opened.recommend("nobody", 5)
    session = opened.recommend("nobody", 5, histories=[["i001", "i005"]])
    assert session["item_id"].tolist() != plain["item_id"].tolist()
    with pytest.raises(ConfigError, match="2 histories for 1 users"):
        opened.recommend("nobody", 5, histories=[["i001"], ["i005"]])


@pytest.mark.parametrize("ask", ["recommend", "similar_items"])
def test_k_below_1_is_an_error(opened: kuberec.Model, ask: str) -> None:
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        getattr(opened, ask)("u001", 0)


def test_similar_items_leave_out_the_unknown(opened: kuberec.Model) -> None:
    table = opened.similar_items(["i001", "nothing"], 3)
    assert table["similar_to"].tolist() == ["i001"] * 3
    assert table.columns.tolist() == ["similar_to", "rank", "item_id", "score"]


@pytest.mark.slow
def test_titles_stand_beside_the_items(model: kuberec.Model) -> None:
    table = model.recommend("1", 5)
    assert table["title"].tolist() == [f"Item {item[1:]}" for item in table["item_id"]]


def test_a_model_shows_what_was_trained(opened: kuberec.Model, run: Run) -> None:
    facts = read_manifest(run.model).facts
    html = opened._repr_html_()
    for shown in ("matrix_factorization", f"<td>{facts['epochs']}</td>", f"<td>{facts['ndcg@10']:.4f}</td>"):
        assert shown in html
    assert f"epochs={facts['epochs']}" in repr(opened)
    assert opened.history.loc[opened.epochs, "ndcg@10"] == facts["ndcg@10"]


@pytest.fixture(scope="module")
def evaluation(opened: kuberec.Model) -> kuberec.Evaluation:
    return opened.evaluate(baselines=BASELINES, resamples=300)


def test_an_evaluation_has_the_figures_of_the_step(evaluation: kuberec.Evaluation, run: Run) -> None:
    step = json.loads((run.evaluation / "metrics.json").read_text(encoding="utf-8"))["recommenders"]
    table = evaluation.to_pandas()
    baselines = [name for name, own in step.items() if own["role"] == "baseline"]
    assert len(baselines) == len(BASELINES)
    assert set(table.index) == {"matrix_factorization", *baselines}
    for name in baselines:
        expected = step[name]["slices"]["all"]["ndcg@10"]
        row = table.loc[name]
        found = [row["ndcg@10"], row["ndcg@10_low"], row["ndcg@10_high"]]
        assert found == [expected["mean"], expected["low"], expected["high"]]
    means = evaluation.per_user().groupby("recommender")["ndcg@10"].mean()
    np.testing.assert_allclose(means.loc[table.index], table["ndcg@10"], atol=1e-5)


def test_an_evaluation_shows_its_findings(evaluation: kuberec.Evaluation) -> None:
    html = evaluation._repr_html_()
    assert "The candidate is matrix_factorization" in html
    assert "item_knn" in html
    with pytest.raises(ConfigError, match="no slice 'nope'; the slices are all, "):
        evaluation.to_pandas("nope")


@pytest.mark.slow
def test_models_of_other_features_are_not_compared(opened: kuberec.Model, model: kuberec.Model) -> None:
    with pytest.raises(ArtifactError, match="features"):
        kuberec.compare([opened, model], baselines=BASELINES)
    with pytest.raises(ConfigError, match="no model to compare"):
        kuberec.compare([])


@pytest.mark.slow
def test_the_export_is_that_of_the_step(opened: kuberec.Model, run: Run, tmp_path: Path) -> None:
    folder = opened.export(tmp_path / "models" / "recommender" / "1")
    assert read_manifest(folder).parents == read_manifest(run.export).parents


def test_an_export_never_replaces_a_folder_of_something_else(opened: kuberec.Model, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"holds files that no step wrote.*another"):
        opened.export(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_torn_artifact_is_made_again(run: Run, tmp_path: Path) -> None:
    from kuberec.featurize import featurize

    work = WorkFolder(tmp_path)
    folder = work.run(featurize, [run.split], {})
    (folder / "items.parquet").unlink()
    assert work.run(featurize, [run.split], {}) == folder
    assert (folder / "items.parquet").is_file()
