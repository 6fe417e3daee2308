import socket
from collections.abc import Iterator

import pytest

from kuberec.errors import ServingError
from kuberec.serving.client import Client, recommend


def test_recommendations_come_best_first_with_scores_and_version(client: Client) -> None:
    answer = client.recommend("recommender", "ann", 3)
    assert answer.item_ids == ["i1", "i3", "i5"]
    assert answer.scores == [10.0, 9.0, 5.0]
    assert answer.version == 2


def test_an_older_version_can_be_asked(client: Client) -> None:
    assert client.recommend("recommender", "ann", 1, version=1).scores == [9.0]


def test_ids_may_be_any_text(client: Client) -> None:
    assert client.recommend("recommender", "bjørn", 1).item_ids == ["i2"]
    assert client.recommend("recommender", "no\nbody\0", 1).item_ids == ["i5"]


def test_excluded_items_are_not_shown(client: Client) -> None:
    assert client.recommend("recommender", "ann", 2, exclude=["i1", "i5"]).item_ids == ["i3", "i2"]


def test_a_history_changes_the_answer(client: Client) -> None:
    assert client.recommend("recommender", "ann", 1, history=["i3"]).item_ids == ["i4"]


def test_k_above_the_catalogue_gives_the_catalogue(client: Client) -> None:
    assert len(client.recommend("recommender", "ann", 100).item_ids) == 5


def test_one_question_needs_no_client(target: str) -> None:
    assert recommend(target, "recommender", "ann", 1).item_ids == ["i1"]


def test_an_unknown_model_is_named(client: Client) -> None:
    with pytest.raises(ServingError, match=r"serves no model 'nope'.*Latest\(nope\)"):
        client.recommend("nope", "ann")


def test_a_refusal_shows_the_servers_words(client: Client) -> None:
    with pytest.raises(ServingError, match=r'FAILED_PRECONDITION: Serving signature key "recommend" not found'):
        client.recommend("sum", "ann")


def test_an_unreachable_server_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))  # taken but not listening: nobody answers there
        target = f"localhost:{taken.getsockname()[1]}"
        with pytest.raises(ServingError, match=f"No model server answers at {target}. Start one with `kuberec serve`"):
            recommend(target, "recommender", "ann")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        listener.listen()
        yield f"localhost:{listener.getsockname()[1]}"


def test_a_silent_server_meets_the_deadline(silent_server: str) -> None:
    with pytest.raises(ServingError, match=r"did not answer within 0\.3 s"):
        recommend(silent_server, "recommender", "ann", timeout=0.3)
