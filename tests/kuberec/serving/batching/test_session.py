"""Which requests run together, when, in which thread; and that each gets what it would have got alone."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from kuberec.exporting.signatures import RECOMMEND
from kuberec.serving.batching.parameters import BatchingParameters
from kuberec.serving.batching.scheduler import Scheduler
from kuberec.serving.batching.session import Batching, BatchingSession
from kuberec.serving.loading import Loader
from kuberec.serving.metrics import Metrics
from kuberec.serving.predict import predict
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, invalid_argument
from tests.kuberec.conftest import Run
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_table
from tests.serving.conformance.asking import wait_until

Array = npt.NDArray[Any]
MINUTE = 60_000_000


class Doubler:
    """A run that doubles `x`, and adds `plus` if there is one; it can be held up, and remembers what it was asked."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.inputs: list[list[float]] = []
        self.fetches: list[tuple[str, ...]] = []
        self.timeouts: list[float | None] = []
        self.threads: list[threading.Thread] = []

    def __call__(self, feeds: dict[str, Array], fetches: Sequence[str], timeout: float | None) -> list[Array]:
        self.inputs.append(feeds["x"].tolist())
        self.fetches.append(tuple(fetches))
        self.timeouts.append(timeout)
        self.threads.append(threading.current_thread())
        assert self.open.wait(20)
        if np.any(feeds["x"] < 0):
            raise invalid_argument("negative")
        return [feeds["x"] * (2 if name == "double" else 3) + feeds.get("plus", 0) for name in fetches]


class Asking:
    """Requests to a session, each in a thread of its own."""

    def __init__(self, session: BatchingSession) -> None:
        self.session = session
        self._pool = ThreadPoolExecutor(32)

    def __call__(
        self,
        *values: float,
        output: str = "double",
        timeout: float | None = None,
        dtype: str = "f8",
        **others: Array,
    ) -> Future[list[Array]]:
        feeds = {"x": np.array(values, dtype), **others}
        return self._pool.submit(self.session.run, feeds, [output], timeout)

    def wait_for(self, waiting: int) -> None:
        """Wait until so many requests, or parts of them, wait."""
        wait_until(lambda: self._waiting() == waiting)

    def _waiting(self) -> int:
        return sum(len(batch.tasks) for queue in list(self.session.queues.values()) for batch in list(queue.batches))


@pytest.fixture
def graph() -> Doubler:
    return Doubler()


@pytest.fixture
def asking(graph: Doubler) -> Callable[..., Asking]:
    def make(threads: int = 1, **parameters: Any) -> Asking:
        return Asking(BatchingSession(graph, BatchingParameters(**parameters), Scheduler(threads), Metrics()))

    return make


def numbers(request: Future[list[Array]]) -> list[float]:
    (values,) = request.result(20)
    return [float(value) for value in values]


def hold(graph: Doubler, ask: Asking, value: float = 0.0) -> Future[list[Array]]:
    """A request whose run goes on until the graph is opened."""
    graph.open.clear()
    held = ask(value)
    wait_until(lambda: [value] in graph.inputs)
    return held


def test_a_lone_request_runs_at_once_in_its_own_thread(graph: Doubler, asking: Callable[..., Asking]) -> None:
    session = asking().session
    assert session.run({"x": np.array([1.0, 2.0])}, ["double"])[0].tolist() == [2.0, 4.0]
    assert graph.threads == [threading.current_thread()]


