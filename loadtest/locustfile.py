"""Locust plays a scenario: headless, with its web page, or by many workers.

Locust starts and stops, distributes, counts and shows; each of its users, one a process, plays that process's share of
the requests, which were drawn beforehand (`kuberec.loadtest`). `python -m loadtest` starts Locust with this file; by
hand, LOCUST_SKIP_MONKEY_PATCH=1 has to be set:

    LOCUST_SKIP_MONKEY_PATCH=1 locust -f loadtest/locustfile.py --host localhost:8500 --user-ids users.txt …
"""

import logging
import sys
import threading
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey
from locust import LoadTestShape, User, constant, events, task
from locust.runners import MasterRunner, WorkerRunner

from kuberec.errors import KuberecError, ServingError
from kuberec.loadtest.asking import Connection, read_authorities
from kuberec.loadtest.figures import figures
from kuberec.loadtest.player import Outcome, Player
from kuberec.loadtest.recording import Recording
from kuberec.loadtest.report import in_words, report, write_report
from kuberec.loadtest.scenario import load_scenario
from kuberec.loadtest.slo import Verdict, judge, load_slo
from kuberec.loadtest.swap import publish_copy
from kuberec.loadtest.traffic import Catalogue, Traffic, read_ids

# Locust's own waits and child processes need gevent's patches. That of threads would make greenlets of those that send,
# and every request would wait for whatever else Locust does.
SLEEP = monkey.get_original("time", "sleep")
monkey.patch_time()
monkey.patch_os()

HERE = Path(__file__).resolve().parent
LEAD_SECONDS = 4.0
"""From the start to the first request: workers draw their requests meanwhile, and warm up."""
WARM_UP_REQUESTS = 50
QUIET_SECONDS = 1.0
"""Between the warm-up and the first request, at least."""
GRACE_SECONDS = 10.0
"""How long outcomes may be on their way to the master."""
DRAIN_SECONDS = 0.1
SWITCH_SECONDS = 1e-4
"""Python lets a thread wait 5 ms for another one that computes; here a request waits."""
SHARE, RECORDING = "share", "recording"

log = logging.getLogger("loadtest")


class LoadTest:
    """One run, as one process sees it.

    Args:
        options: Of the command line.
        index: Which share this process plays.
        of: How many shares there are.
        begins: When the first request may be due, unix seconds: the clock that machines share.
    """

    def __init__(self, options: Any, index: int, of: int, begins: float) -> None:
        self.name = Path(options.scenario).stem
        self.scenario = load_scenario(Path(options.scenario))
        self.slo = load_slo(Path(options.slo))
        catalogue = Catalogue(read_ids(Path(options.user_ids)), read_ids(Path(options.item_ids)))
        self.traffic = Traffic(self.scenario, catalogue, options.model)
        self.authorities = read_authorities(Path(options.ca)) if options.ca else None
        self.recording = Recording(self.scenario)
        self.index, self.workers, self.began = index, of, begins
        self.begins = time.perf_counter() + begins - time.time()

    @property
    def is_over(self) -> bool:
        """Whether every request came to its end, or should have long ago."""
        longest = self.scenario.seconds + self.scenario.timeout_seconds + GRACE_SECONDS
        return self.recording.count >= len(self.traffic) or time.perf_counter() > self.begins + longest

    def player(self, connection: Connection) -> Player:
        """Plays the share."""
        return Player(self.traffic.requests(self.index, self.workers), connection, self.begins, SLEEP)

    def warm_up(self, player: Player) -> None:
        """Ask some of the requests before they count."""
        player.warm_up(islice(self.traffic.requests(), WARM_UP_REQUESTS), self.begins - QUIET_SECONDS)

    def swap_versions(self, folder: Path) -> None:
        """Publish a new version when the scenario says so."""
        if self.scenario.swap_at_seconds:
            wait = self.begins + self.scenario.swap_at_seconds - time.perf_counter()
            timer = threading.Timer(wait, _publish, [folder])
            timer.daemon = True
            timer.start()

    def take(self) -> dict[str, Any]:
        """What was recorded since the last time, for the master."""
        taken, self.recording = self.recording, Recording(self.scenario)
        return taken.pack()


class Recommender(User):
    """Plays a process's share of the requests of all the recommender's users."""

    wait_time = constant(0)

    @task
    def play(self) -> None:
        """Hand outcomes to the recording and to Locust until the test is stopped."""
        environment: Any = self.environment
        test: LoadTest = environment.load_test
        with Connection(environment.host, test.scenario.timeout_seconds, test.authorities) as connection:
            player = test.player(connection)
            # Beside the player: a server that does not answer must not keep the first requests from being sent.
            threading.Thread(target=test.warm_up, args=[player], daemon=True).start()
            player.start()
            try:
                while True:
                    for outcome in player.take():
                        test.recording.add(outcome)
                        self._tell_locust(outcome)
                    gevent.sleep(DRAIN_SECONDS)
            finally:
                player.stop()

    def _tell_locust(self, outcome: Outcome) -> None:
        error = outcome.answer.error
        self.environment.events.request.fire(
            request_type="grpc",
            name=outcome.signature,
            response_time=outcome.seconds * 1e3,
            response_length=0,
            exception=ServingError(f"{error}: {outcome.answer.detail}") if error else None,
            context={},
        )


