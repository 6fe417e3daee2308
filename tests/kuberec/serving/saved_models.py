"""Small SavedModels made with TensorFlow, of which every answer can be computed by hand."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import tensorflow as tf
from flatbuffers import flexbuffers
from tensorflow.lite.python import schema_py_generated
from tensorflow_serving.apis import prediction_log_pb2

from kuberec.serving.lite_metadata import ENTRY

ITEMS = ("i1", "i2", "i3", "i4", "i5")
# Row 0 answers unknown users. Best first: unknown i5 i4 i3 i2 i1, ann i1 i3 i5 i2 i4, bjørn i2 i1 i3 i4 i5.
SCORES = ((1.0, 2.0, 3.0, 4.0, 5.0), (9.0, 3.0, 8.0, 2.0, 4.0), (8.0, 9.0, 7.0, 6.0, 5.0))
USERS = ("ann", "bjørn")
DEFAULT_K = tf.constant(3)
NO_ITEMS = tf.constant([[""]])


class Recommender(tf.Module):
    """Ranks five items; each history item lifts the item after it by 100; `bonus` is added to every score."""

    def __init__(self, bonus: float) -> None:
        super().__init__()
        self.users = _table(USERS)
        self.items = _table(ITEMS)
        self.scores = tf.Variable(tf.constant(SCORES) + bonus)
        self.ids = tf.constant(ITEMS)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="user_id"),
            tf.TensorSpec([], tf.int32, name="k"),
            tf.TensorSpec([None, None], tf.string, name="exclude_item_ids"),
            tf.TensorSpec([None, None], tf.string, name="history_item_ids"),
        ]
    )
    def recommend(
        self,
        user_id: tf.Tensor,
        k: tf.Tensor = DEFAULT_K,
        exclude_item_ids: tf.Tensor = NO_ITEMS,
        history_item_ids: tf.Tensor = NO_ITEMS,
    ) -> dict[str, tf.Tensor]:
        scores = tf.gather(self.scores, self.users.lookup(user_id))
        after = tf.one_hot(self.items.lookup(history_item_ids), 5)  # position n of the look-up is item n + 1
        excluded = tf.one_hot(self.items.lookup(exclude_item_ids) - 1, 5)
        scores += 100.0 * tf.reduce_sum(after * _known(self.items, history_item_ids), 1)
        scores -= 1000.0 * tf.reduce_sum(excluded, 1)
        best, positions = tf.math.top_k(scores, tf.minimum(k, 5))
        return {"item_ids": tf.gather(self.ids, positions), "scores": best}


class Sum(tf.Module):
    """total = a + b over float32, without defaults; `typed` returns one value of many types."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.float32, name="b")]
    )
    def add(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": a + b, "difference": a - b}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    def types(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        types = (
            tf.float16,
            tf.bfloat16,
            tf.float32,
            tf.float64,
            tf.int8,
            tf.int32,
            tf.int64,
            tf.uint8,
            tf.uint32,
            tf.uint64,
        )
        return {t.name: tf.cast(x, t) for t in types} | {"bool": x > 0, "string": tf.strings.as_string(x)}


def save_recommender(folder: Path, *, bonus: float = 0.0) -> Path:
    """Write the recommender as a version folder, whole or not at all."""
    module = Recommender(bonus)
    return _save(module, folder, {"serving_default": module.recommend, "recommend": module.recommend})


def save_sum(folder: Path) -> Path:
    """Write the sum model as a version folder."""
    module = Sum()
    return _save(module, folder, {"serving_default": module.add, "types": module.types})


