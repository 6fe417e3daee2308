import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from kuberec.artifacts import new_artifact, read_manifest, verify_artifact, write_json
from kuberec.checks import Check
from kuberec.errors import ArtifactError, ConfigError
from kuberec.evaluate import evaluate
from kuberec.features import load_features
from kuberec.gate import Verdict, gate, quality_checks
from kuberec.train import load_model
from kuberec.validate_export import validate_export
from tests.kuberec.conftest import Run

Leads = dict[str, tuple[float, float]]


WIDE = -0.2
"""A margin wide enough for the intervals of the run's 42 test users."""


def decide(run: Run, output: Path, margin: float = WIDE, **options: Any) -> Verdict:
    return gate(run.evaluation, run.split, run.features, run.export, run.parity, output, margin=margin, **options)


def refused(verdict: Verdict) -> dict[str, str]:
    """Reasons of the failed checks by name."""
    assert verdict.passed == all(check.passed for check in verdict.checks)
    return {check.name: check.reason for check in verdict.checks if not check.passed}


def rewritten(source: Path, target: Path, change: Callable[[Path], None]) -> Path:
    """A copy of an artifact with changed content and a manifest in order, as a faulty step would leave it."""
    old = read_manifest(source)
    with new_artifact(target, old.kind) as (folder, manifest):
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / "manifest.json").unlink()
        change(folder)
        manifest.parents, manifest.facts, manifest.rows = old.parents, old.facts, old.rows
    return target


def test_a_candidate_that_is_level_with_the_best_baseline_passes(run: Run, tmp_path: Path) -> None:
    verdict = decide(run, tmp_path / "verdict")
    assert refused(verdict) == {}
    assert verdict.passed
    reasons = {check.name: check.reason for check in verdict.checks}
    assert "better (+0." in reasons["better than popularity"]
    assert "against baseline:item_knn" in reasons["holds against the best baseline"]
    assert reasons["holds against the champion"] == "no champion was named"


def test_the_verdict_is_an_artifact_with_every_reason(run: Run, tmp_path: Path) -> None:
    verdict = decide(run, tmp_path / "verdict")
    manifest = verify_artifact(tmp_path / "verdict")
    assert manifest.kind == "verdict"
    assert manifest.parents["export"] == read_manifest(run.export).content_hash
    written = json.loads((tmp_path / "verdict" / "verdict.json").read_text())
    assert written["passed"] is True
    assert [Check(**check) for check in written["checks"]] == list(verdict.checks)
    page = (tmp_path / "verdict" / "verdict.md").read_text()
    assert page.startswith("# Passed: matrix_factorization_2\n\nJudged on ndcg@10 with margin -0.2;")
    assert all(f"| {check.name} |" in page for check in verdict.checks)
    assert written["metrics"] == read_manifest(run.evaluation).facts["metrics"]
    report = (run.evaluation / "report.md").read_text()
    assert (tmp_path / "verdict" / "evaluation.md").read_text() == report


def test_a_margin_of_zero_refuses_what_is_only_level(run: Run, tmp_path: Path) -> None:
    verdict = decide(run, tmp_path / "verdict", margin=0.0)
    failed = refused(verdict)
    assert list(failed) == ["holds against the best baseline"]
    assert "item_knn" in failed["holds against the best baseline"]
    assert "low end above 0, which does not hold" in failed["holds against the best baseline"]
    assert (tmp_path / "verdict" / "verdict.md").read_text().startswith("# Refused")


def test_a_model_that_learned_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    evaluate(
        [run.weak],
        run.split,
        run.features,
        tmp_path / "evaluation",
        baselines=["popularity", "item_knn"],
        resamples=300,
    )
    failed = refused(decide(replace(run, evaluation=tmp_path / "evaluation"), tmp_path / "verdict"))
    assert "the candidate is worse" in failed["holds against the best baseline"]
    assert "better than popularity" in failed
    # The export at hand is another model's.
    assert "was not made from the candidate" in failed["export from candidate"]


def test_a_candidate_worse_than_the_champion_is_refused(run: Run, tmp_path: Path) -> None:
    evaluate(
        [run.weak], run.split, run.features, tmp_path / "evaluation",
        baselines=["popularity"], champion=str(run.export), resamples=300,
    )  # fmt: skip
    failed = refused(decide(replace(run, evaluation=tmp_path / "evaluation"), tmp_path / "verdict"))
    assert "against champion" in failed["holds against the champion"]
    assert "the candidate is worse (-0." in failed["holds against the champion"]


