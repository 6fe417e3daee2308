"""Warm-up requests, which the model server runs before it declares a version available."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from kuberec.exporting.signatures import RECOMMEND, SCORE, SIMILAR_ITEMS

EXTRA = "assets.extra"
WARMUP_FILE = "tf_serving_warmup_requests"
BATCHES = (1, 32)


def write_warmup(path: Path, name: str, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
    """Write one request a signature and batch size, as a TFRecord of PredictionLog.

    Args:
        path: The file, `assets.extra/tf_serving_warmup_requests`.
        name: Model name in the requests; the server does not compare it.
        user_ids: Raw ids to ask with, at least one; repeated to fill a batch.
        item_ids: Raw ids to ask with, at least one; repeated to fill a batch.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in BATCHES:
            users = np.resize(np.array(user_ids, dtype=object), batch)
            items = np.resize(np.array(item_ids, dtype=object), batch)
            lists = np.repeat(items[:1], batch)[:, None]
            writer.write(_record(name, RECOMMEND, {"user_id": users}))
            writer.write(_record(name, RECOMMEND, {"user_id": users, "history_item_ids": lists}))
            writer.write(_record(name, SCORE, {"user_id": users, "item_ids": lists}))
            writer.write(_record(name, SIMILAR_ITEMS, {"item_id": items}))


def _record(name: str, signature: str, inputs: dict[str, Any]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value, dtype=tf.string))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    serialized: bytes = log.SerializeToString(deterministic=True)
    return serialized
