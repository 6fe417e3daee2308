"""The step `gate`: may the candidate be promoted? Integrity first, then quality against its rivals.

Quality is judged by the 95 % interval [low, high] of the paired difference candidate - rival on the metric. The
candidate must be better than popularity, low > 0, and must hold against its rivals, the best baseline and, where one
serves, the champion: low > margin. A negative margin is how far it may trail at most, with confidence
(non-inferiority); 0 asks for a proven lead.

docs/evaluation-and-gate.md discusses the rule.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuberec.artifacts import Manifest, new_artifact, read_manifest, verify_artifact, write_json, write_text
from kuberec.baselines import Popularity
from kuberec.checks import Check, checks_from_json, checks_to_json
from kuberec.errors import ArtifactError, ConfigError
from kuberec.evaluate import METRICS_FILE, summary
from kuberec.evaluate import SUMMARY_FILE as REPORT_FILE
from kuberec.evaluation.champion import ServedModel
from kuberec.evaluation.contenders import baseline_name
from kuberec.evaluation.judge import is_observed
from kuberec.evaluation.report import lead_text
from kuberec.evaluation.slices import ALL
from kuberec.features import read_features
from kuberec.leakage import check_split
from kuberec.schema import ITEM, LABEL, TEST, TRAIN, USER, VALIDATION

VERDICT_FILE = "verdict.json"
SUMMARY_FILE = "verdict.md"
EVALUATION_FILE = "evaluation.md"
PARITY_FILE = "parity.json"
CHAMPION_CHECK = "holds against the champion"
MARGIN = -0.02
"""By default the candidate may trail a rival by at most this, in the metric's unit, with confidence."""
LEAST_USERS = 20
"""Test users below which a bootstrap interval means little."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, and every check behind it."""

    passed: bool
    checks: tuple[Check, ...]


def gate(
    evaluation: Path | str,
    split: Path | str,
    features: Path | str,
    export: Path | str,
    parity: Path | str,
    output: Path | str,
    *,
    metric: str = "ndcg@10",
    margin: float = MARGIN,
) -> Verdict:
    """Decide whether the candidate may be promoted; a refusal is an answer and no error.

    Args:
        evaluation: The output of `evaluate`.
        split: The output of `split`.
        features: The output of `featurize`.
        export: The output of `export`.
        parity: The output of `validate_export`.
        output: Folder for `verdict.json`, `verdict.md`, and `evaluation.md`, the figures behind them.
        metric: The metric that decides, a key of `metrics.json` such as `ndcg@10`.
        margin: What the lead over each rival must exceed with confidence, in the metric's unit; negative where the
            candidate may trail a little.

    Raises:
        ConfigError: The metric was not evaluated, or the margin is no number.
        ArtifactError: An input is no artifact at all.
    """
    if not math.isfinite(margin):
        raise ConfigError(f"margin={margin} must be a finite number.")
    inputs = {"evaluation": evaluation, "split": split, "features": features, "export": export, "parity": parity}
    folders = {name: Path(folder) for name, folder in inputs.items()}
    figures = json.loads((folders["evaluation"] / METRICS_FILE).read_text(encoding="utf-8"))
    _check_metric(figures, metric)
    checks = [
        *_unchanged(folders),
        *_lineage({name: read_manifest(folder) for name, folder in folders.items()}, figures["candidate"]),
        *check_split(folders["split"]),
        *_features_agree(folders["split"], folders["features"]),
        *_parity(folders["parity"]),
        *_sound_lists(figures),
        *quality_checks(figures, metric, margin),
    ]
    verdict = Verdict(all(check.passed for check in checks), tuple(checks))
    facts = {"passed": verdict.passed, "candidate": figures["candidate"], "metric": metric, "margin": margin}
    with new_artifact(output, "verdict", parents=folders) as (folder, manifest):
        write_json(folder / VERDICT_FILE, {**facts, "metrics": summary(figures), "checks": checks_to_json(checks)})
        write_text(folder / SUMMARY_FILE, _markdown(verdict, facts))
        if (report := folders["evaluation"] / REPORT_FILE).is_file():  # a missing one is among the failed checks
            shutil.copyfile(report, folder / EVALUATION_FILE)
        manifest.facts = facts
    return verdict


def _check_metric(figures: Mapping[str, Any], metric: str) -> None:
    known = sorted(figures["recommenders"][figures["candidate"]]["slices"][ALL])
    if metric not in known:
        raise ConfigError(f"metric={metric!r} was not evaluated; {METRICS_FILE} has {', '.join(known)}.")


def _unchanged(folders: Mapping[str, Path]) -> list[Check]:
    """Every input is as its step wrote it."""
    checks = []
    for name, folder in folders.items():
        try:
            manifest = verify_artifact(folder)
        except ArtifactError as error:
            checks.append(Check(f"{name} unchanged", False, str(error)))
        else:
            reason = f"{len(manifest.files)} files have the hashes that were recorded when they were written"
            checks.append(Check(f"{name} unchanged", True, reason))
    return checks