def test_test_rows_copied_into_train_are_refused(run: Run, tmp_path: Path) -> None:
    def leak(folder: Path) -> None:
        train, test = (pq.read_table(folder / f"{part}.parquet") for part in ("train", "test"))
        pq.write_table(pa.concat_tables([train, test]), folder / "train.parquet")

    leaky = rewritten(run.split, tmp_path / "split", leak)
    failed = refused(decide(replace(run, split=leaky), tmp_path / "verdict"))
    rows = len(pq.read_table(run.split / "test.parquet"))
    assert failed["no shared rows"].startswith(f"{rows} rows of a later part stand in an earlier part")
    assert "row balance" in failed
    assert "encoded train" in failed


def test_flipped_labels_are_refused(run: Run, tmp_path: Path) -> None:
    def flip(folder: Path) -> None:
        for part in ("train", "validation", "test"):
            table = pq.read_table(folder / f"{part}.parquet")
            column = table.column_names.index("label")
            flipped = table.set_column(column, "label", pc.invert(table["label"]))
            pq.write_table(flipped, folder / f"{part}.parquet")

    flipped = rewritten(run.split, tmp_path / "split", flip)
    failed = refused(decide(replace(run, split=flipped), tmp_path / "verdict"))
    assert "contradicts the rule" in failed["label convention"]
    assert "encoded train" in failed


def test_a_leak_into_the_features_alone_is_refused(run: Run, tmp_path: Path) -> None:
    def leak(folder: Path) -> None:
        train = pq.read_table(folder / "train.parquet")
        items = pq.read_table(folder / "items.parquet")["item_id"].to_pylist()
        users = pq.read_table(folder / "users.parquet")["user_id"].to_pylist()
        pair = pq.read_table(run.split / "test.parquet").slice(0, 1).to_pylist()[0]
        row = {**train.slice(0, 1).to_pylist()[0], "user_index": users.index(pair["user_id"])}
        row["item_index"] = items.index(pair["item_id"])
        pq.write_table(
            pa.concat_tables([train, pa.Table.from_pylist([row], schema=train.schema)]), folder / "train.parquet"
        )

    leaky = rewritten(run.features, tmp_path / "features", leak)
    failed = refused(decide(replace(run, features=leaky), tmp_path / "verdict"))
    assert failed["test unseen by the features"].startswith("1 of ")
    assert "encoded train" in failed
    assert "evaluation from features" in failed


def test_an_export_with_shifted_ids_is_refused(run: Run, tmp_path: Path) -> None:
    import tensorflow as tf

    from kuberec.exporting.graph import ServingGraph
    from kuberec.exporting.signatures import signatures

    def shift(folder: Path) -> None:
        graph = ServingGraph(load_model(run.model, load_features(run.features)))
        graph.item_ids = tf.roll(graph.item_ids, 1, axis=0)
        tf.saved_model.save(graph, str(folder), signatures=signatures(graph))

    shifted = rewritten(run.export, tmp_path / "export", shift)
    validate_export(shifted, run.model, run.features, tmp_path / "parity")
    failed = refused(decide(replace(run, export=shifted, parity=tmp_path / "parity"), tmp_path / "verdict"))
    assert "hold another item" in failed["export: recommendations"]


def test_a_parity_without_checks_is_refused(run: Run, tmp_path: Path) -> None:
    empty = rewritten(
        run.parity, tmp_path / "parity", lambda folder: write_json(folder / "parity.json", {"checks": []})
    )
    assert list(refused(decide(replace(run, parity=empty), tmp_path / "verdict"))) == ["export parity"]


@pytest.mark.parametrize("name", ["evaluation", "split", "features", "export", "parity"])
def test_an_artifact_changed_after_it_was_written_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    changed = tmp_path / name
    shutil.copytree(getattr(run, name), changed)
    path = changed / {"evaluation": "report.md", "split": "dataset.yaml", "features": "dataset.yaml",
                      "export": "saved_model.pb", "parity": "parity.json"}[name]  # fmt: skip
    path.write_bytes(path.read_bytes() + b"\n")
    failed = refused(decide(replace(run, **{name: changed}), tmp_path / "verdict"))
    assert list(failed) == [f"{name} unchanged"]
    assert f"{path.name} was changed" in failed[f"{name} unchanged"]


def test_another_runs_parity_is_refused(run: Run, tmp_path: Path) -> None:
    def other(folder: Path) -> None:
        (folder / "model_card.md").write_text("another")

    export = rewritten(run.export, tmp_path / "export", other)
    assert list(refused(decide(replace(run, export=export), tmp_path / "verdict"))) == ["parity from export"]


def test_bad_settings_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'hr@5' was not evaluated.*hr@10, map@10"):
        decide(run, tmp_path / "verdict", metric="hr@5")
    with pytest.raises(ConfigError, match="margin=nan must be a finite number"):
        decide(run, tmp_path / "verdict", margin=float("nan"))
    with pytest.raises(ArtifactError, match="no finished artifact"):
        decide(replace(run, parity=tmp_path), tmp_path / "verdict")
    assert not (tmp_path / "verdict").exists()


