"""Checks that an exported model answers as the trained one does, each a `Check` with its figures."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from kuberec.checks import Check
from kuberec.exporting.signatures import DEFAULT_K, RECOMMEND, SCORE, SERVING_DEFAULT, SIMILAR_ITEMS
from kuberec.exporting.warmup import EXTRA, WARMUP_FILE
from kuberec.recommender import PADDING, Recommendations
from kuberec.retrieval.choice import RETRIEVAL_FILE, found_share
from kuberec.retrieval.ivf import MOST_ROWS
from kuberec.serving.predict import predict
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError
from kuberec.training.fitted import FittedModel

Array = npt.NDArray[Any]
TOLERANCE = 1e-5
"""Largest difference of two scores, relative to their size where that is above 1."""
MOST_USERS = 512
MOST_ITEMS = 256
SESSION_LENGTH = 3
UNKNOWN_ID = "\x00nobody"
FORBIDDEN = ("PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaLaunch", "XlaRunV2", "TfLiteSubgraphExecute")
"""Operations that TensorFlow registers but the model server lacks or refuses."""


@dataclass(frozen=True)
class Sample:
    """What both models are asked: raw ids spread over the users and the items."""

    users: list[str]
    items: list[str]
    sessions: list[list[str]]


class Served:
    """An exported model, asked with the requests and through the code of Kuberec's model server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servable = Servable("export", 1, folder)

    def ask(self, signature: str, **inputs: Any) -> dict[str, Array]:
        """One call; inputs left out take the signature's defaults."""
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        outputs = predict(self.servable, request).outputs
        return {name: tf.make_ndarray(value) for name, value in outputs.items()}

    def ranked(self, signature: str, **inputs: Any) -> Recommendations:
        """One call of a signature that ranks."""
        answer = self.ask(signature, **inputs)
        ids = np.array([item.decode() for item in answer["item_ids"].ravel()], dtype=object)
        return Recommendations(ids.reshape(answer["item_ids"].shape), answer["scores"])


def check_parity(folder: Path, model: FittedModel) -> Iterator[Check]:
    """All checks of an export against the model it was made from."""
    yield _stock_operations(folder)
    served, sample = Served(folder), _sample(model)
    for check in CHECKS:
        yield check(served, model, sample)
    path = folder / EXTRA / RETRIEVAL_FILE
    choice: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"method": "exact"}
    if choice["method"] != "exact":
        yield _index(served, model, sample, choice["least_recall"])


def compare_rankings(ours: Recommendations, theirs: Recommendations) -> str:
    """What differs between two sets of lists, or "" where they agree.

    Scores must agree within the tolerance at every rank, and ids at every rank, but for items whose scores are equal
    within the tolerance: which of these stands first is not defined.
    """
    if ours.scores.shape != theirs.scores.shape:
        return f"the lists have the shape {theirs.scores.shape} and not {ours.scores.shape}"
    away = ~_close(ours.scores, theirs.scores)
    if away.any():
        row, rank = np.argwhere(away)[0]
        return (
            f"{int(away.sum())} of {away.size} scores differ by more than {TOLERANCE:g}; the first in list {row} "
            f"at rank {rank + 1}: {theirs.scores[row, rank]:.6f} and not {ours.scores[row, rank]:.6f}"
        )
    moved = (ours.item_ids != theirs.item_ids) & ~_interchangeable(ours, theirs.item_ids)
    if moved.any():
        row, rank = np.argwhere(moved)[0]
        return (
            f"{int(moved.sum())} of {moved.size} ranks hold another item; the first in list {row} at rank {rank + 1}: "
            f"{theirs.item_ids[row, rank]!r} and not {ours.item_ids[row, rank]!r}"
        )
    return ""


def _recommendations(served: Served, model: FittedModel, sample: Sample) -> Check:
    theirs = served.ranked(RECOMMEND, user_id=sample.users, k=DEFAULT_K)
    difference = compare_rankings(model.recommend(sample.users, DEFAULT_K), theirs)
    return _check("recommendations", difference, f"the top {DEFAULT_K} of {len(sample.users)} users agree")


