"""The questions and answers of both clients, over real connections."""

import asyncio
import inspect
import shutil
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuberec.client import Answer, AsyncClient, Client, Prediction, Retry, ServingError, VersionStatus
from kuberec.errors import ConfigError
from kuberec.serving.options import ServerOptions
from kuberec.serving.server import ModelServer
from kuberec.serving.source import Source
from tests.kuberec.client.conftest import Connect
from tests.serving.conformance.models import config_of, model

METHODS = ("recommend", "recommend_many", "predict", "status", "close")


def test_recommendations_come_best_first_with_scores_and_version(client: Any) -> None:
    answer = client.recommend("recommender", "ann", 3)
    assert answer.item_ids == ["i1", "i3", "i5"]
    assert answer.scores == [10.0, 9.0, 5.0]
    assert answer.version == 2


def test_a_version_can_be_pinned(client: Any) -> None:
    assert client.recommend("recommender", "ann", 1, version=1).scores == [9.0]
    assert client.recommend_many("recommender", ["ann"], 1, version=1)[0].version == 1
    assert client.predict("recommender", {"user_id": ["ann"]}, version=1).version == 1


def test_a_label_pins_the_version_that_the_server_has_put_it_on(connect: Connect, saved: Path, tmp_path: Path) -> None:
    for version, model_folder in (("1", "recommender"), ("2", "raised")):
        shutil.copytree(saved / model_folder, tmp_path / "recommender" / version)
    config = config_of([model(tmp_path, "recommender", "all", labels={"stable": 1, "canary": 2})])
    with ModelServer(Source(lambda: config), ServerOptions(port=0)) as server:
        client = connect(server.address)
        assert client.recommend("recommender", "ann", 1, version="stable").version == 1
        assert client.recommend("recommender", "ann", 1, version="canary").version == 2


def test_ids_may_be_any_text(client: Any) -> None:
    assert client.recommend("recommender", "bjørn", 1).item_ids == ["i2"]
    assert client.recommend("recommender", "no\nbody\0", 1).item_ids == ["i5"]
    assert client.recommend("recommender", "", 1).item_ids == ["i5"]


def test_excluded_items_are_not_shown(client: Any) -> None:
    assert client.recommend("recommender", "ann", 2, exclude=["i1", "i5"]).item_ids == ["i3", "i2"]


def test_a_history_changes_the_answer(client: Any) -> None:
    assert client.recommend("recommender", "ann", 1, history=["i3"]).item_ids == ["i4"]


def test_k_above_the_catalogue_gives_the_catalogue(client: Any) -> None:
    assert len(client.recommend("recommender", "ann", 100).item_ids) == 5


def test_many_users_are_answered_in_their_order(client: Any) -> None:
    answers = client.recommend_many("recommender", ["bjørn", "nobody", "ann"], 2)
    assert [answer.item_ids for answer in answers] == [["i2", "i1"], ["i5", "i4"], ["i1", "i3"]]
    assert [answer.scores for answer in answers] == [[10.0, 9.0], [6.0, 5.0], [10.0, 9.0]]
    assert {answer.version for answer in answers} == {2}


def test_each_user_may_have_lists_of_another_length(client: Any) -> None:
    answers = client.recommend_many(
        "recommender", ["ann", "bjørn", "ann"], 1, exclude=[["i1", "i3"], [], ["i1"]], history=[[], ["i3", "i4"], []]
    )
    assert [answer.item_ids for answer in answers] == [["i5"], ["i4"], ["i3"]]


def test_a_single_list_holds_for_all_users(client: Any) -> None:
    answers = client.recommend_many("recommender", ["ann", "bjørn"], 1, exclude=[["i1", "i2"]])
    assert [answer.item_ids for answer in answers] == [["i3"], ["i3"]]


def test_nobody_asked_for_gives_no_answer(client: Any) -> None:
    assert client.recommend_many("recommender", [], 3) == []


def test_many_users_in_one_request(client: Any) -> None:
    answers = client.recommend_many("recommender", ["ann", "bjørn"] * 5000, 5)
    assert [answer.item_ids[0] for answer in answers] == ["i1", "i2"] * 5000


def test_any_signature_can_be_run(client: Any) -> None:
    answer = client.predict("sum", {"a": [1.0, 2.0], "b": [0.5, -3.0]})
    assert answer == Prediction({"total": [1.5, -1.0], "difference": [0.5, 5.0]}, 123)


def test_outputs_can_be_chosen(client: Any) -> None:
    assert set(client.predict("sum", {"a": [1.0], "b": [1.0]}, outputs=["total"]).outputs) == {"total"}


def test_outputs_come_in_every_type_that_python_has(client: Any) -> None:
    names = ["float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64", "bool", "string"]
    inputs = {"x": array("q", [-3, 0, 7])}
    outputs = client.predict("sum", inputs, signature="types", outputs=names).outputs
    assert outputs["bool"] == [False, False, True]
    assert outputs["string"] == [b"-3", b"0", b"7"]
    for name in names[:-2]:
        expected = np.array([-3, 0, 7]).astype(name).tolist()
        assert outputs[name] == expected
        assert {type(value) for value in outputs[name]} == {type(expected[0])}


def test_an_output_that_cannot_be_read_is_left_out_by_name(client: Any) -> None:
    with pytest.raises(ServingError, match=r"'sum' cannot be read: tensors of type \d+ are not read; leave the output"):
        client.predict("sum", {"x": array("q", [1])}, signature="types", outputs=["float16"])


def test_arrays_are_sent_in_their_own_type(client: Any) -> None:
    numbers = np.arange(6, dtype=np.float32)[::2]  # not contiguous
    assert client.predict("sum", {"a": numbers, "b": numbers}).outputs["total"] == [0.0, 4.0, 8.0]
    with pytest.raises(ServingError, match="Expects arg"):
        client.predict("sum", {"a": numbers.astype(np.float64), "b": numbers})


