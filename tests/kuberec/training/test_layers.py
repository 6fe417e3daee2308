import numpy as np
import tensorflow as tf

from kuberec.features import EntityTable, FeatureInfo
from kuberec.schema import FeatureType
from kuberec.training.layers import (
    FeatureEmbeddings,
    IdDropout,
    Tower,
    embed,
    embedding,
    mean_of_row,
    with_bias,
    with_one,
)

INFOS = {
    "genre": FeatureInfo(FeatureType.MULTI_CATEGORICAL, 4),
    "country": FeatureInfo(FeatureType.CATEGORICAL, 3),
    "age": FeatureInfo(FeatureType.NUMERIC, 1),
    "image": FeatureInfo(FeatureType.EMBEDDING, 2),
}
INPUTS = {
    "genre": tf.constant([[0, 0], [3, 1]]),
    "country": tf.constant([0, 2]),
    "age": tf.constant([0.0, 1.5]),
    "image": tf.constant([[0.0, 0.0], [2.0, -1.0]]),
}


def test_embed_is_the_mean_without_the_padding() -> None:
    layer = embedding(4, 3)
    layer.build(None)
    table = layer.get_weights()[0]
    vectors = embed(layer, tf.constant([[1, 3, 0], [2, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(vectors, [(table[1] + table[3]) / 2, table[2], np.zeros(3)], rtol=1e-6)


def test_padding_is_not_encoded() -> None:
    encoded = []

    def encode(codes: tf.Tensor) -> tf.Tensor:
        encoded.extend(codes.numpy())
        return tf.cast(codes, tf.float32)[:, None]

    assert mean_of_row(encode, tf.constant([[0, 0, 0], [5, 1, 0], [0, 2, 0]])).numpy().tolist() == [[0], [3], [2]]
    assert encoded == [5, 1, 2]


def test_an_embedding_never_reads_its_whole_table() -> None:
    layer = embedding(4, 3)
    layer.build(None)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None], tf.int32)).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert "ResourceGather" in operations
    assert "ReadVariableOp" not in operations


def test_feature_embeddings_are_summed_and_missing_ones_add_nothing() -> None:
    table = EntityTable(ids=np.array([""]), known=np.array([False]), columns={}, infos=INFOS)
    layer = FeatureEmbeddings(table, 5)
    layer.build()
    genre, country, age, image = (part.get_weights()[0] for part in layer.layers_by_feature.values())
    expected = (genre[3] + genre[1]) / 2 + country[2] + 1.5 * age[0] + 2 * image[0] - image[1]
    np.testing.assert_allclose(layer(INPUTS), [np.zeros(5), expected], rtol=1e-5, atol=1e-7)


def test_id_dropout_makes_some_ids_unknown_in_training_alone() -> None:
    layer, index = IdDropout(0.25), tf.range(1, 4001)
    assert (layer(index) == index).numpy().all()
    trained = layer(index, training=True).numpy()
    assert set(trained) <= {0, *range(1, 4001)}
    assert (trained[trained > 0] == index.numpy()[trained > 0]).all()
    assert abs(np.mean(trained == 0) - 0.25) < 0.03


def test_a_new_tower_returns_its_input() -> None:
    inputs = tf.constant([[1.0, -2.0], [0.5, 3.0]])
    tower = Tower((8,), 2, dropout=0.0)
    assert tower(inputs).numpy().tolist() == inputs.numpy().tolist()
    assert tower.output_layer is not None
    tower.output_layer.set_weights([np.ones((8, 2)), np.ones(2)])
    assert (tower(inputs) > inputs).numpy().all()


def test_the_bias_meets_the_one() -> None:
    user, item = np.array([[1.0, 2.0]], np.float32), np.array([[3.0, 4.0]], np.float32)
    joined = with_one(user) * with_bias(item, np.array([[0.5]], np.float32))
    assert np.sum(joined) == 1 * 3 + 2 * 4 + 0.5
