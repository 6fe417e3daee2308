import keras
import numpy as np
import tensorflow as tf

from kuberec.training.optimizer import SparseAdam


def test_dense_steps_agree_with_keras() -> None:
    ours, theirs = tf.Variable([[1.0, -2.0], [3.0, 0.5]]), keras.Variable([[1.0, -2.0], [3.0, 0.5]])
    adam, reference = SparseAdam([ours], 0.1), keras.optimizers.Adam(0.1, epsilon=1e-7)
    reference.build([theirs])
    for step in range(5):
        gradient = tf.constant([[0.3, -0.1], [step * 0.5, 1.0]])
        adam.apply([gradient])
        reference.apply([gradient])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)  # of steps of 0.1


def _row(index: int, value: float, times: int = 1) -> tf.IndexedSlices:
    """A gradient of one row of a table `[3, 1]`, in as many parts."""
    return tf.IndexedSlices(tf.fill([times, 1], value / times), tf.fill([times], index), tf.constant([3, 1]))


def test_rows_of_every_step_agree_with_the_dense_update() -> None:
    start = np.arange(10, dtype=np.float32)[:, None]
    sparse, dense = tf.Variable(start), tf.Variable(start)
    lazy, whole = SparseAdam([sparse], 0.1), SparseAdam([dense], 0.1)
    # Adam forgets a constant factor of the gradients, so how often a row is used must vary for the sum to matter.
    for times, value in ((2, 0.5), (1, -0.25), (3, 1.0)):
        values = tf.constant([*([value] for _ in range(times)), [1.0]])
        rows = tf.IndexedSlices(values, tf.constant([*[0] * times, 2]), tf.constant([10, 1]))
        gradient = np.zeros((10, 1), np.float32)
        gradient[[0, 2]] = [[times * value], [1.0]]
        lazy.apply([rows])
        whole.apply([tf.constant(gradient)])
    np.testing.assert_allclose(sparse.numpy(), dense.numpy(), atol=1e-5)  # of steps of 0.1
    assert sparse.numpy()[0] != start[0]


def test_the_first_step_of_rows_agrees_with_keras() -> None:
    table, reference = tf.Variable([[1.0], [2.0], [3.0]]), keras.Variable([[1.0], [2.0], [3.0]])
    SparseAdam([table], 0.1).apply([_row(1, -0.7)])
    theirs = keras.optimizers.Adam(0.1, epsilon=1e-7)
    theirs.build([reference])
    theirs.apply([tf.constant([[0.0], [-0.7], [0.0]])])
    np.testing.assert_allclose(table.numpy(), reference.numpy(), atol=1e-5)


def test_a_table_that_is_mostly_read_is_updated_as_a_whole() -> None:
    table = tf.Variable([[1.0], [2.0], [3.0]])
    adam = SparseAdam([table], 0.1)
    adam.apply([_row(0, 1.0)])
    before = table.numpy()
    adam.apply([_row(1, 1.0, times=2)])
    # The moment of row 0 moves it on in the second step, which the row path would not.
    assert (table.numpy() < before).ravel().tolist() == [True, True, False]


def test_other_rows_stay_untouched() -> None:
    table = tf.Variable([[1.0], [2.0], [3.0]])
    adam = SparseAdam([table], 0.1)
    adam.apply([_row(1, 1.0)])
    assert table.numpy()[[0, 2]].tolist() == [[1.0], [3.0]]
    assert [slot.numpy().ravel().tolist()[0] for slot in (adam.first[0], adam.second[0])] == [0.0, 0.0]


def test_a_variable_out_of_the_loss_keeps_its_value() -> None:
    variable = tf.Variable(1.0)
    SparseAdam([variable], 0.1).apply([None])
    assert variable.numpy() == 1.0
