"""The verbs of the live model: serve and recommend."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from kuberec.cli.flags import channel_arguments, notices, op_threads
from kuberec.cli.options import MODEL_NAME, REPOSITORY, Json, ModelName, Repository
from kuberec.cli.output import print_json, print_rows

PORT = 8500
TARGET = f"localhost:{PORT}"
THREADS = 16
EVERYWHERE = "0.0.0.0"
FLAGS = "Flags of tensorflow_model_server"


def serve(
    ctx: typer.Context,
    repository: Repository = REPOSITORY,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one, as TF Serving does and --strict.")
    ] = "",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = PORT,
    keep: Annotated[int, typer.Option(min=1, help="How many of a model's newest versions answer.")] = 2,
    strict: Annotated[bool, typer.Option("--strict", help="Do as TF Serving does, its faults included.")] = False,
    model_name: Annotated[
        str, typer.Option("--model_name", help="Name of the model in --model_base_path.", rich_help_panel=FLAGS)
    ] = "default",
    model_base_path: Annotated[
        str, typer.Option("--model_base_path", help="Folder of one model's versions.", rich_help_panel=FLAGS)
    ] = "",
    model_config_file: Annotated[
        Path | None, typer.Option("--model_config_file", help="A ModelServerConfig as text.", rich_help_panel=FLAGS)
    ] = None,
    model_config_file_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            "--model_config_file_poll_wait_seconds",
            help="Time between two readings of that file; 0 reads it once.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    file_system_poll_wait_seconds: Annotated[
        float,
        typer.Option(
            "--file_system_poll_wait_seconds",
            help="Time between two looks for new versions; 0 looks once.",
            rich_help_panel=FLAGS,
        ),
    ] = 1,
    allow_version_labels_for_unavailable_models: Annotated[
        bool,
        typer.Option(
            "--allow_version_labels_for_unavailable_models",
            help="A new label may name a version that is not loaded.",
            rich_help_panel=FLAGS,
        ),
    ] = False,
    num_load_threads: Annotated[
        int,
        typer.Option(
            "--num_load_threads",
            min=0,
            help="Models that may load versions at a time; 0 for one after another.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    max_num_load_retries: Annotated[
        int,
        typer.Option("--max_num_load_retries", min=0, help="With --strict, for a failed load.", rich_help_panel=FLAGS),
    ] = 5,
    load_retry_interval_micros: Annotated[
        int,
        typer.Option("--load_retry_interval_micros", min=0, help="Pause between retries.", rich_help_panel=FLAGS),
    ] = 60_000_000,
    grpc_socket_path: Annotated[
        str, typer.Option("--grpc_socket_path", help="A Unix socket to listen on besides.", rich_help_panel=FLAGS)
    ] = "",
    grpc_channel_arguments: Annotated[
        str, typer.Option("--grpc_channel_arguments", help="key=value,key=value", rich_help_panel=FLAGS)
    ] = "",
    grpc_max_threads: Annotated[
        int, typer.Option("--grpc_max_threads", min=1, help="Requests that run at a time.", rich_help_panel=FLAGS)
    ] = THREADS,
    rest_api_port: Annotated[
        int,
        typer.Option(
            "--rest_api_port", min=0, max=65535, help="Port of the REST API; 0 for none.", rich_help_panel=FLAGS
        ),
    ] = 0,
    rest_api_timeout_in_ms: Annotated[
        int,
        typer.Option(
            "--rest_api_timeout_in_ms",
            min=1,
            help="Time that the run of a REST request may take.",
            rich_help_panel=FLAGS,
        ),
    ] = 30_000,
    rest_api_enable_cors_support: Annotated[
        bool,
        typer.Option("--rest_api_enable_cors_support", help="Let web pages ask over REST.", rich_help_panel=FLAGS),
    ] = False,
    enable_batching: Annotated[
        bool,
        typer.Option(
            "--enable_batching", help="Run requests that come at the same time together.", rich_help_panel=FLAGS
        ),
    ] = False,
    batching_parameters_file: Annotated[
        Path | None,
        typer.Option("--batching_parameters_file", help="BatchingParameters as text.", rich_help_panel=FLAGS),
    ] = None,
    enable_per_model_batching_parameters: Annotated[
        bool,
        typer.Option(
            "--enable_per_model_batching_parameters",
            help="Batch by the batching_params.pbtxt of each version, and only versions that have one.",
            rich_help_panel=FLAGS,
        ),
    ] = False,
    prefer_tflite_model: Annotated[
        bool,
        typer.Option(
            "--prefer_tflite_model",
            help="Serve the model.tflite of a version that has one.",
            rich_help_panel=FLAGS,
        ),
    ] = False,
    num_tflite_pools: Annotated[
        int,
        typer.Option(
            "--num_tflite_pools",
            min=0,
            help="Requests that a TensorFlow Lite model runs at a time; 0 for one for each core.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    saved_model_tags: Annotated[
        str,
        typer.Option("--saved_model_tags", help="Of the graph to load: tag,tag", rich_help_panel=FLAGS),
    ] = "serve",
    tensorflow_session_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_session_parallelism",
            min=0,
            help="TensorFlow's threads, both kinds; 0 for one for each core.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    tensorflow_intra_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_intra_op_parallelism",
            min=0,
            help="Threads that run parts of an operation.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    tensorflow_inter_op_parallelism: Annotated[
        int,
        typer.Option(
            "--tensorflow_inter_op_parallelism",
            min=0,
            help="Threads that run the operations of requests with a deadline; others run where they came in.",
            rich_help_panel=FLAGS,
        ),
    ] = 0,
    enable_model_warmup: Annotated[
        bool,
        typer.Option(
            "--enable_model_warmup/--no_enable_model_warmup",
            help="Run a version's recorded requests before it becomes available.",
            rich_help_panel=FLAGS,
        ),
    ] = True,
    num_request_iterations_for_warmup: Annotated[
        int,
        typer.Option(
            "--num_request_iterations_for_warmup", min=0, help="How often each of them runs.", rich_help_panel=FLAGS
        ),
    ] = 0,
    enable_serialization_as_tensor_content: Annotated[
        bool,
        typer.Option(
            "--enable_serialization_as_tensor_content",
            help="Answer Predict over gRPC with numbers in tensor_content.",
            rich_help_panel=FLAGS,
        ),
    ] = False,
    enable_signature_method_name_check: Annotated[
        bool,
        typer.Option(
            "--enable_signature_method_name_check",
            help="A signature answers only the procedure that its method_name names.",
            rich_help_panel=FLAGS,
        ),
    ] = False,
    monitoring_config_file: Annotated[
        Path | None,
        typer.Option(
            "--monitoring_config_file",
            help="MonitoringConfig as text: metrics for Prometheus on the REST port.",
            rich_help_panel=FLAGS,
        ),
    ] = None,
    ssl_config_file: Annotated[
        Path | None,
        typer.Option("--ssl_config_file", help="Keys and certificates for TLS and mTLS.", rich_help_panel=FLAGS),
    ] = None,
    enable_grpc_healthcheck_service: Annotated[
        bool,
        typer.Option("--enable_grpc_healthcheck_service", help="Answer grpc.health.v1.", rich_help_panel=FLAGS),
    ] = False,
    enable_profiler: Annotated[
        bool | None,
        typer.Option(
            "--enable_profiler/--no_enable_profiler",
            help="Answer tensorflow.ProfilerService, whose clients say where on this machine a profile is written. "
            "On unless --host lets others ask; with --strict, always on.",
            rich_help_panel=FLAGS,
        ),
    ] = None,
) -> None:
    """Serve models over gRPC and REST, as TF Serving does. New versions are picked up within a second.

    A command line of `tensorflow_model_server` is taken as it is; flags without effect here are named in the log.

    Without --model_base_path and --model_config_file, every model of --repository is served.

    \b
    Examples:
      kuberec serve
      kuberec serve --repository /models --host 0.0.0.0 --port 8500
      kuberec serve --port=8500 --model_name=films --model_base_path=/models/films
      kuberec serve --model_config_file=/etc/models.config --model_config_file_poll_wait_seconds=60 --strict
    """
    import logging

    from kuberec.serving import source
    from kuberec.serving.model import Retries
    from kuberec.serving.options import LOCAL, ServerOptions
    from kuberec.serving.server import ModelServer, stop_signals
    from kuberec.serving.session import SessionOptions

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kuberec").setLevel(logging.INFO)
    for notice in notices(ctx):
        logging.getLogger("kuberec").warning(notice)
    if monitoring_config_file and not rest_api_port:
        logging.getLogger("kuberec").warning("--monitoring_config_file has no effect without --rest_api_port")
    if enable_serialization_as_tensor_content and rest_api_port:
        logging.getLogger("kuberec").warning(
            "REST answers as ever; TF Serving's does not with --enable_serialization_as_tensor_content"
        )
    if model_config_file:
        models = source.config_file(model_config_file, poll_seconds=model_config_file_poll_wait_seconds)
    elif model_base_path:
        models = source.base_path(model_name, model_base_path, strict=strict)
    elif strict:
        raise typer.BadParameter("--strict needs --model_config_file or --model_base_path, as TF Serving does")
    else:
        models = source.repository(repository, kept_versions=keep, poll_seconds=file_system_poll_wait_seconds)
    intra_op_threads, inter_op_threads = op_threads(
        tensorflow_session_parallelism, tensorflow_intra_op_parallelism, tensorflow_inter_op_parallelism
    )
    options = ServerOptions(
        host=host or (EVERYWHERE if strict else LOCAL),
        port=port,
        socket_path=grpc_socket_path,
        rest_port=rest_api_port or None,
        rest_timeout=rest_api_timeout_in_ms / 1e3,
        cors=rest_api_enable_cors_support,
        batching=enable_batching,
        batching_parameters_file=batching_parameters_file,
        per_model_batching=enable_per_model_batching_parameters,
        monitoring_config_file=monitoring_config_file,
        ssl_config_file=ssl_config_file,
        threads=grpc_max_threads,
        channel_arguments=channel_arguments(grpc_channel_arguments),
        health=enable_grpc_healthcheck_service,
        profiler=(strict or host in ("", LOCAL)) if enable_profiler is None else enable_profiler,
        poll_seconds=file_system_poll_wait_seconds,
        strict=strict,
        allow_unavailable_labels=allow_version_labels_for_unavailable_models,
        load_threads=max(1, num_load_threads),
        retries=Retries(max_num_load_retries, load_retry_interval_micros / 1e6),
        session=SessionOptions(
            tags=tuple(saved_model_tags.split(",")),
            intra_op_threads=intra_op_threads,
            inter_op_threads=inter_op_threads,
            prefer_lite=prefer_tflite_model,
            lite_interpreters=num_tflite_pools,
            lite_signatures=not strict,
        ),
        # As in TF Serving 0 is its default, once.
        warmup_runs=max(1, num_request_iterations_for_warmup) if enable_model_warmup else 0,
        checks_methods=enable_signature_method_name_check,
        tensor_content=enable_serialization_as_tensor_content,
        owns_process=True,
    )
    with ModelServer(models, options) as server:
        wait_for_signal = stop_signals()
        served = model_config_file or model_base_path or repository
        typer.echo(f"Serving {served} on {server.address}; Ctrl-C stops.")
        if not any(server.repository.available().values()):
            typer.echo("No model is there yet; the first to come will be served.")
        wait_for_signal()
        typer.echo("Stopping: running requests are answered first.")


def recommend(
    user: Annotated[str, typer.Option("--user", "-u", help="Raw user id; an unknown one is answered too.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
    history: Annotated[
        list[str] | None, typer.Option("--history", metavar="ID,ID", help="Items just taken, oldest first.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ID,ID", help="Items never to show.")
    ] = None,
    target: Annotated[str, typer.Option("--target", "-t", help="The server, host:port.")] = TARGET,
    model: ModelName = MODEL_NAME,
    items: Annotated[
        Path | None, typer.Option(help="Parquet file with item_id and title; as a rule the served version's own.")
    ] = None,
    repository: Repository = REPOSITORY,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds to wait for the answer.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Ask a model server, Kuberec's own or TF Serving, what to show a user.

    \b
    Examples:
      kuberec recommend --user 196 -k 10
      kuberec recommend --user somebody-new --history 50,181 --exclude 172
      kuberec recommend --user 196 --target models.example:8500 --model films --json
    """
    from kuberec.client import Client
    from kuberec.serving.titles import read_titles, titles_of_version

    with Client(target, timeout=timeout) as client:
        answer = client.recommend(model, user, k, exclude=_split_ids(exclude), history=_split_ids(history))
    titles = read_titles(items) if items else titles_of_version(repository, model, answer.version)
    rows: list[dict[str, Any]] = [
        {"item_id": item, "title": titles.get(item), "score": score}
        for item, score in zip(answer.item_ids, answer.scores, strict=True)
    ]
    if as_json:
        print_json({"model": model, "version": answer.version, "user_id": user, "items": rows})
    else:
        ranking = [
            [(f"{rank:>3}", "dim"), (row["title"] or row["item_id"], ""), (f"{row['score']:.3f}", "dim")]
            for rank, row in enumerate(rows, start=1)
        ]
        print_rows(f"{model} version {answer.version} for user {user}", ranking)


def _split_ids(texts: Iterable[str] | None) -> list[str]:
    return [item.strip() for text in texts or () for item in text.split(",") if item.strip()]
