"""The step `evaluate`: rank the full catalogue for every test user, with models, baselines and the champion alike.

Truth is the positives of the test part; users without one are not judged. The candidate is the model with the best
validation metric: the test part judges it and chooses nothing. docs/evaluation-and-gate.md tells the protocol.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuberec.artifacts import Manifest, new_artifact, read_manifest, write_json, write_text
from kuberec.baselines import BASELINES
from kuberec.errors import ArtifactError, ConfigError, DataError
from kuberec.evaluation.bootstrap import CONFIDENCE, DIGITS
from kuberec.evaluation.contenders import Contender, Role, contenders, read_models
from kuberec.evaluation.judge import Judged, figures, is_observed, judge
from kuberec.evaluation.metrics import RANKING_METRICS, Truth
from kuberec.evaluation.report import html_report, markdown_report
from kuberec.evaluation.slices import ALL, Slice, slices
from kuberec.feature_changes import require_same_features
from kuberec.features import Features, load_features
from kuberec.progress import progress_bars
from kuberec.schema import ITEM, LABEL, TEST, USER
from kuberec.seeds import check_seed

METRICS_FILE = "metrics.json"
PER_USER_FILE = "per_user.parquet"
REPORT_FILE = "report.html"
SUMMARY_FILE = "report.md"
SPLIT_FILE = "split.json"
RECOMMENDER = "recommender"


def evaluate(
    models: Sequence[Path | str],
    split: Path | str,
    features: Path | str,
    output: Path | str,
    *,
    k: int = 10,
    baselines: Sequence[str] = BASELINES,
    champion: str = "",
    resamples: int = 1000,
    seed: int = 0,
) -> Manifest:
    """Judge models beside baselines and the champion on the test part.

    Args:
        models: Outputs of `train`, at least one; the best on validation becomes the candidate.
        split: The output of `split`.
        features: The output of `featurize` for that split.
        output: Folder for `metrics.json`, `per_user.parquet`, `report.html`, `report.md`.
        k: Length of the ranked lists.
        baselines: Names out of `kuberec.baselines.BASELINES`.
        champion: Folder or URI of the SavedModel version that serves now; empty without one.
        resamples: Number of bootstrap resamples behind each interval.
        seed: Seed of the bootstrap and of the baselines.

    Returns:
        The manifest; its facts name the `candidate`, its `candidate_folder` and its figures as flat `metrics`.

    Raises:
        ConfigError: No model, an unknown baseline, or a number out of range.
        DataError: No test user has a positive.
        ArtifactError: The features are not of this split, or a model not of these features.
    """
    check_seed(seed)
    _check_arguments(models, baselines, k, resamples)
    loaded = load_features(features)
    _check_features(features, split)
    trained = read_models(models)
    for model in trained:
        require_same_features(model.folder, loaded)
    candidate = max(trained, key=lambda model: model.value)
    truth = read_truth(split, loaded)
    parts = slices(truth, loaded)
    field = contenders(trained, baselines, champion, loaded, k, seed)
    size = len(trained) + len(baselines) + bool(champion)
    judged = [judge(each, truth, parts, loaded, k) for each in _shown(field, size)]

    parents = {"split": Path(split), "features": Path(features), **{model.name: model.folder for model in trained}}
    with new_artifact(output, "evaluation", parents=parents, seed=seed) as (folder, manifest):
        metrics = {
            **_protocol(split, loaded, truth, parts, k, resamples, seed),
            **_results(judged, candidate.name, parts, k, resamples, seed),
            "validation": {model.name: {model.metric: round(model.value, DIGITS)} for model in trained},
        }
        write_json(folder / METRICS_FILE, metrics)
        pq.write_table(_per_user(judged, truth, k), folder / PER_USER_FILE)
        write_text(folder / REPORT_FILE, html_report(metrics))
        write_text(folder / SUMMARY_FILE, markdown_report(metrics))
        manifest.rows = {"users": len(truth.user_ids), "truth": len(truth.user)}
        manifest.facts = {
            "candidate": candidate.name,
            "candidate_folder": str(candidate.folder.resolve()),
            "metrics": summary(metrics),
        }
    return read_manifest(output)


def summary(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The candidate's figures in a `metrics.json` as flat numbers: means, interval ends, and its lead over each."""
    own = metrics["recommenders"][metrics["candidate"]]
    flat: dict[str, float] = {name: value["mean"] for name, value in own["slices"][ALL].items()}
    main = f"ndcg@{metrics['k']}"
    flat |= {f"{main}_{end}": own["slices"][ALL][main][end] for end in ("low", "high")}
    flat |= {name: own["lists"][name] for name in ("coverage", "gini", "novelty")}
    return flat | {f"{main}_over_{other}": parts[ALL][main]["mean"] for other, parts in metrics["differences"].items()}