def _whole_ranking(served: Served, model: FittedModel, sample: Sample) -> Check:
    size = len(model.data.items) - 1
    users = sample.users[:16]
    theirs = served.ranked(RECOMMEND, user_id=users, k=size + 7)
    difference = compare_rankings(model.recommend(users, size), theirs)
    return _check("k above the catalogue", difference, f"a k above the catalogue gives all {size} items in order")


def _sessions(served: Served, model: FittedModel, sample: Sample) -> Check:
    users = [*sample.users[: len(sample.sessions) - 1], UNKNOWN_ID]
    theirs = served.ranked(RECOMMEND, user_id=users, k=DEFAULT_K, history_item_ids=sample.sessions)
    difference = compare_rankings(model.recommend(users, DEFAULT_K, sample.sessions), theirs)
    return _check("sessions", difference, f"the top {DEFAULT_K} after a session agree for {len(users)} users")


def _empty_session(served: Served, model: FittedModel, sample: Sample) -> Check:
    users = [*sample.users[:16], UNKNOWN_ID]
    without = served.ranked(SERVING_DEFAULT, user_id=users)
    nothing = [[PADDING] * SESSION_LENGTH for _ in users]
    difference = compare_rankings(without, served.ranked(RECOMMEND, user_id=users, history_item_ids=nothing))
    return _check("empty history", difference, "an empty history, or none, gives the same lists")


def _unknown_user(served: Served, model: FittedModel, sample: Sample) -> Check:
    theirs = served.ranked(RECOMMEND, user_id=[UNKNOWN_ID], k=DEFAULT_K)
    popularity = model.data.popularity
    order = np.argsort(-popularity[1:], kind="stable")[:DEFAULT_K] + 1
    expected = Recommendations(model.data.items.ids[order][None, :], popularity[order][None, :])
    difference = compare_rankings(expected, theirs)
    return _check("unknown user", difference, "an unknown user gets the popular items")


