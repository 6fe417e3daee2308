"""The models that the suite asks, and the config that serves them."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tests.kuberec.serving.saved_models import (
    save_echo,
    save_examples,
    save_lite,
    save_loop,
    save_recommender,
    save_sum,
    save_table,
)

CONFIG_FILE = "models.config"
MONITORING_FILE = "monitoring.config"
SHELF = "shelf"  # versions that no config names, to copy from

SECONDS = 1_000_000
# A batch of `full` runs as soon as it has four rows; long before, requests would run into their deadlines.
BATCHED = {
    "full": (
        f"max_batch_size {{ value: 4 }} batch_timeout_micros {{ value: {60 * SECONDS} }} "
        "max_enqueued_batches { value: 1 }"
    ),
    "ragged": (
        f"max_batch_size {{ value: 4 }} batch_timeout_micros {{ value: {60 * SECONDS} }} "
        "pad_variable_length_inputs: true"
    ),
    "padded": "max_batch_size { value: 16 } allowed_batch_sizes: 8 allowed_batch_sizes: 16",
    "split": (
        "max_batch_size { value: 100 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 40 } max_enqueued_batches { value: 2 }"
    ),
}


def write_models(folder: Path) -> Path:
    """Write every model and `models.config`; returns the config file."""
    shelf = folder / SHELF
    for name in ("recommender", "sum", "examples", "loop", "echo", "lite", "broken"):
        (folder / name).mkdir(parents=True)
    (folder / "empty").mkdir()
    shelf.mkdir()
    save_recommender(folder / "recommender" / "1")
    save_recommender(folder / "recommender" / "2", bonus=1.0)
    save_recommender(shelf / "recommender")
    save_sum(folder / "sum" / "00000123")
    save_sum(shelf / "sum")
    save_examples(folder / "examples" / "1")
    save_echo(folder / "echo" / "1")
    save_loop(folder / "loop" / "1")
    save_lite(folder / "lite" / "1")
    (folder / "broken" / "1").mkdir()
    (folder / "broken" / "1" / "saved_model.pb").write_bytes(b"no graph")
    for name, parameters in BATCHED.items():
        (folder / name).mkdir()
        save_table(folder / name / "1", parameters)
    (folder / MONITORING_FILE).write_text("prometheus_config { enable: true }", encoding="utf-8")
    (folder / CONFIG_FILE).write_text(text_format.MessageToString(base_config(folder)), encoding="utf-8")
    return folder / CONFIG_FILE


def base_config(folder: Path) -> Any:
    """Two versions of `recommender`, and one each of the others that can be served."""
    names = ("sum", "examples", "loop", "echo", "lite", *BATCHED)
    return config_of([*(model(folder, name) for name in names), model(folder, "recommender", "all")])


def model(
    folder: Path,
    name: str,
    policy: str | int | Iterable[int] = 1,
    *,
    labels: dict[str, int] | None = None,
    **fields: Any,
) -> Any:
    """A ModelConfig: `"all"`, the latest so many, or these versions."""
    fields = {"base_path": str(folder / name), "model_platform": "tensorflow"} | fields
    config = model_server_config_pb2.ModelConfig(name=name, version_labels=labels, **fields)
    if policy == "all":
        config.model_version_policy.all.SetInParent()
    elif isinstance(policy, int):
        config.model_version_policy.latest.num_versions = policy
    else:
        config.model_version_policy.specific.versions.extend(policy)
    return config


def config_of(models: Iterable[Any]) -> Any:
    """A ModelServerConfig of these models."""
    return model_server_config_pb2.ModelServerConfig(model_config_list={"config": list(models)})


def publish(source: Path, target: Path) -> None:
    """Copy a version folder so that it appears whole."""
    temporary = target.parent / f".{target.name}"
    shutil.copytree(source, temporary)
    temporary.rename(target)


if __name__ == "__main__":
    print(write_models(Path(sys.argv[1])))
