"""Signatures as TensorFlow once wrote them into the metadata of a TensorFlow Lite model: names for its tensors."""

from typing import Any

from flatbuffers import flexbuffers
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.lite.python import schema_py_generated

ENTRY = b"signature_defs_metadata"


def read_signatures(content: bytes) -> dict[str, Any]:
    """SignatureDef by name, of the metadata of a model; empty where it holds none.

    Args:
        content: A whole TensorFlow Lite model, which an interpreter has taken.
    """
    model = schema_py_generated.Model.GetRootAsModel(content, 0)
    entries = map(model.Metadata, range(model.MetadataLength()))
    buffers = [model.Buffers(entry.Buffer()) for entry in entries if entry.Name() == ENTRY]
    if not buffers:
        return {}
    # A map from names to serialized messages, which are bytes although their type there is text.
    written = flexbuffers.GetRoot(buffers[0].DataAsNumpy().tobytes()).AsMap
    names = [key.AsKey for key in written.Keys]
    return {name: meta_graph_pb2.SignatureDef.FromString(written[name].AsStringBytes) for name in names}
