"""How a server listens and what it tolerates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kuberec.serving.model import Retries
from kuberec.serving.session import SessionOptions
from kuberec.serving.source import POLL_SECONDS

LOCAL = "127.0.0.1"
THREADS = 16
REST_TIMEOUT = 30.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server runs.

    Attributes:
        host: Address to listen on; `0.0.0.0` for every one.
        port: 0 takes any free one.
        socket_path: A Unix socket to listen on besides; empty for none.
        ssl_config_file: Text proto with key and certificate; without it nothing is encrypted.
        threads: Requests that run at a time.
        channel_arguments: gRPC channel arguments by name.
        rest_port: Port of the REST API, 0 for any free one; None for none.
        rest_timeout: Seconds that the run of a REST request may take.
        cors: Let web pages of any origin ask over REST.
        monitoring_config_file: Text proto that puts the metrics on the REST port; None for no metrics.
        batching: Run requests that come at the same time together.
        batching_parameters_file: Text proto that says how; None for TF Serving's defaults.
        per_model_batching: Batch only models that bring parameters of their own, by those.
        health: Answer `grpc.health.v1.Health`.
        profiler: Answer tensorflow.ProfilerService, whose clients say where on the server a profile is written.
        poll_seconds: Time between two looks at the version folders; 0 looks once.
        strict: Do as TF Serving does, its faults included.
        allow_unavailable_labels: A new label may name a version that is not loaded.
        load_threads: Models that may load versions at a time.
        retries: How strict mode tries again to load what failed.
        session: How models are opened and run.
        warmup_runs: How often each warm-up request of a version runs; 0 for no warm-up.
        checks_methods: A signature answers only the procedure of its `method_name`.
        tensor_content: Answer Predict over gRPC with numbers in `tensor_content`.
        owns_process: Nothing but this server lives in the process, and the garbage collector may be told to leave the
            models alone.
    """

    host: str = LOCAL
    port: int = 0
    socket_path: str = ""
    ssl_config_file: Path | None = None
    threads: int = THREADS
    channel_arguments: Sequence[tuple[str, int | str]] = ()
    rest_port: int | None = None
    rest_timeout: float = REST_TIMEOUT
    cors: bool = False
    monitoring_config_file: Path | None = None
    batching: bool = False
    batching_parameters_file: Path | None = None
    per_model_batching: bool = False
    health: bool = False
    profiler: bool = False
    poll_seconds: float = POLL_SECONDS
    strict: bool = False
    allow_unavailable_labels: bool = False
    load_threads: int = 1
    retries: Retries = field(default_factory=Retries)
    session: SessionOptions = field(default_factory=SessionOptions)
    warmup_runs: int = 1
    checks_methods: bool = False
    tensor_content: bool = False
    owns_process: bool = False
