import os
from pathlib import Path
from typing import Any

import pytest

from kuberec.errors import ConfigError
from kuberec.serving.batching.parameters import BatchingParameters, read_parameters
from kuberec.serving.status import StatusError

TEXT = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
thread_pool_name { value: "batch_threads" }
allowed_batch_sizes: 32
allowed_batch_sizes: 128
pad_variable_length_inputs: true
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
"""


def test_every_field_is_read(tmp_path: Path) -> None:
    (tmp_path / "batching.config").write_text(TEXT)
    assert read_parameters(tmp_path / "batching.config") == BatchingParameters(
        max_batch_size=128,
        batch_timeout_micros=5000,
        max_enqueued_batches=1_000_000,
        num_batch_threads=8,
        allowed_batch_sizes=(32, 128),
        pad_variable_length_inputs=True,
        enable_large_batch_splitting=True,
        max_execution_batch_size=64,
    )


def test_what_a_file_leaves_out_is_as_in_tf_serving(tmp_path: Path) -> None:
    (tmp_path / "batching.config").touch()
    parameters = read_parameters(tmp_path / "batching.config")
    assert (parameters.max_batch_size, parameters.batch_timeout_micros, parameters.max_enqueued_batches) == (
        1000,
        0,
        10,
    )
    assert parameters.num_batch_threads == os.cpu_count()
    assert not parameters.pad_variable_length_inputs
    assert not parameters.enable_large_batch_splitting
    assert parameters.largest_run == 1000


@pytest.mark.parametrize("text", ["max_batch_size: 128", "max_batch { value: 1 }", "max_batch_size { value: 1"])
def test_a_bad_file_gets_the_words_that_programs_look_for(tmp_path: Path, text: str) -> None:
    file = tmp_path / "batching.config"
    file.write_text(text)
    words = r"^Error parsing text-format tensorflow\.serving\.BatchingParameters: .*Invalid protobuf file: "
    with pytest.raises(ConfigError, match=words):
        read_parameters(file)
    with pytest.raises(ConfigError, match=r"absent cannot be read: .*max_batch_size \{ value: 128 \}"):
        read_parameters(tmp_path / "absent")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"allowed_batch_sizes": (8, 32), "max_batch_size": 64},
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 32; expected 64",
        ),
        ({"allowed_batch_sizes": (8, 32)}, "last entry was 32; expected 1000"),
        ({"num_batch_threads": 0}, "num_batch_threads must be positive; was 0"),
        ({"max_batch_size": 0}, "input_batch_size_limit must be positive; was 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros must be non-negative; was -1"),
        (
            {"max_enqueued_batches": 0, "enable_large_batch_splitting": True},
            "max_enqueued_batches must be positive; was 0",
        ),
        (
            {"max_batch_size": 8, "max_execution_batch_size": 9, "enable_large_batch_splitting": True},
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to",
        ),
    ],
)
def test_values_that_tf_serving_refuses(values: dict[str, Any], words: str) -> None:
    with pytest.raises(StatusError, match=words) as caught:
        BatchingParameters(**values)
    assert caught.value.code.name == "INVALID_ARGUMENT"


def test_a_batch_is_padded_to_the_next_allowed_size() -> None:
    parameters = BatchingParameters(max_batch_size=32, allowed_batch_sizes=(2, 8, 32))
    assert [parameters.padded(rows) for rows in (1, 2, 3, 8, 9, 32)] == [2, 2, 8, 8, 32, 32]
    assert BatchingParameters().padded(3) == 3


def test_without_splitting_the_largest_run_is_the_largest_request() -> None:
    assert BatchingParameters(max_batch_size=8, max_execution_batch_size=4).largest_run == 8
    split = BatchingParameters(max_batch_size=8, max_execution_batch_size=4, enable_large_batch_splitting=True)
    assert split.largest_run == 4
    assert BatchingParameters(max_batch_size=8, enable_large_batch_splitting=True).largest_run == 8


def test_the_example_of_the_documents_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[4] / "docs" / "serving.md"
    (text,) = [block for block in page.read_text().split("```") if block.lstrip().startswith("max_batch_size")]
    (tmp_path / "batching.config").write_text(text)
    parameters = read_parameters(tmp_path / "batching.config")
    assert (parameters.max_batch_size, parameters.num_batch_threads, parameters.allowed_batch_sizes) == (
        128,
        1,
        (32, 128),
    )