def test_what_comes_while_the_thread_is_busy_runs_together(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking()
    held = hold(graph, ask)
    requests = []
    for value in (1.0, 2.0, 3.0):
        requests.append(ask(value))
        ask.wait_for(len(requests))
    graph.open.set()
    assert numbers(held) == [0.0]
    assert [numbers(request) for request in requests] == [[2.0], [4.0], [6.0]]
    assert graph.inputs == [[0.0], [1.0, 2.0, 3.0]]


def test_a_batch_holds_so_many_rows_and_no_more(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=4)
    hold(graph, ask)
    requests = [ask(value, value) for value in (1.0, 2.0, 3.0)]
    ask.wait_for(3)
    graph.open.set()
    assert [numbers(request) for request in requests] == [[2.0, 2.0], [4.0, 4.0], [6.0, 6.0]]
    assert [len(values) for values in graph.inputs] == [1, 4, 2]


def test_different_outputs_and_types_never_share_a_batch(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking()
    hold(graph, ask)
    requests = [ask(1.0), ask(2.0, output="triple"), ask(3.0, dtype="f4"), ask(4.0)]
    ask.wait_for(4)
    graph.open.set()
    assert [numbers(request) for request in requests] == [[2.0], [6.0], [6.0], [8.0]]
    assert requests[2].result()[0].dtype == np.float32
    assert sorted(sorted(values) for values in graph.inputs[1:]) == [[1.0, 4.0], [2.0], [3.0]]


def test_the_queues_take_turns(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=1)
    hold(graph, ask)
    requests = []
    for output in ("double", "double", "double", "triple", "triple"):
        requests.append(ask(1.0, output=output))
        ask.wait_for(len(requests))
    graph.open.set()
    for request in requests:
        request.result(20)
    assert [name for (name,) in graph.fetches[1:]] == ["double", "triple", "double", "triple", "double"]


def test_so_many_batches_run_at_a_time(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(threads=2, max_batch_size=1)
    graph.open.clear()
    requests = [ask(value) for value in (1.0, 2.0, 3.0)]
    wait_until(lambda: len(graph.inputs) == 2)
    ask.wait_for(1)
    graph.open.set()
    assert [numbers(request) for request in requests] == [[2.0], [4.0], [6.0]]


def test_a_batch_waits_to_become_full(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=2, batch_timeout_micros=MINUTE)
    first = ask(1.0)
    ask.wait_for(1)
    assert graph.inputs == []
    assert numbers(ask(2.0)) == [4.0]
    assert numbers(first) == [2.0]
    assert len(graph.inputs) == 1


def test_a_batch_that_does_not_become_full_waits_its_time(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=3, batch_timeout_micros=20_000)
    assert numbers(ask(1.0)) == [2.0]
    held = hold(graph, ask, 5.0)
    late = ask(6.0)
    ask.wait_for(1)
    threading.Event().wait(0.05)  # its time is over while the only thread is busy
    graph.open.set()
    assert (numbers(held), numbers(late)) == ([10.0], [12.0])


def test_a_closed_session_waits_no_longer(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=100, batch_timeout_micros=MINUTE)
    request = ask(1.0)
    ask.wait_for(1)
    ask.session.close()
    assert numbers(request) == [2.0]
    assert numbers(ask(1.0, output="triple")) == [3.0]


def test_a_request_that_waited_too_long_is_refused_and_spoils_no_other(
    graph: Doubler, asking: Callable[..., Asking]
) -> None:
    ask = asking()
    hold(graph, ask)
    requests = [ask(1.0, timeout=0.01), ask(2.0)]
    ask.wait_for(2)
    threading.Event().wait(0.05)  # longer than the first one does
    graph.open.set()
    with pytest.raises(StatusError, match=r"^Run\(\) timeout exceeded while waiting in batching queue$") as caught:
        requests[0].result(20)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert numbers(requests[1]) == [4.0]
    assert graph.inputs[1:] == [[2.0]]


def test_a_run_has_as_long_as_its_most_patient_request(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking()
    hold(graph, ask)
    timed = [ask(1.0, timeout=500.0), ask(2.0, timeout=1000.0)]
    endless = [ask(1.0, output="triple", timeout=500.0), ask(2.0, output="triple")]
    ask.wait_for(4)
    graph.open.set()
    for request in (*timed, *endless):
        request.result(20)
    of_double = graph.timeouts[graph.fetches.index(("double",), 1)]
    assert of_double is not None
    assert 500.0 < of_double < 1000.0
    assert graph.timeouts[graph.fetches.index(("triple",))] is None


def test_an_error_reaches_every_request_of_the_batch_and_no_other(
    graph: Doubler, asking: Callable[..., Asking]
) -> None:
    ask = asking(max_batch_size=2)
    hold(graph, ask)
    requests = []
    for value in (1.0, -1.0, 2.0):
        requests.append(ask(value))
        ask.wait_for(len(requests))
    graph.open.set()
    for request in requests[:2]:
        with pytest.raises(StatusError, match=r"^negative$"):
            request.result(20)
    assert numbers(requests[2]) == [4.0]
    assert numbers(ask(5.0)) == [10.0]


def test_a_fault_leaves_nobody_waiting(asking: Callable[..., Asking], graph: Doubler) -> None:
    ask = asking()
    with pytest.raises(StatusError, match="KeyError: 'x'") as caught:
        ask.session.run({"y": np.array([1.0])}, ["double"])
    assert caught.value.code is grpc.StatusCode.INTERNAL
    assert numbers(ask(1.0)) == [2.0]


def test_a_split_request_gets_its_rows_in_order(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=10, max_execution_batch_size=3, enable_large_batch_splitting=True)
    hold(graph, ask)
    small = ask(1.0)
    ask.wait_for(1)
    large = ask(*map(float, range(10, 19)))
    ask.wait_for(5)
    graph.open.set()
    assert numbers(small) == [2.0]
    assert numbers(large) == [value * 2.0 for value in range(10, 19)]
    assert graph.inputs[1:] == [[1.0, 10.0, 11.0], [12.0, 13.0, 14.0], [15.0, 16.0, 17.0], [18.0]]


def test_a_split_request_fails_as_a_whole(asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=10, max_execution_batch_size=1, enable_large_batch_splitting=True)
    with pytest.raises(StatusError, match=r"^negative$"):
        ask(1.0, -1.0, 2.0).result(20)


def test_a_request_without_rows_is_answered(asking: Callable[..., Asking]) -> None:
    ask = asking(max_batch_size=8, allowed_batch_sizes=(8,))
    assert numbers(ask()) == []


def test_requests_with_the_same_scalar_run_together(
    graph: Doubler, asking: Callable[..., Asking], caplog: pytest.LogCaptureFixture
) -> None:
    ask = asking()
    hold(graph, ask)
    requests = [ask(value, plus=np.array(plus)) for value, plus in ((1.0, 5.0), (2.0, 7.0), (3.0, 5.0))]
    ask.wait_for(3)
    graph.open.set()
    assert [numbers(request) for request in requests] == [[7.0], [11.0], [11.0]]
    assert sorted(sorted(values) for values in graph.inputs[1:]) == [[1.0, 3.0], [2.0]]
    assert caplog.text.count("The input plus is a scalar; requests with the same value run together. TF Serving") == 1


def test_requests_of_different_shapes_run_apart(graph: Doubler, asking: Callable[..., Asking]) -> None:
    ask = asking()
    hold(graph, ask)
    rows = [np.ones([1, 2]), np.ones([1, 3]), np.zeros([2, 2])]
    with ThreadPoolExecutor(3) as pool:
        requests = [pool.submit(ask.session.run, {"x": row}, ["double"]) for row in rows]
        ask.wait_for(3)
        graph.open.set()
        assert [request.result()[0].tolist() for request in requests] == [(row * 2).tolist() for row in rows]
    assert len(graph.inputs) == 3


def test_a_request_without_rows_in_common_runs_alone(
    graph: Doubler, asking: Callable[..., Asking], caplog: pytest.LogCaptureFixture
) -> None:
    ask = asking()
    for _ in range(2):
        assert numbers(ask(1.0, 2.0, plus=np.array([5.0]))) == [7.0, 9.0]
    words = "Batching Run() input tensors must have equal 0th-dimension size; a request runs alone. TF Serving would"
    assert caplog.text.count(words) == 1
    assert not ask.session.queues


def test_many_values_of_a_scalar_leave_nothing_behind(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kuberec.serving.batching.session.MAX_QUEUES", 5)
    ask = asking()
    for value in (*range(20), *[np.nan] * 20):
        ask(1.0, plus=np.array(value)).result(20)
    assert len(ask.session.queues) <= 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_enqueued_batches": 10_000},
        {"max_batch_size": 8, "allowed_batch_sizes": (2, 8), "max_enqueued_batches": 10_000},
        {"max_batch_size": 8, "batch_timeout_micros": 500, "max_enqueued_batches": 10_000},
        {
            "max_batch_size": 8,
            "max_execution_batch_size": 3,
            "enable_large_batch_splitting": True,
            "max_enqueued_batches": 10_000,
        },
    ],
)
@pytest.mark.parametrize("threads", [1, 3])
def test_many_threads_get_what_they_would_get_alone(
    graph: Doubler, asking: Callable[..., Asking], parameters: dict[str, Any], threads: int
) -> None:
    ask = asking(threads=threads, **parameters)
    rng = np.random.default_rng(7)
    inputs = [rng.integers(0, 1000, rng.integers(0, 9)).astype(float).tolist() for _ in range(600)]
    outputs = ["double" if number % 3 else "triple" for number in range(len(inputs))]
    requests = [ask(*values, output=output) for values, output in zip(inputs, outputs, strict=True)]
    for request, values, output in zip(requests, inputs, outputs, strict=True):
        assert numbers(request) == [value * (2 if output == "double" else 3) for value in values]


def batched(name: str, folder: Path, **parameters: Any) -> Servable:
    limits = BatchingParameters(max_enqueued_batches=10_000, **parameters)
    return Servable(name, 1, folder, batching=Batching(Scheduler(2), limits))


@pytest.mark.parametrize("parameters", [{}, {"max_batch_size": 16, "allowed_batch_sizes": (4, 16)}])
def test_a_graph_gives_many_threads_what_it_gives_one(tmp_path: Path, parameters: dict[str, Any]) -> None:
    alone, together = Servable("table", 1, save_table(tmp_path / "1")), batched("table", tmp_path / "1", **parameters)
    info = alone.signatures["serving_default"]
    fetches = [info.outputs[alias].name for alias in ("sums", "doubled")]
    rng = np.random.default_rng(7)
    inputs = [rng.integers(0, 100, [rng.integers(1, 5), 3]).astype(np.float32) for _ in range(300)]

    def ask(servable: Servable, rows: Array) -> list[Any]:
        return [value.tolist() for value in servable.run("Predict", {info.inputs["x"].name: rows}, fetches)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda rows: ask(together, rows), inputs))
    assert answers == [ask(alone, rows) for rows in inputs]
    for servable in (alone, together):
        servable.retire()


def test_an_exported_recommender_answers_as_it_does_alone(run: Run) -> None:
    alone, together = Servable("films", 1, run.export), batched("films", run.export)
    rng = np.random.default_rng(7)
    users = [f"u{number:03}".encode() for number in rng.integers(0, 90, 100)]
    lengths = rng.integers(1, 4, 100)

    def recommend(servable: Servable, number: int) -> tuple[list[bytes], list[float]]:
        inputs = {"user_id": [users[number]], "k": np.int32(3 + number % 2)}
        if number % 3:
            inputs["exclude_item_ids"] = [[f"i{item:03}".encode() for item in range(lengths[number])]]
        request = rpc.predict_request("films", inputs, RECOMMEND)
        outputs = predict(servable, request, 60.0).outputs
        return list(outputs["item_ids"].string_val), list(outputs["scores"].float_val)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: recommend(together, number), range(100)))
    for number, (items, scores) in enumerate(answers):
        expected_items, expected_scores = recommend(alone, number)
        assert items == expected_items
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)
    for servable in (alone, together):
        servable.retire()


@pytest.mark.parametrize("strict", [False, True])
def test_only_in_strict_mode_the_warm_up_of_an_exported_recommender_is_refused(run: Run, strict: bool) -> None:
    loader = Loader(batching=Batching(Scheduler(1), BatchingParameters(), strict=strict))
    words = r"Batching Run\(\) input tensors must have at least one dimension"
    with pytest.raises(StatusError, match=words) if strict else nullcontext():
        loader.load("films", 1, run.export).retire()