def test_the_gate_does_not_import_tensorflow(run: Run, tmp_path: Path) -> None:
    folders = (run.evaluation, run.split, run.features, run.export, run.parity, tmp_path / "verdict")
    program = (
        "import sys; from kuberec.gate import gate; "
        f"verdict = gate(*{[str(folder) for folder in folders]!r}, margin={WIDE}); "
        "sys.exit(10 * ('tensorflow' in sys.modules) + (not verdict.passed))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def figures(leads: Leads, users: int = 100) -> dict[str, Any]:
    """Figures of a candidate at 0.5 that leads the champion and baselines by (low, high)."""
    leads = {name if name == "champion" else f"baseline:{name}": lead for name, lead in leads.items()}
    differences, recommenders = {}, {"own": {"slices": {"all": {"ndcg@10": {"mean": 0.5}}}}}
    for name, (low, high) in leads.items():
        mean = (low + high) / 2
        differences[name] = {"all": {"ndcg@10": {"mean": mean, "low": low, "high": high}}}
        recommenders[name] = {"slices": {"all": {"ndcg@10": {"mean": 0.5 - mean}}}}
    baselines = {name: lead for name, lead in leads.items() if name != "champion"}
    best = min(baselines, key=lambda name: sum(leads[name]))
    return {
        "slices": {"all": {"users": users}},
        "recommenders": recommenders,
        "candidate": "own",
        "best_baseline": {"ndcg@10": best},
        "differences": differences,
    }


AHEAD, LEVEL, BEHIND = (0.01, 0.05), (-0.03, 0.02), (-0.05, -0.01)


@pytest.mark.parametrize(
    ("margin", "leads", "failed"),
    [
        (0.0, {"popularity": AHEAD, "ease": AHEAD}, []),
        (0.0, {"popularity": AHEAD, "ease": LEVEL}, ["holds against the best baseline"]),
        (-0.029, {"popularity": AHEAD, "ease": LEVEL}, ["holds against the best baseline"]),
        (-0.031, {"popularity": AHEAD, "ease": LEVEL}, []),
        (-0.031, {"popularity": AHEAD, "ease": BEHIND}, ["holds against the best baseline"]),
        (-0.5, {"popularity": LEVEL, "ease": LEVEL}, ["better than popularity"]),
        (0.0, {"popularity": AHEAD, "champion": LEVEL}, ["holds against the champion"]),
        (-0.04, {"popularity": AHEAD, "champion": LEVEL}, []),
        (-0.04, {"ease": AHEAD}, ["better than popularity"]),
        (0.009, {"popularity": AHEAD, "ease": AHEAD}, []),
        (0.011, {"popularity": AHEAD, "ease": AHEAD}, ["holds against the best baseline"]),
    ],
)  # fmt: skip
def test_the_margin(margin: float, leads: Leads, failed: list[str]) -> None:
    checks = quality_checks(figures(leads), "ndcg@10", margin)
    assert [check.name for check in checks if not check.passed] == failed


def test_wide_intervals_are_no_excuse() -> None:
    checks = quality_checks(figures({"popularity": AHEAD, "ease": (-0.2, 0.25)}), "ndcg@10", -0.02)
    assert [check.name for check in checks if not check.passed] == ["holds against the best baseline"]


def test_a_handful_of_test_users_decides_nothing() -> None:
    checks = quality_checks(figures({"popularity": AHEAD, "ease": AHEAD}, users=19), "ndcg@10", 0.0)
    assert [check.name for check in checks if not check.passed] == ["enough test users"]


def test_without_a_baseline_nothing_passes() -> None:
    bare = {**figures({"popularity": AHEAD}), "best_baseline": {}, "differences": {}}
    failed = [check.name for check in quality_checks(bare, "ndcg@10", 0.0) if not check.passed]
    assert failed == ["better than popularity", "holds against the best baseline"]


def test_the_reason_gives_the_figures() -> None:
    checks = quality_checks(figures({"popularity": AHEAD, "ease": BEHIND}), "ndcg@10", 0.0)
    assert checks[2].reason == (
        "own 0.5000 against baseline:ease 0.5300: the candidate is worse (-0.0300 ndcg@10, interval -0.0500 to "
        "-0.0100); the gate asks for a low end above 0, which does not hold"
    )


def test_lists_with_observed_items_are_refused(run: Run, tmp_path: Path) -> None:
    def fault(folder: Path) -> None:
        found = json.loads((folder / "metrics.json").read_text())
        found["recommenders"][found["candidate"]]["faults"]["observed"] = 3
        write_json(folder / "metrics.json", found)

    faulty = rewritten(run.evaluation, tmp_path / "evaluation", fault)
    failed = refused(decide(replace(run, evaluation=faulty), tmp_path / "verdict"))
    assert list(failed) == ["sound lists"]
    assert "hold 3 items that their user was observed with" in failed["sound lists"]
