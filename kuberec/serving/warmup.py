"""Warm-up: the recorded requests that a version answers before it becomes available, so that no user waits."""

import time
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from kuberec.serving.inference import classify, infer, regress
from kuberec.serving.metrics import microseconds
from kuberec.serving.predict import predict
from kuberec.serving.servable import Servable
from kuberec.serving.status import StatusError, invalid_argument

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
TIMEOUTS = (None, 600.0)
"""Seconds that a record may run. With a limit and without, TensorFlow runs a graph that it prepares separately, and
clients set one."""
RUNS = {
    "predict_log": predict,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": infer,
}


def warm_up(servable: Servable, path: Path, runs: int = 1) -> int:
    """Run the PredictionLog records of the version folder's warm-up file; returns their number, 0 without a file.

    Args:
        servable: The version to run.
        path: Its folder.
        runs: How often each record runs, with a deadline and without one.

    Raises:
        StatusError: A record fails, is no request of PredictionService, or there are more than 1000.
        tf.errors.DataLossError: The file is no TFRecord file.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return 0
    start = time.perf_counter()
    count = 0
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        count += 1
        if count > MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
        _run(servable, record, runs)
    servable.metrics.warmup_latency.add(microseconds(time.perf_counter() - start), str(path), "OK")
    servable.metrics.warmup_records_read.add(str(path), "OK", count=count)
    return count


def _run(servable: Servable, record: bytes, runs: int) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record: {error}") from error
    kind = log.WhichOneof("log_type")
    if kind not in RUNS:
        raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    for _ in range(runs):
        for timeout in TIMEOUTS:
            RUNS[kind](servable, getattr(log, kind).request, timeout)
