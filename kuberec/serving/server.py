"""The gRPC server: a thread pool around the services, and threads that poll the config and the version folders."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from kuberec.errors import ConfigError, ServingError
from kuberec.serving.batching.parameters import BatchingParameters, read_parameters
from kuberec.serving.batching.scheduler import Scheduler
from kuberec.serving.batching.session import Batching
from kuberec.serving.credentials import read_credentials
from kuberec.serving.loading import Loader
from kuberec.serving.metrics import Metrics
from kuberec.serving.monitoring import read_metrics_path
from kuberec.serving.options import LOCAL, ServerOptions
from kuberec.serving.profiling import Profiler
from kuberec.serving.reflection import add_reflection
from kuberec.serving.repository import ModelRepository
from kuberec.serving.rest.api import RestApi
from kuberec.serving.rest.web import WebServer
from kuberec.serving.services import Services
from kuberec.serving.source import Source, repository
from kuberec.serving.status import StatusError, describe

DRAIN_SECONDS = 10.0
SIGNAL_SECONDS = 0.1
# TF Serving's own names, which are not those of the services.
HEALTHY = ("", "ModelService", "PredictionService")

log = logging.getLogger(__name__)


class ModelServer:
    """Serves models; a context manager that starts on entry and drains on exit."""

    def __init__(self, models: Source | Path | str, options: ServerOptions | None = None) -> None:
        """Take the port; no request is answered before `start`.

        Args:
            models: What to serve; a path is a repository folder `<base>/<model>/<integer version>/`.
            options: How to listen and what to tolerate.

        Raises:
            ServingError: The folder does not exist, or the port is taken.
            ConfigError: The SSL, monitoring or batching config file is wrong.
        """
        self._options = options = options or ServerOptions()
        self._source = models if isinstance(models, Source) else repository(models, poll_seconds=options.poll_seconds)
        self._stopping = threading.Event()
        self.metrics = Metrics()
        self._batching = _batching(options)
        self.repository = ModelRepository(
            strict=options.strict,
            allow_unavailable_labels=options.allow_unavailable_labels,
            retries=options.retries,
            loader=Loader(
                metrics=self.metrics,
                batching=self._batching,
                session=options.session,
                checks_methods=options.checks_methods,
                warmup_runs=options.warmup_runs,
                owns_process=options.owns_process,
            ),
            stopping=self._stopping,
            load_threads=options.load_threads,
        )
        self._pollers = [
            *_every(self._source.poll_seconds, self._read_config, self._stopping),
            *_every(options.poll_seconds, self.repository.poll, self._stopping),
        ]
        self._trouble = ""
        # Requests and replies of any size, as TF Serving takes them; a second server on the same port is an error.
        arguments = [
            *options.channel_arguments,  # of two with the same name the first counts
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.server(ThreadPoolExecutor(options.threads, "serve"), options=arguments)
        self._health = health.HealthServicer()
        self._services = Services(
            self.repository, self._source.reloadable, self.metrics, tensor_content=options.tensor_content
        )
        self._add_services()
        self.port = self._listen(f"{options.host}:{options.port}")
        if options.socket_path:
            self._listen(f"unix:{options.socket_path}")
        name = "localhost" if options.host in (LOCAL, "0.0.0.0", "::") else options.host
        self.address = f"{name}:{self.port}"
        self.web: WebServer | None = None
        if options.rest_port is not None:
            api = RestApi(self._services, timeout=options.rest_timeout, strict=options.strict)
            file = options.monitoring_config_file
            pages = {path: self.metrics.page} if file and (path := read_metrics_path(file)) else {}
            self.web = WebServer(api, options.host, options.rest_port, cors=options.cors, pages=pages)
            self.rest_address = f"{name}:{self.web.port}"

    def start(self) -> None:
        """Load the models, then answer requests and watch for changes.

        Raises:
            ServingError: The config is wrong, or in strict mode a model cannot be served.
            ConfigError: The config file cannot be read.
        """
        try:
            self.repository.reload(self._source.read())
        except StatusError as error:
            raise ServingError(
                f"Failed to start server. Error: {describe(error.code.value[0], error.message)}"
            ) from error
        self._server.start()
        # Programs that start TF Serving wait for these words.
        log.info("Running gRPC ModelServer at %s:%d ...", self._options.host, self.port)
        if self.web:
            self.web.start()
            log.info("Exporting HTTP/REST API at:%s ...", self.rest_address)
        for name in HEALTHY:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        for poller in self._pollers:
            poller.start()

    def stop(self, grace: float = DRAIN_SECONDS) -> None:
        """Refuse new requests, give running ones `grace` seconds, then free the models."""
        self._stopping.set()
        self._health.enter_graceful_shutdown()
        if self._batching:
            self._batching.scheduler.close()
        ended = self._server.stop(grace)
        if self.web:
            self.web.stop(grace)
        ended.wait()
        for poller in self._pollers:
            if poller.is_alive():
                poller.join()
        self.repository.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop."""
        self.stop()

    def _add_services(self) -> None:
        self._server.add_generic_rpc_handlers(self._services.handlers())
        if self._options.health:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._options.profiler:
            self._server.add_generic_rpc_handlers([Profiler().handler()])
        add_reflection(self._server, [health.SERVICE_NAME] if self._options.health else [])

    def _listen(self, address: str) -> int:
        file = self._options.ssl_config_file
        try:
            if file:
                return int(self._server.add_secure_port(address, read_credentials(file)))
            return int(self._server.add_insecure_port(address))
        except RuntimeError:
            raise ServingError(
                f"Cannot listen on {address}: it is taken or not allowed. "
                "Stop what uses it, or choose another with --port (0 takes a free one) or --grpc_socket_path."
            ) from None

    def _read_config(self) -> None:
        try:
            self.repository.reload(self._source.read())
            trouble = ""
        except (OSError, ConfigError) as error:
            trouble = f"The config stays as it was: {error}"
        except StatusError as error:
            trouble = f"The config was not taken over as a whole: {describe(error.code.value[0], error.message)}"
        if trouble and trouble != self._trouble:
            log.error("%s", trouble)
        self._trouble = trouble


def _every(seconds: float, function: Callable[[], None], stopping: threading.Event) -> list[threading.Thread]:
    def run() -> None:
        while not stopping.wait(seconds):
            try:
                function()
            except Exception:
                # A poll that fails in a way that nobody foresaw must not be the last one.
                log.exception("A poll failed in a way that it should not")

    return [threading.Thread(target=run, name=function.__name__, daemon=True)] if seconds > 0 else []


def _batching(options: ServerOptions) -> Batching | None:
    file = options.batching_parameters_file
    if not options.batching:
        if file:
            raise ConfigError(
                "Failed to start server. Error: Invalid argument: server_options.batching_parameters_file is set "
                "without setting server_options.enable_batching to true."
            )
        return None
    try:
        parameters = read_parameters(file) if file else BatchingParameters()
    except StatusError as error:
        raise ConfigError(
            f"Failed to start server. Error: {describe(error.code.value[0], error.message)} (in {file})"
        ) from error
    scheduler = Scheduler(parameters.num_batch_threads)
    return Batching(scheduler, parameters, options.per_model_batching, options.strict)


def stop_signals() -> Callable[[], None]:
    """From now on SIGTERM and SIGINT no longer end the process; returns a function that waits for one of them.

    For the main thread only.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: received.append(number))

    def wait() -> None:
        # A wait without an end would sleep on when the system hands the signal to another thread.
        while not received:
            time.sleep(SIGNAL_SECONDS)

    return wait