def test_an_input_that_cannot_be_sent_is_named(client: Any) -> None:
    with pytest.raises(ConfigError, match="input 'a' cannot be sent: lists of different lengths"):
        client.predict("sum", {"a": [[1.0], [2.0, 3.0]], "b": [1.0]})
    with pytest.raises(ConfigError, match="input 'k' cannot be sent"):
        client.recommend("recommender", "ann", 2**31)


def test_a_text_is_no_list_of_ids(client: Any) -> None:
    with pytest.raises(ConfigError, match="A list of ids is expected, got the text 'i1'"):
        client.recommend("recommender", "ann", exclude="i1")
    with pytest.raises(ConfigError, match="A list of ids is expected, got the text 'ann'"):
        client.recommend_many("recommender", "ann")


def test_ids_are_texts(client: Any) -> None:
    with pytest.raises(ConfigError, match="Ids are texts, got 196; write '196'"):
        client.recommend("recommender", 196)
    with pytest.raises(ConfigError, match="Ids are texts, got 50; write '50'"):
        client.recommend("recommender", "ann", history=["i1", 50])


def test_numpys_ids_and_numbers_are_taken_too(client: Any) -> None:
    items, number = np.array(["i1", "i5"]), np.array([2])[0]
    answer = client.recommend("recommender", np.array(["ann"])[0], number, exclude=items, version=number)
    assert answer.item_ids == ["i3", "i2"]
    assert client.recommend_many("recommender", np.array(["ann", "x"]), 1, exclude=[items])[1].item_ids == ["i4"]


def test_as_many_lists_as_users_are_expected(client: Any) -> None:
    with pytest.raises(ConfigError, match="exclude_item_ids holds 2 lists for 3 users; give one for each"):
        client.recommend_many("recommender", ["a", "b", "c"], exclude=[["i1"], ["i2"]])


def test_the_status_of_all_versions_or_of_one(client: Any) -> None:
    both = [VersionStatus(2, "AVAILABLE", ""), VersionStatus(1, "AVAILABLE", "")]
    assert client.status("recommender") == both
    assert client.status("recommender", 1) == both[1:]


def test_the_status_of_the_unknown_is_an_error(client: Any) -> None:
    with pytest.raises(ServingError, match=r"serves no model 'nope' \(it says: Could not find any versions"):
        client.status("nope")
    with pytest.raises(ServingError, match="serves no version 7 of model 'sum'"):
        client.status("sum", 7)


def test_an_unknown_model_is_named(client: Any) -> None:
    with pytest.raises(ServingError, match=r"serves no model 'nope'.*Latest\(nope\)"):
        client.recommend("nope", "ann")


def test_an_unknown_version_and_an_unknown_label_are_named(client: Any) -> None:
    with pytest.raises(ServingError, match=r"serves no version 7 of model 'recommender'.*Specific\(recommender, 7\)"):
        client.recommend("recommender", "ann", version=7)
    with pytest.raises(
        ServingError, match=r"serves no version labelled 'canary' of model 'recommender'.*label: canary"
    ):
        client.recommend("recommender", "ann", version="canary")


def test_a_refusal_shows_the_servers_words(client: Any) -> None:
    with pytest.raises(ServingError, match=r'FAILED_PRECONDITION: Serving signature key "recommend" not found'):
        client.recommend("sum", "ann")


def test_an_unreachable_server_is_named(connect: Connect, nobody: str) -> None:
    with pytest.raises(ServingError, match=f"No model server answers at {nobody}. Start one with `kuberec serve`"):
        connect(nobody).recommend("recommender", "ann")


def test_a_silent_server_meets_the_deadline(connect: Connect, silent_server: str) -> None:
    client = connect(silent_server, timeout=0.3)
    with pytest.raises(ServingError, match=r"did not answer within 0\.3 s"):
        client.recommend("recommender", "ann")
    with pytest.raises(ServingError, match=r"did not answer within 0\.2 s"):
        client.status("recommender", timeout=0.2)


def test_a_client_needs_an_address(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="needs the address of a model server"):
        connect()


def test_a_client_is_closed_with_its_block(target: str) -> None:
    with Client(target, retry=Retry(tries=1)) as client:
        client.status("sum")
    with pytest.raises(ValueError, match="closed"):
        client.status("sum")


def test_many_threads_may_ask_at_the_same_time(target: str) -> None:
    with Client(target, timeout=60.0) as client, ThreadPoolExecutor(8) as threads:
        users = ["ann", "bjørn", "x"] * 50
        answers = threads.map(lambda user: client.recommend("recommender", user, 1).item_ids[0], users)
        assert list(answers) == ["i1", "i2", "i5"] * 50


def test_many_tasks_may_ask_at_the_same_time(target: str) -> None:
    async def ask() -> list[Answer]:
        async with AsyncClient(target, timeout=60.0) as client:
            return await asyncio.gather(*(client.recommend("recommender", user, 1) for user in ["ann", "x"] * 50))

    assert [answer.item_ids[0] for answer in asyncio.run(ask())] == ["i1", "i5"] * 50


@pytest.mark.parametrize("method", ["__init__", *METHODS])
def test_both_clients_take_the_same_arguments(method: str) -> None:
    blocking, asynchronous = (inspect.signature(getattr(kind, method)) for kind in (Client, AsyncClient))
    assert blocking == asynchronous


def test_both_clients_have_the_same_methods() -> None:
    for kind in (Client, AsyncClient):
        assert {name for name in vars(kind) if not name.startswith("_")} == set(METHODS)
