"""TF Serving's config files, which are text protos, and the messages that no published stubs have."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from kuberec.errors import ConfigError

PACKAGE = "tensorflow.serving"
Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": Field.TYPE_BOOL,
    "bytes": Field.TYPE_BYTES,
    "int64": Field.TYPE_INT64,
    "string": Field.TYPE_STRING,
}
# Type and name of each field, in the order of their numbers; an empty one is a number that nobody uses.
_MESSAGES = {
    "SSLConfig": ("string server_key", "string server_cert", "string custom_ca", "bool client_verify"),
    "PrometheusConfig": ("bool enable", "string path"),
    "MonitoringConfig": ("tensorflow.serving.PrometheusConfig prometheus_config",),
    "BatchingParameters": (
        "google.protobuf.Int64Value max_batch_size",
        "google.protobuf.Int64Value batch_timeout_micros",
        "google.protobuf.Int64Value max_enqueued_batches",
        "google.protobuf.Int64Value num_batch_threads",
        "google.protobuf.StringValue thread_pool_name",
        "repeated int64 allowed_batch_sizes",
        "bool pad_variable_length_inputs",
        "google.protobuf.BoolValue enable_large_batch_splitting",
        "google.protobuf.Int64Value max_execution_batch_size",
    ),
    # The profiler's, whose `opts` are ProfileOptions.
    "ProfileRequest": (
        "int64 duration_ms",
        "int64 max_events",
        "repeated string tools",
        "bytes opts",
        "string repository_root",
        "string session_id",
        "string host_name",
    ),
    "ProfileResponse": (*[""] * 6, "bool empty_trace"),
    "TerminateRequest": ("string session_id",),
    "TerminateResponse": (),
}


def read_text(path: Path, message: Any, hint: str) -> Any:
    """Fill a message from a text file; an empty file is an empty message.

    Args:
        path: The file.
        message: A message of the type that the file holds.
        hint: What the file should hold, or which flag names it.

    Raises:
        ConfigError: The file cannot be read, or holds another message.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The config file {path} cannot be read: {error}. {hint}") from error
    except text_format.ParseError as error:
        # These words are what programs look for on stderr.
        name = message.DESCRIPTOR.full_name
        raise ConfigError(
            f"Error parsing text-format {name}: {error}. Invalid protobuf file: '{path}'. {hint}"
        ) from error


def new_message(name: str) -> Any:
    """An empty message of a type that the stubs lack, by its name among `_MESSAGES`."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))()


def _pool() -> descriptor_pool.DescriptorPool:
    # A pool of their own: one day the stubs may bring the same names along.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="kuberec/serving.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, words in enumerate(fields, start=1):
            if words:
                _add_field(message, number, words)
    pool.Add(file)
    return pool


def _add_field(message: Any, number: int, words: str) -> None:
    *repeated, kind, name = words.split()
    label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
    if kind in _SCALARS:
        message.field.add(name=name, number=number, label=label, type=_SCALARS[kind])
    else:
        message.field.add(name=name, number=number, label=label, type=Field.TYPE_MESSAGE, type_name=f".{kind}")


_POOL = _pool()