class Loop(tf.Module):
    """Takes its time: adds 1 to 0 `steps` times, each time with some work."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
    def count(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        def step(count: tf.Tensor, work: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return count + 1, tf.sin(work)

        start = (tf.constant(0, tf.int64), tf.ones([100_000]))
        return {"count": tf.while_loop(lambda count, _: count < steps, step, start)[0]}


def save_loop(folder: Path) -> Path:
    """Write the slow model as a version folder."""
    module = Loop()
    return _save(module, folder, {"serving_default": module.count})


def save_examples(folder: Path) -> Path:
    """Write signatures over serialized tf.Examples of the float feature x: good ones, and bad ones for their errors."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = tf.compat.v1.placeholder(tf.string, [None], "examples")
        other = tf.compat.v1.placeholder(tf.string, [None], "other")
        x, other_x = (
            tf.io.parse_example(given, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"] for given in (inputs, other)
        )
        scores = tf.concat([x / 2 + 2, x], 1)
        classes = tf.where(scores > 2.5, "high", "low")
        classify, regress = "tensorflow/serving/classify", "tensorflow/serving/regress"
        signatures = {
            "serving_default": _signature({"inputs": inputs}, {"outputs": x / 2 + 2}, regress),
            "classify": _signature({"inputs": inputs}, {"classes": classes, "scores": scores}, classify),
            "classify_scores": _signature({"inputs": inputs}, {"scores": scores}, classify),
            "classify_classes": _signature({"inputs": inputs}, {"classes": classes}, classify),
            "regress_flat": _signature({"inputs": inputs}, {"outputs": x[:, 0] + 3}, regress),
            "regress_other": _signature({"inputs": other}, {"outputs": other_x * 10}, regress),
            "two_inputs": _signature({"inputs": inputs, "other": other}, {"outputs": x, "scores": x}, regress),
            "no_inputs": _signature({"examples": inputs}, {"outputs": x}, regress),
            "no_outputs": _signature({"inputs": inputs}, {"result": x}, regress),
            "three_outputs": _signature({"inputs": inputs}, {"outputs": x, "a": x, "b": x}, regress),
            "flat_scores": _signature({"inputs": inputs}, {"scores": x[:, 0]}, classify),
            "numeric_classes": _signature({"inputs": inputs}, {"classes": x}, classify),
            "one_score": _signature({"inputs": inputs}, {"scores": tf.ones([1, 2])}, classify),
            "uneven": _signature({"inputs": inputs}, {"classes": classes, "scores": x}, classify),
            "wide": _signature({"inputs": inputs}, {"outputs": scores}, regress),
            "one_value": _signature({"inputs": inputs}, {"outputs": tf.ones([1])}, regress),
            "double": _signature({"inputs": inputs}, {"outputs": tf.cast(x, tf.float64)}, regress),
        }
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()
    return folder


def save_tagged(folder: Path, tags: Sequence[str] = ("serve",)) -> Path:
    """Write signatures that only differ in their `method_name`, over tf.Examples, as a graph with these tags."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = tf.compat.v1.placeholder(tf.string, [None], "examples")
        outputs = {"outputs": tf.fill(tf.shape(inputs), 1.0)}
        scores = {"scores": tf.fill([tf.shape(inputs)[0], 1], 1.0)}
        signatures = {
            "serving_default": _signature({"inputs": inputs}, outputs, "tensorflow/serving/predict"),
            "regress": _signature({"inputs": inputs}, outputs, "tensorflow/serving/regress"),
            "classify": _signature({"inputs": inputs}, scores, "tensorflow/serving/classify"),
            "scores": _signature({"inputs": inputs}, scores, "tensorflow/serving/predict"),
            "odd": _signature({"inputs": inputs}, outputs, "odd"),
        }
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, list(tags), signatures)
        builder.save()
    return folder


class Echo(tf.Module):
    """Gives back what it takes."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    def floats(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float64, name="x")])
    def doubles(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string, name="x")])
    def texts(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x), "x_bytes": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.bool, name="b"), tf.TensorSpec(None, tf.int32, name="i")])
    def several(self, b: tf.Tensor, i: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"b": tf.identity(b), "i": tf.identity(i)}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float16, name="x")])
    def halves(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x)}


def save_echo(folder: Path) -> Path:
    """Write the echo as a version folder."""
    module = Echo()
    signatures = {name: getattr(module, name) for name in ("doubles", "texts", "several", "halves")}
    return _save(module, folder, {"serving_default": module.floats, **signatures})


class Table(tf.Module):
    """Rows of numbers: `sums` is each row's sum; the other signatures are unfit for batches."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def rows(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sums": tf.reduce_sum(x, 1), "doubled": x * 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def total(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def first(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"first": x[:1]}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.float32, name="x"),
            tf.TensorSpec(None, tf.float32, name="factor"),
        ]
    )
    def scale(self, x: tf.Tensor, factor: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scaled": x * factor}


def save_table(folder: Path, parameters: str = "") -> Path:
    """Write the table as a version folder, with batching parameters of its own where some are given."""
    module = Table()
    signatures = {name: getattr(module, name) for name in ("total", "first", "scale")}
    _save(module, folder, {"serving_default": module.rows, **signatures})
    if parameters:
        (folder / "batching_params.pbtxt").write_text(parameters)
    return folder


def save_lite(folder: Path) -> Path:
    """Write y = x / 2 + 2 as a version folder of a TensorFlow Lite model without signatures."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [1], "x")
        y = tf.add(x / 2.0, 2.0, "y")
        content = tf.compat.v1.lite.TFLiteConverter.from_session(session, [x], [y]).convert()
    return _write_lite(folder, content)