def _lineage(manifests: Mapping[str, Manifest], candidate: str) -> list[Check]:
    """All inputs belong to one run: each was made from the others' very content."""
    hashes = {name: manifest.content_hash for name, manifest in manifests.items()}
    hashes["candidate"] = manifests["evaluation"].parents.get(candidate, "")
    made_from = [
        ("features", "split"),
        ("evaluation", "split"),
        ("evaluation", "features"),
        ("export", "candidate"),
        ("export", "features"),
        ("parity", "export"),
    ]
    checks = []
    for child, parent in made_from:
        passed = hashes[parent] in manifests[child].parents.values()
        what = f"the candidate {candidate}" if parent == "candidate" else f"this {parent}"
        reason = f"the {child} {'was' if passed else 'was not'} made from {what} ({hashes[parent][:12] or 'unknown'})"
        checks.append(Check(f"{child} from {parent}", passed, reason))
    return checks


def _features_agree(split: Path, features: Path) -> list[Check]:
    """The encoded rows are the split's: the same number of rows and positives, and no pair of the test part."""
    checks = []
    for part in (TRAIN, VALIDATION):
        counts = [_rows_and_positives(folder / f"{part}.parquet") for folder in (split, features)]
        (rows, positives), (encoded_rows, encoded_positives) = counts
        reason = (
            f"{part} has {rows} rows with {positives} positives in the split and {encoded_rows} rows with "
            f"{encoded_positives} positives in the features"
        )
        checks.append(Check(f"encoded {part}", counts[0] == counts[1], reason))
    loaded = read_features(features)
    if not loaded.spec.repeat_consumption:
        pairs = pq.read_table(split / f"{TEST}.parquet", columns=[USER, ITEM])
        users = loaded.users.indices(pairs[USER].to_pylist())
        leaked = int(is_observed(loaded, users, loaded.items.indices(pairs[ITEM].to_pylist())).sum())
        reason = f"{leaked} of {len(pairs)} test pairs of user and item stand in the encoded training or validation"
        checks.append(Check("test unseen by the features", not leaked, reason))
    return checks


def _rows_and_positives(path: Path) -> tuple[int, int]:
    labels = pq.read_table(path, columns=[LABEL])[LABEL]
    return len(labels), pc.sum(labels, min_count=0).as_py()


def _parity(folder: Path) -> list[Check]:
    """What `validate_export` found."""
    found = checks_from_json(json.loads((folder / PARITY_FILE).read_text(encoding="utf-8"))["checks"])
    if not found:
        return [Check("export parity", False, f"{PARITY_FILE} holds no check; run validate_export again")]
    return [Check(f"export: {check.name}", check.passed, check.reason) for check in found]


def _sound_lists(figures: Mapping[str, Any]) -> list[Check]:
    """The candidate's lists hold neither repeated items nor what their user was observed with."""
    candidate = figures["candidate"]
    faults = figures["recommenders"][candidate]["faults"]
    reason = (
        f"the test lists of {candidate} hold {faults['observed']} items that their user was observed with and "
        f"{faults['repeated']} repeated items"
    )
    return [Check("sound lists", faults["observed"] == faults["repeated"] == 0, reason)]


def quality_checks(figures: Mapping[str, Any], metric: str, margin: float) -> list[Check]:
    """The candidate against popularity, the best baseline and the champion."""
    users = figures["slices"][ALL]["users"]
    enough = f"{users} test users; an interval needs at least {LEAST_USERS}"
    checks = [
        Check("enough test users", users >= LEAST_USERS, enough),
        _against(figures, baseline_name(Popularity.name), "better than popularity", metric, 0.0),
        _against(figures, figures["best_baseline"].get(metric), "holds against the best baseline", metric, margin),
    ]
    if ServedModel.name in figures["recommenders"]:
        checks.append(_against(figures, ServedModel.name, CHAMPION_CHECK, metric, margin))
    else:
        checks.append(Check(CHAMPION_CHECK, True, "no champion was named"))
    return checks


def _against(figures: Mapping[str, Any], rival: str | None, name: str, metric: str, margin: float) -> Check:
    if rival not in figures["differences"]:
        return Check(name, False, f"{rival or 'a baseline'} was not evaluated, so there is nothing to compare with")
    candidate, lead = figures["candidate"], figures["differences"][rival][ALL][metric]
    own, other = (figures["recommenders"][who]["slices"][ALL][metric]["mean"] for who in (candidate, rival))
    passed = lead["low"] > margin
    reason = (
        f"{candidate} {own:.4f} against {rival} {other:.4f}: {lead_text(lead, metric)}; the gate asks for a low end "
        f"above {margin:g}, which {'holds' if passed else 'does not hold'}"
    )
    return Check(name, passed, reason)


def _markdown(verdict: Verdict, facts: Mapping[str, Any]) -> str:
    failed = sum(not check.passed for check in verdict.checks)
    lines = [
        f"# {'Passed' if verdict.passed else 'Refused'}: {facts['candidate']}",
        "",
        f"Judged on {facts['metric']} with margin {facts['margin']:g}; {len(verdict.checks)} checks, {failed} failed.",
        "",
        "| check | result | reason |",
        "|---|---|---|",
    ]
    for check in sorted(verdict.checks, key=lambda check: check.passed):
        reason = check.reason.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {check.name} | {'passed' if check.passed else '**failed**'} | {reason} |")
    return "\n".join(lines) + "\n"
