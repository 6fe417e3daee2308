"""How requests are batched: TF Serving's BatchingParameters, with its defaults, checks and words."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kuberec.serving.protos import new_message, read_text
from kuberec.serving.status import invalid_argument

HINT = (
    "Batching parameters are a text file like: max_batch_size { value: 128 } batch_timeout_micros { value: 1000 } "
    "allowed_batch_sizes: 32 allowed_batch_sizes: 128"
)
LARGEST = 1000


@dataclass(frozen=True)
class BatchingParameters:
    """How requests are batched; sizes are rows, which are counted along the first dimension of the inputs.

    Attributes:
        max_batch_size: The largest request; without splitting also the largest batch.
        batch_timeout_micros: How long a batch waits to become full; 0 runs what has queued as soon as a thread is free.
        max_enqueued_batches: Batches of one queue that may wait.
        num_batch_threads: Batches that run at a time, of all models together.
        allowed_batch_sizes: Sizes that batches are padded to, ascending; empty for any.
        pad_variable_length_inputs: Make the inputs of a batch the same shape.
        enable_large_batch_splitting: Let a request be spread over batches.
        max_execution_batch_size: The largest batch with splitting; None for `max_batch_size`.

    Raises:
        StatusError: Values that TF Serving refuses.
    """

    max_batch_size: int = LARGEST
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.allowed_batch_sizes and self.allowed_batch_sizes[-1] != self.max_batch_size:
            raise invalid_argument(
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
                f"{self.allowed_batch_sizes[-1]}; expected {self.max_batch_size}"
            )
        if self.num_batch_threads < 1:
            raise invalid_argument(f"num_batch_threads must be positive; was {self.num_batch_threads}")
        if self.max_batch_size < 1:
            raise invalid_argument(f"input_batch_size_limit must be positive; was {self.max_batch_size}")
        if self.batch_timeout_micros < 0:
            raise invalid_argument(f"batch_timeout_micros must be non-negative; was {self.batch_timeout_micros}")
        if self.max_enqueued_batches < (1 if self.enable_large_batch_splitting else 0):
            raise invalid_argument(f"max_enqueued_batches must be positive; was {self.max_enqueued_batches}")
        if not 1 <= self.largest_run <= self.max_batch_size:
            raise invalid_argument(
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
                "max_execution_batch_size."
            )

    @property
    def largest_run(self) -> int:
        """The largest batch that runs."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size is not None:
            return self.max_execution_batch_size
        return self.max_batch_size

    def padded(self, rows: int) -> int:
        """The smallest allowed size that holds so many rows."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_parameters(path: Path) -> BatchingParameters:
    """The parameters of a BatchingParameters file; `thread_pool_name` changes nothing, there are no such threads.

    Raises:
        ConfigError: The file cannot be read, or is no BatchingParameters.
        StatusError: Values that TF Serving refuses.
    """
    message = read_text(path, new_message("BatchingParameters"), HINT)
    wrapped = (
        "max_batch_size",
        "batch_timeout_micros",
        "max_enqueued_batches",
        "num_batch_threads",
        "enable_large_batch_splitting",
        "max_execution_batch_size",
    )
    return BatchingParameters(
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        **{name: getattr(message, name).value for name in wrapped if message.HasField(name)},
    )
