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
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_rows_of_every_step_agree_with_the_dense_update() -> None:
    sparse, dense = tf.Variable([[1.0], [2.0], [3.0]]), tf.Variable([[1.0], [2.0], [3.0]])
    lazy, whole = SparseAdam([sparse], 0.1), SparseAdam([dense], 0.1)
    for value in (0.5, -0.25, 1.0):
        rows = tf.IndexedSlices(tf.constant([[value], [1.0], [value]]), tf.constant([0, 2, 0]), tf.constant([3, 1]))
        lazy.apply([rows])
        whole.apply([tf.constant([[2 * value], [0.0], [1.0]])])
    np.testing.assert_allclose(sparse.numpy()[[0, 2]], dense.numpy()[[0, 2]], rtol=1e-6)


def test_other_rows_stay_untouched() -> None:
    table = tf.Variable([[1.0], [2.0], [3.0]])
    adam = SparseAdam([table], 0.1)
    adam.apply([tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([1]), tf.constant([3, 1]))])
    assert table.numpy()[[0, 2]].tolist() == [[1.0], [3.0]]
    assert [slot.numpy().ravel().tolist()[0] for slot in (adam.first[0], adam.second[0])] == [0.0, 0.0]


def test_a_variable_out_of_the_loss_keeps_its_value() -> None:
    variable = tf.Variable(1.0)
    SparseAdam([variable], 0.1).apply([None])
    assert variable.numpy() == 1.0