def _exclusions(served: Served, model: FittedModel, sample: Sample) -> Check:
    users = sample.users[:16]
    half = min(DEFAULT_K, max(1, (len(model.data.items) - 1) // 2))
    full = served.ranked(RECOMMEND, user_id=users, k=2 * half).item_ids
    rest = served.ranked(RECOMMEND, user_id=users, k=half, exclude_item_ids=full[:, :half].tolist()).item_ids
    observed = [set(model.data.items.ids[model.data.observed[row].indices]) for row in model.data.users.indices(users)]
    repeated = sum(item in seen for row, seen in zip(full, observed, strict=True) for item in row)
    expected = np.full_like(rest, PADDING)
    expected[:, : full.shape[1] - half] = full[:, half:]
    wrong = int((rest != expected).sum())
    difference = f"{repeated} observed items were recommended, and {wrong} ranks ignore exclude_item_ids"
    return _check("exclusions", difference if repeated or wrong else "", "observed and excluded items are left out")


def _scores(served: Served, model: FittedModel, sample: Sample) -> Check:
    users = [*sample.users, UNKNOWN_ID]
    lists = [[*sample.items[:32], UNKNOWN_ID]] * len(users)
    ours, theirs = model.score(users, lists), served.ask(SCORE, user_id=users, item_ids=lists)["scores"]
    away = ~_close(ours, theirs)
    return _check(
        "scores",
        f"{int(away.sum())} of {away.size} scores differ by more than {TOLERANCE:g}" if away.any() else "",
        f"{away.size} scores agree, unknown users and items among them",
    )


def _similar_items(served: Served, model: FittedModel, sample: Sample) -> Check:
    items = [*sample.items, UNKNOWN_ID]
    theirs = served.ranked(SIMILAR_ITEMS, item_id=items, k=DEFAULT_K)
    difference = compare_rankings(model.similar_items(items, DEFAULT_K), theirs)
    return _check("similar items", difference, f"the nearest {DEFAULT_K} of {len(items)} items agree")


def _index(served: Served, model: FittedModel, sample: Sample, least_recall: float) -> Check:
    """An index may miss items, but no more than its export allowed, and gives what it finds its true score."""
    users = np.array(sample.users, dtype=object)[model.personal[model.data.users.indices(sample.users)]].tolist()
    ours = model.recommend(users, DEFAULT_K)
    parts = [
        served.ranked(RECOMMEND, user_id=users[n : n + MOST_ROWS], k=DEFAULT_K) for n in range(0, len(users), MOST_ROWS)
    ]
    ids, scores = (np.concatenate([getattr(part, name) for part in parts]) for name in ("item_ids", "scores"))
    recall = found_share(scores, ours.scores[:, -1])
    wrong = int((np.isfinite(scores) & ~_close(model.score(users, ids.tolist()), scores)).sum())
    short = recall < least_recall
    figures = f"recall@{DEFAULT_K} is {recall:.4f} for {len(users)} users, and {wrong} scores are wrong"
    return _check("index", figures if wrong or short else "", figures)


def _warmup(served: Served, model: FittedModel, sample: Sample) -> Check:
    path = served.folder / EXTRA / WARMUP_FILE
    asked, fault = 0, ""
    try:
        for record in tf.data.TFRecordDataset([str(path)]):
            predict(served.servable, PredictionLog.FromString(record.numpy()).predict_log.request)
            asked += 1
    except (tf.errors.OpError, StatusError, DecodeError) as error:
        fault = f"request {asked + 1} of {WARMUP_FILE} failed: {str(error).splitlines()[0]}"
    return _check("warm-up", fault or ("" if asked else f"{WARMUP_FILE} is empty"), f"{asked} warm-up requests run")


CHECKS: tuple[Callable[[Served, FittedModel, Sample], Check], ...] = (
    _recommendations,
    _whole_ranking,
    _sessions,
    _empty_session,
    _unknown_user,
    _exclusions,
    _scores,
    _similar_items,
    _warmup,
)


def _stock_operations(folder: Path) -> Check:
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    names = {node.op for node in graph.node}
    names |= {node.op for function in graph.library.function for node in function.node_def}
    functions = {function.signature.name for function in graph.library.function}
    bad = sorted(name for name in names - functions if name in FORBIDDEN or not hasattr(tf.raw_ops, name))
    compiled = [f.signature.name for f in graph.library.function if f.attr["_XlaMustCompile"].b]
    difference = f"the model server lacks {', '.join(bad + compiled)}" if bad or compiled else ""
    return _check("stock operations", difference, f"{len(names - functions)} kinds of operations, all TensorFlow's own")


def _sample(model: FittedModel) -> Sample:
    """Users and items evenly spread over the tables, unknown ones among them, and a session of three items for some."""
    users = [*_spread(model.data.users.ids[1:], MOST_USERS), UNKNOWN_ID]
    items = _spread(model.data.items.ids[1:], MOST_ITEMS)
    rows = min(len(users), 64)
    sessions = [[items[(row + step) % len(items)] for step in range(SESSION_LENGTH)] for row in range(rows)]
    return Sample(users, items, sessions)


def _spread(ids: Array, most: int) -> list[str]:
    return [str(ids[n]) for n in np.unique(np.linspace(0, len(ids) - 1, most).astype(int))]


def _close(ours: Array, theirs: Array) -> Array:
    with np.errstate(invalid="ignore"):
        near = np.abs(ours - theirs) <= TOLERANCE * np.maximum(1.0, np.abs(ours))
    return np.asarray(near | (ours == theirs))


def _interchangeable(ours: Recommendations, ids: Array) -> Array:
    """Where the item that stands at a rank has, by our own scores, the score of that rank: `[rows, k]` bool.

    An item that our list does not hold can only be one that ties with its last.
    """
    own = np.empty(ids.shape, dtype=np.float32)
    for row, (named, scores) in enumerate(zip(ours.item_ids, ours.scores, strict=True)):
        score_of = dict(zip(named, scores, strict=True))
        own[row] = [score_of.get(item, scores[-1]) for item in ids[row]]
    return _close(ours.scores, own)


def _check(name: str, difference: str, agreement: str) -> Check:
    return Check(name, not difference, difference or agreement)