class Schedule(LoadTestShape):
    """One Locust user a process, until every request has come to its end."""

    users = 1

    def tick(self) -> tuple[int, float] | None:
        """The number of users, and how many of them to start a second; None ends the test."""
        runner: Any = self.runner
        if runner.state in ("ready", "stopped"):
            self.users = runner.worker_count if isinstance(runner, MasterRunner) else 1
        elif runner.environment.load_test.is_over:
            return None
        return self.users, self.users


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """What a load test takes besides Locust's own options; `--host` is the server."""
    group = parser.add_argument_group("Load test")
    group.add_argument("--scenario", default=str(HERE / "scenarios" / "steady.yaml"), help="file of the scenario")
    group.add_argument("--slo", default=str(HERE / "slo.yaml"), help="file of the limits")
    group.add_argument("--model", default="recommender", help="name of the model")
    group.add_argument("--user-ids", default="users.txt", help="file of user ids, one a line, most active first")
    group.add_argument("--item-ids", default="items.txt", help="file of item ids, one a line, most popular first")
    group.add_argument("--model-folder", default="", help="folder of the model's versions, for scenarios that swap")
    group.add_argument("--ca", default="", help="file of the certificates to trust, for TLS")
    group.add_argument("--output", default="var/loadtest", help="folder for the report")


@events.init.add_listener
def prepare(environment: Any, runner: Any, **_: Any) -> None:
    """Check what can be checked before anything is sent; workers are told by the master."""
    if monkey.is_module_patched("threading"):
        sys.exit("Requests are sent by real threads: set LOCUST_SKIP_MONKEY_PATCH=1, or start with python -m loadtest.")
    sys.setswitchinterval(SWITCH_SECONDS)
    if isinstance(runner, WorkerRunner):
        runner.register_message(SHARE, lambda environment, msg: setattr(environment, "share", msg.data))
        return
    try:
        test = LoadTest(environment.parsed_options, 0, 1, time.time())
        if test.scenario.swap_at_seconds and not environment.parsed_options.model_folder:
            raise ServingError(f"The scenario {test.name} publishes a version: name the folder with --model-folder.")
    except KuberecError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


@events.test_start.add_listener
def start(environment: Any, **_: Any) -> None:
    """Give every process its share; fired in each of them, the master first."""
    runner, options = environment.runner, environment.parsed_options
    if isinstance(runner, WorkerRunner):
        environment.load_test = LoadTest(options, **environment.share)
        return
    # Whatever keeps the verdict from being found, the run has not passed.
    environment.process_exit_code = Verdict.INVALID.exit_code
    begins = time.time() + LEAD_SECONDS
    workers = [client.id for client in runner.clients.ready] if isinstance(runner, MasterRunner) else []
    environment.load_test = LoadTest(options, 0, max(1, len(workers)), begins)
    for index, worker in enumerate(workers):
        runner.send_message(SHARE, {"index": index, "of": len(workers), "begins": begins}, worker)
    environment.load_test.swap_versions(Path(options.model_folder))


@events.init.add_listener
def exchange_recordings(environment: Any, **_: Any) -> None:
    """Every three seconds workers tell the master what came of their requests."""

    def send(client_id: str, data: dict[str, Any]) -> None:
        if hasattr(environment, "load_test"):
            data[RECORDING] = environment.load_test.take()

    def receive(client_id: str, data: dict[str, Any]) -> None:
        if RECORDING in data:
            environment.load_test.recording.add_packed(data[RECORDING])

    environment.events.report_to_master.add_listener(send)
    environment.events.worker_report.add_listener(receive)


@events.test_stop.add_listener
def finish(environment: Any, **_: Any) -> None:
    """Judge and report, in the process that has all outcomes."""
    if isinstance(environment.runner, WorkerRunner):
        return
    test: LoadTest = environment.load_test
    options = environment.parsed_options
    measured = figures(test.recording, test.scenario, test.traffic)
    judgement = judge(measured, test.scenario, test.slo.of(test.name), test.slo.lateness_p99_ms)
    facts = {
        "target": environment.host,
        "model": options.model,
        "workers": test.workers,
        "began": datetime.fromtimestamp(test.began, UTC).isoformat(timespec="seconds"),
    }
    content = report(test.name, test.scenario, measured, judgement, facts)
    paths = write_report(Path(options.output), content)
    environment.process_exit_code = judgement.verdict.exit_code
    print("\n".join([in_words(content), *(f"  {path}" for path in paths)]), flush=True)


def _publish(folder: Path) -> None:
    try:
        print(f"Version {publish_copy(folder)} is published in {folder}.", flush=True)
    except KuberecError as error:
        log.error("%s", error)
