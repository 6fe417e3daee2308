from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tensorflow_serving.apis import predict_pb2

from kuberec.errors import ConfigError, SourceError
from kuberec.loadtest.traffic import Catalogue, Request, Traffic, read_ids
from tests.kuberec.loadtest.builders import CATALOGUE, scenario, traffic

LONG = [{"seconds": 200, "rate": 100}]
SESSIONS = {"requests": 5, "gap_seconds": 1}


def asked(request: Request) -> dict[str, list[str]]:
    """The texts that a request sends, by input, read by TensorFlow Serving's own message."""
    message = predict_pb2.PredictRequest.FromString(request.message)
    assert (message.model_spec.name, message.model_spec.signature_name) == ("films", request.signature)
    return {name: [text.decode() for text in tensor.string_val] for name, tensor in message.inputs.items()}


def test_users_come_by_a_zipf_law() -> None:
    drawn = traffic(phases=LONG, users={"zipf": 1.2, "cold": 0})
    counts = Counter(drawn.user(n) for n in range(len(drawn)))
    assert counts["u0"] / counts["u9"] == pytest.approx(10**1.2, rel=0.2)
    assert counts["u1"] / counts["u3"] == pytest.approx(2**1.2, rel=0.2)


def test_without_a_law_all_users_come_equally_often() -> None:
    drawn = traffic(phases=LONG, users={"zipf": 0, "cold": 0})
    counts = Counter(drawn.user(n) for n in range(len(drawn)))
    assert len(counts) == 100
    assert max(counts.values()) < 2 * min(counts.values())


def test_cold_users_are_unknown_and_as_many_as_asked_for() -> None:
    drawn = traffic(phases=LONG, users={"zipf": 1, "cold": 0.3})
    users = [drawn.user(n) for n in range(len(drawn))]
    cold = [user for user in users if user not in CATALOGUE.users]
    assert len(cold) / len(users) == pytest.approx(0.3, abs=0.02)
    assert len(set(cold)) == len(cold)


def test_a_session_belongs_to_one_user() -> None:
    drawn = traffic(phases=LONG, sessions=SESSIONS, users={"zipf": 1, "cold": 0.3})
    by_session: dict[int, set[str]] = {}
    for n, session in enumerate(drawn.arrivals.session):
        by_session.setdefault(session, set()).add(drawn.user(n))
    assert {len(users) for users in by_session.values()} == {1}


def test_signatures_are_mixed_by_weight() -> None:
    drawn = traffic(phases=LONG, signatures={"recommend": 6, "score": 3, "similar_items": 1})
    counts = Counter(request.signature for request in drawn.requests())
    assert counts["recommend"] / len(drawn) == pytest.approx(0.6, abs=0.02)
    assert counts["similar_items"] / len(drawn) == pytest.approx(0.1, abs=0.02)


def test_requests_are_what_the_signatures_take() -> None:
    drawn = traffic(signatures={"recommend": 1, "score": 1, "similar_items": 1}, candidates=60)
    by_signature = {request.signature: asked(request) for request in drawn.requests()}
    assert by_signature["recommend"].keys() == {"user_id", "k"}
    # More candidates than items: the list goes round.
    assert len(by_signature["score"]["item_ids"]) == 60
    assert set(by_signature["score"]["item_ids"]) == set(CATALOGUE.items)
    assert by_signature["similar_items"].keys() == {"item_id", "k"}
    assert by_signature["similar_items"]["item_id"][0] in CATALOGUE.items


def test_a_session_carries_its_history() -> None:
    drawn = traffic(phases=LONG, sessions=SESSIONS)
    longest: dict[int, list[str]] = {}
    carried = 0
    for session, request in zip(drawn.arrivals.session, drawn.requests(), strict=True):
        history = asked(request).get("history_item_ids", [])
        before = longest.get(session, [])
        # One item more each time, until the oldest drop out.
        assert len(history) == (min(10, len(before) + 1) if session in longest else 0)
        assert history[:-1] == (before[1:] if len(before) == 10 else before)
        longest[session] = history
        carried += bool(history)
    assert carried > 1000
    assert not any(
        "history_item_ids" in asked(request) for request in traffic(sessions=SESSIONS, history=False).requests()
    )


def test_shares_make_up_the_whole() -> None:
    drawn = traffic(sessions=SESSIONS)
    parts = [list(drawn.requests(index, 3)) for index in range(3)]
    merged = sorted((request for part in parts for request in part), key=lambda request: request.due)
    assert merged == list(drawn.requests())
    assert len(drawn) == sum(map(len, parts))


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    changes = {"sessions": SESSIONS, "signatures": {"recommend": 1, "score": 1}}
    assert list(traffic(**changes).requests()) == list(traffic(**changes).requests())
    assert list(traffic(**changes).requests()) != list(traffic(**changes, seed=1).requests())


def test_other_weights_leave_the_arrivals_alone() -> None:
    one, other = traffic(sessions=SESSIONS), traffic(sessions=SESSIONS, signatures={"score": 1, "similar_items": 5})
    np.testing.assert_array_equal(one.arrivals.seconds, other.arrivals.seconds)
    assert [one.user(n) for n in range(len(one))] == [other.user(n) for n in range(len(other))]


def test_ids_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    path.write_text("u1\n\n u2 \n", encoding="utf-8")
    assert read_ids(path) == ["u1", "u2"]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(SourceError, match="holds no ids"):
        read_ids(path)
    with pytest.raises(SourceError, match="cannot be read"):
        read_ids(tmp_path / "nowhere.txt")


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one user id"):
        Traffic(scenario(), Catalogue([], ["i1"]), "films")
