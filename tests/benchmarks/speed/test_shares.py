"""What is read from a profile that TensorFlow wrote."""

from pathlib import Path

import tensorflow as tf

from benchmarks.speed.shares import covered, shares


def test_the_union_counts_what_overlaps_once() -> None:
    assert covered([(5, 7), (0, 3), (1, 2), (6, 10)]) == 3 + 5
    assert covered([]) == 0


def profiled(folder: Path, scope: str) -> dict[str, float | None]:
    @tf.function
    def work(matrix: tf.Tensor) -> tf.Tensor:
        with tf.name_scope(scope):
            rows = tf.gather(matrix, tf.range(300))
        with tf.name_scope("model"):
            return tf.reduce_sum(tf.matmul(rows, matrix))

    matrix = tf.random.stateless_normal([500, 500], [0, 0])
    work(matrix)
    tf.profiler.experimental.start(str(folder))
    work(matrix)
    tf.profiler.experimental.stop()
    return shares(folder, seconds=60.0)


def test_only_operations_of_the_scope_count_as_inputs(tmp_path: Path) -> None:
    found = profiled(tmp_path, "inputs")
    assert found["inputs"] is not None
    assert 0 < found["inputs"] < 1
    assert found["busy"] is not None
    assert found["busy"] < 0.5, "sixty seconds were not filled"


def test_without_the_scope_there_is_no_share(tmp_path: Path) -> None:
    assert profiled(tmp_path, "other")["inputs"] is None
