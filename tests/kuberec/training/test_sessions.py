import numpy as np

from kuberec.training.sessions import SessionMap, mean_vectors

VECTORS = np.array([[9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)


def test_mean_vectors_leave_the_padding_out() -> None:
    means = mean_vectors(VECTORS, np.array([[1, 2, 0], [3, 0, 0], [0, 0, 0]]))
    assert means.tolist() == [[0.5, 0.5], [1.0, 1.0], [0.0, 0.0]]


def test_a_linear_relation_is_found() -> None:
    rng = np.random.default_rng(0)
    items = np.concatenate([np.zeros((1, 3)), rng.normal(size=(50, 3))]).astype(np.float32)
    histories = rng.integers(1, 51, size=(400, 4))
    truth = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.5, 0.0, 1.0]])
    users = mean_vectors(items, histories) @ truth + 1.0
    fitted = SessionMap.fit(users, items, histories)
    error = np.abs(fitted(items, histories) - users).mean() / np.abs(users - users.mean(axis=0)).mean()
    assert error < 0.15  # the ridge penalty shrinks towards the mean


def test_only_the_last_items_are_regressed_on() -> None:
    items = np.concatenate([np.zeros((1, 1)), np.arange(1, 21)[:, None]]).astype(np.float32)
    long = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [11, 12, 13, 14, 15, 16, 17, 0], [9, 0, 0, 0, 0, 0, 0, 0]])
    users = np.array([[6.0], [15.0], [9.0]])  # the means of the last five
    fitted = SessionMap.fit(users, items, long)
    np.testing.assert_allclose(fitted(items, np.array([[6], [15], [9]])), users, atol=0.6)
