"""What the commands of the quality benchmarks share: arguments and errors."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality.datasets import WORK
from benchmarks.quality.protocols import Protocol, Task, prepare
from kuberec.errors import ConfigError, KuberecError


def add_work_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say where results are kept and when they are made again."""
    parser.add_argument("--work", type=Path, default=WORK, help="folder for intermediate results (var/benchmarks)")
    parser.add_argument("--keep-older", action="store_true", help="keep results that other training code made")


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a dataset and a protocol."""
    parser.add_argument("--dataset", type=Path, required=True, help="folder of interaction data")
    parser.add_argument("--protocol", choices=list(Protocol), required=True)
    parser.add_argument("--positive", type=float, help="least value of a positive; default: the protocol's rule")
    parser.add_argument("--split-seed", type=int, default=0, help="seed of what the protocol draws (0)")
    add_work_arguments(parser)


def prepared(arguments: argparse.Namespace, held_back: bool = False) -> Task:
    """The task that the arguments name."""
    return prepare(
        arguments.dataset,
        arguments.protocol,
        positive=arguments.positive,
        seed=arguments.split_seed,
        held_back=held_back,
        work=arguments.work,
    )


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """`name=value` texts with YAML values.

    Raises:
        ConfigError: A text has no `=`.
    """
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, sign, _) in zip(texts, pairs, strict=True) if not sign]:
        raise ConfigError(f"name=value was expected, got {', '.join(wrong)}.")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


@contextmanager
def reported() -> Iterator[None]:
    """Errors of Kuberec's own as one line, without a traceback."""
    try:
        yield
    except KuberecError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
