"""The flags of `tensorflow_model_server` that `kuberec serve` takes although they change nothing, or refuses."""

import re
from collections.abc import Container, Iterable
from typing import Any

import typer
from typer.core import TyperCommand

WITHOUT_EFFECT = {
    "num_load_threads": "versions are loaded one after another",
    "num_unload_threads": "a version is freed with its last request",
    "flush_filesystem_caches": "the operating system keeps its caches",
    "tensorflow_session_parallelism": "TensorFlow chooses its threads",
    "tensorflow_intra_op_parallelism": "TensorFlow chooses its threads",
    "tensorflow_inter_op_parallelism": "TensorFlow chooses its threads",
    "per_process_gpu_memory_fraction": "models run on the CPU",
    "num_request_iterations_for_warmup": "each warm-up request runs once",
    "enable_model_warmup": "warm-up requests are always run",
    "remove_unused_fields_from_bundle_metagraph": "the graph is kept as it is",
    "enable_signature_method_name_check": "method names are not checked",
    "enable_profiler": "there is no profiler service",
    "skip_initialize_tpu": "there is no TPU",
    "xla_cpu_compilation_enabled": "graphs are not compiled",
    "mixed_precision": "graphs keep their precision",
    "prefer_tflite_model": "the SavedModel is served",
    "num_tflite_pools": "the SavedModel is served",
    "num_tflite_interpreters_per_pool": "the SavedModel is served",
    "saved_model_tags": "the graph tagged serve is served",
    "platform_config_file": "TensorFlow's own settings hold",
    "tensorflow_session_config_file": "TensorFlow's own settings hold",
    "thread_pool_factory_config_file": "TensorFlow's own settings hold",
    "enable_serialization_as_tensor_content": "replies come in typed fields",
    "enable_batching": "requests are run as they come",
    "batching_parameters_file": "requests are run as they come",
    "enable_per_model_batching_parameters": "requests are run as they come",
    "monitoring_config_file": "there are no metrics yet",
    "rest_api_num_threads": "each REST connection has a thread of its own",
}
"""Flag and what holds instead; a command line with them is taken, and the log says so."""

TRUTH = {"true": True, "1": True, "false": False, "0": False}


class ServeCommand(TyperCommand):
    """Takes TF Serving's way to write flags: `--flag=true` for switches; and its flags that have no effect here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Turn the words into what the parser understands; `ctx.meta` keeps the flags without effect."""
        ctx.meta["without_effect"] = [name for name in map(_name, args) if name in WITHOUT_EFFECT]
        switches = {
            option.removeprefix("--")
            for parameter in self.params
            for option in parameter.opts
            if getattr(parameter, "is_flag", False)
        }
        kept = (word for word in args if _name(word) not in WITHOUT_EFFECT)
        return super().parse_args(ctx, list(_plain_switches(kept, switches)))


def notices(ctx: typer.Context) -> list[str]:
    """What to tell about the flags that were given and have no effect."""
    return [f"--{name} has no effect: {WITHOUT_EFFECT[name]}" for name in ctx.meta["without_effect"]]


def channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """The gRPC channel arguments of `key=value,key=value`; whole numbers become numbers.

    Raises:
        typer.BadParameter: A part has no `=`.
    """
    parts = [part.partition("=") for part in text.split(",") if part]
    for name, equals, value in parts:
        if not equals:
            raise typer.BadParameter(f"expected key=value,key=value, got {name + value!r}")
    return [(name, int(value) if re.fullmatch(r"-?\d+", value) else value) for name, _, value in parts]


def _name(word: str) -> str:
    return word.removeprefix("--").partition("=")[0] if word.startswith("--") else ""


def _plain_switches(words: Iterable[str], switches: Container[str]) -> Iterable[str]:
    for word in words:
        value = TRUTH.get(word.partition("=")[2].lower())
        if _name(word) not in switches or value is None:
            yield word
        elif value:  # a switch is off unless it is named
            yield f"--{_name(word)}"