class Lite(tf.Module):
    """Signatures of a TensorFlow Lite model; `a` of `serving_default` is also an output, under another name."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, name="a"), tf.TensorSpec([None, 2], tf.float32, name="b")]
    )
    def add(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"total": a + b, "first": a, "equal": tf.equal(a, b)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
    def texts(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="x")])
    def text(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.identity(x)}


def save_lite_signatures(folder: Path) -> Path:
    """Write the TensorFlow Lite model with signatures as a version folder."""
    module = Lite()
    signatures = {"serving_default": module.add, "texts": module.texts, "text": module.text}
    saved = _save(module, folder.parent / f".{uuid.uuid4().hex}", signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=list(signatures))
    return _write_lite(folder, converter.convert())


def save_lite_metadata(folder: Path) -> Path:
    """Write y = x / 2 + 2 for one x, `[1, 1]`, with signatures in its metadata, as TensorFlow once wrote them."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [1, 1], "given")
        y = tf.add(x / 2.0, 2.0, "found")
        content = tf.compat.v1.lite.TFLiteConverter.from_session(session, [x], [y]).convert()
        predict = "tensorflow/serving/predict"
        signatures = {
            "serving_default": _signature({"x": x}, {"y": y}, predict),
            "other": _signature({"input": x}, {"output": y}, predict),
        }
    return _write_lite(folder, _with_metadata(content, signatures))


def _with_metadata(content: bytes, signatures: dict[str, Any]) -> bytes:
    """The model, with signatures written into its metadata."""
    written = flexbuffers.Builder()
    with written.Map():
        for name, signature in signatures.items():
            written.Key(name)
            # The writer takes text alone, and what TensorFlow wrote as text is bytes.
            written.String(_Bytes(signature.SerializeToString().decode("latin-1")))
    model = schema_py_generated.ModelT.InitFromPackedBuf(content)
    entry, buffer = schema_py_generated.MetadataT(), schema_py_generated.BufferT()
    entry.name, entry.buffer, buffer.data = ENTRY, len(model.buffers), list(written.Finish())
    model.metadata = [*(model.metadata or ()), entry]
    model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Bytes(str):
    """Text whose characters are written as bytes."""

    def encode(self, *_: Any) -> bytes:
        return super().encode("latin-1")


def write_warmup(folder: Path, logs: Sequence[prediction_log_pb2.PredictionLog]) -> None:
    """Write warm-up requests into a version folder."""
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def _save(module: tf.Module, folder: Path, signatures: dict[str, object]) -> Path:
    temporary = folder.parent / f".{uuid.uuid4().hex}"
    tf.saved_model.save(module, str(temporary), signatures=signatures)
    temporary.rename(folder)
    return folder


def save_lite_beyond(folder: Path) -> Path:
    """Write a TensorFlow Lite model with an operation that only TensorFlow itself has, as a version folder."""
    to_number = tf.function(tf.strings.to_number, input_signature=[tf.TensorSpec([None], tf.string)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([to_number.get_concrete_function()], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    return _write_lite(folder, converter.convert())


def _write_lite(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / "model.tflite").write_bytes(content)
    return folder


def _signature(inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], method: str) -> object:
    infos = [
        {alias: tf.compat.v1.saved_model.build_tensor_info(tensor) for alias, tensor in tensors.items()}
        for tensors in (inputs, outputs)
    ]
    return tf.compat.v1.saved_model.build_signature_def(*infos, method)


def _table(keys: Sequence[str]) -> tf.lookup.StaticHashTable:
    values = tf.range(1, len(keys) + 1)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(tf.constant(keys), values), 0)


def _known(table: tf.lookup.StaticHashTable, ids: tf.Tensor) -> tf.Tensor:
    return tf.cast(table.lookup(ids) > 0, tf.float32)[:, :, None]