def read_truth(split: Path | str, features: Features) -> Truth:
    """The positives of a split's test part.

    Where a dataset allows taking an item again, pairs that are known already are left out: recommendations never
    contain them.

    Raises:
        DataError: There is none.
    """
    rows = pq.read_table(Path(split) / f"{TEST}.parquet", columns=[USER, ITEM, LABEL]).filter(pc.field(LABEL))
    users, items = np.asarray(rows[USER].to_pylist(), dtype=object), np.asarray(rows[ITEM].to_pylist(), dtype=object)
    if features.spec.repeat_consumption and len(users):
        new = ~is_observed(features, features.users.indices(users), features.items.indices(items))
        users, items = users[new], items[new]
    if not len(users):
        raise DataError(
            f"{split}: no test user has a positive to find. Raise the test share, or ask less of a positive in the "
            "dataset.yaml."
        )
    return Truth.of(users, items, features.items)


def _check_arguments(models: Sequence[Path | str], baselines: Sequence[str], k: int, resamples: int) -> None:
    if not models:
        raise ConfigError("there is no model to evaluate; name at least one output of `train`.")
    if unknown := sorted(set(baselines) - set(BASELINES)):
        raise ConfigError(f"there are no baselines {unknown}; the baselines are {', '.join(BASELINES)}.")
    for name, value in {"k": k, "resamples": resamples}.items():
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")


def _check_features(features: Path | str, split: Path | str) -> None:
    if read_manifest(split).content_hash not in read_manifest(features).parents.values():
        raise ArtifactError(
            f"{features} was not made from the split {split}. Name the folders of one run, or run `featurize` again."
        )


def _shown(field: Iterator[Contender], size: int) -> Iterator[Contender]:
    """The contenders as they come, with a progress bar on a terminal or in a notebook."""
    with progress_bars() as bars:
        yield from bars.track(field, total=size, description="judging")


def _protocol(
    split: Path | str, features: Features, truth: Truth, parts: Sequence[Slice], k: int, resamples: int, seed: int
) -> dict[str, Any]:
    described = {}
    for part in parts:
        inside = truth.only(part.pairs)
        users = int((inside.sizes > 0).sum())
        described[part.name] = {"description": part.description, "users": users, "truth": len(inside.user)}
    return {
        "dataset": features.spec.name,
        "strategy": json.loads((Path(split) / SPLIT_FILE).read_text(encoding="utf-8"))["strategy"],
        "k": k,
        "catalogue": len(features.items) - 1,
        "slices": described,
        "bootstrap": {"confidence": CONFIDENCE, "resamples": resamples, "seed": seed},
    }


def _results(
    judged: Sequence[Judged], candidate: str, parts: Sequence[Slice], k: int, resamples: int, seed: int
) -> dict[str, Any]:
    means, leads = figures(judged, candidate, parts, k, resamples, seed)
    baselines = [each.name for each in judged if each.role is Role.BASELINE]
    names = [f"{metric}@{k}" for metric in RANKING_METRICS]
    best = {metric: max(baselines, key=lambda name: means[name][ALL][metric]["mean"]) for metric in names if baselines}
    recommenders = {
        each.name: {
            "role": each.role.value,
            "parameters": dict(each.parameters),
            "slices": means[each.name],
            "lists": dict(each.lists),
            "faults": dict(each.faults),
        }
        for each in judged
    }
    return {"recommenders": recommenders, "candidate": candidate, "best_baseline": best, "differences": leads}


def _per_user(judged: Sequence[Judged], truth: Truth, k: int) -> pa.Table:
    """One row a recommender and user: their ids, the size of the truth, the metrics over all of it."""
    tables = []
    for each in judged:
        values = each.values[ALL]
        columns = {f"{metric}@{k}": values[:, n] for n, metric in enumerate(RANKING_METRICS)}
        ids = {USER: pa.array(truth.user_ids, pa.string()), RECOMMENDER: pa.array([each.name] * len(values))}
        tables.append(pa.table({**ids, "truth": truth.sizes, **columns}))
    return pa.concat_tables(tables)
