"""The flags of `tensorflow_model_server` that `kuberec serve` takes although they change nothing, or refuses."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand

WITHOUT_EFFECT = {
    "num_unload_threads": "a version is freed with its last request",
    "flush_filesystem_caches": "the operating system keeps its caches",
    "per_process_gpu_memory_fraction": "models run on the CPU",
    "remove_unused_fields_from_bundle_metagraph": "the graph is kept as it is",
    "skip_initialize_tpu": "there is no TPU",
    "xla_cpu_compilation_enabled": "graphs are not compiled",
    "xla_gpu_compilation_enabled": "graphs are not compiled",
    "mixed_precision": "graphs keep their precision",
    "num_tflite_interpreters_per_pool": "a request is not split among interpreters",
    "platform_config_file": "TensorFlow's own settings hold",
    "tensorflow_session_config_file": "TensorFlow's own settings hold",
    "thread_pool_factory_config_file": "TensorFlow's own settings hold",
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
            option.removeprefix("--"): parameter.secondary_opts
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


def op_threads(session: int, intra: int, inter: int) -> tuple[int, int]:
    """TensorFlow's threads within and between operations, as TF Serving reads its three flags; 0 is its own choice.

    Raises:
        typer.BadParameter: All three are given.
    """
    if session and intra and inter:
        raise typer.BadParameter(
            "expected --tensorflow_session_parallelism, or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism, got all three"
        )
    return (intra, inter) if intra or inter else (session, session)


def _name(word: str) -> str:
    return word.removeprefix("--").partition("=")[0] if word.startswith("--") else ""


def _plain_switches(words: Iterable[str], switches: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for word in words:
        value = TRUTH.get(word.partition("=")[2].lower())
        if _name(word) not in switches or value is None:
            yield word
        elif value:
            yield f"--{_name(word)}"
        else:  # one without a name of its own for off is off unless it is named
            yield from switches[_name(word)]
