from collections.abc import Sequence

import grpc
import pytest
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from tests.kuberec.serving import rpc


def test_metadata_holds_every_signature_with_types_and_shapes(target: str) -> None:
    response = rpc.metadata(target, "recommender", version=1)
    assert (response.model_spec.name, response.model_spec.version.value) == ("recommender", 1)
    assert response.model_spec.signature_name == ""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    recommend = signatures.signature_def["recommend"]
    assert set(recommend.inputs) == {"user_id", "k", "exclude_item_ids", "history_item_ids"}
    assert set(recommend.defaults) == {"k", "exclude_item_ids", "history_item_ids"}
    assert [dim.size for dim in recommend.inputs["exclude_item_ids"].tensor_shape.dim] == [-1, -1]
    assert set(recommend.outputs) == {"item_ids", "scores"}


@pytest.mark.parametrize(
    ("model", "fields", "code", "message"),
    [
        ("sum", (), "INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one metadata_field"),
        ("sum", ("signature_def", "graph"), "INVALID_ARGUMENT", "Metadata field graph is not supported"),
        ("nope", ("signature_def",), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
    ],
)
def test_wrong_metadata_requests(target: str, model: str, fields: Sequence[str], code: str, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.metadata(target, model, fields=fields)
    assert (caught.value.code().name, caught.value.details()) == (code, message)


def test_requests_without_a_model_spec(target: str) -> None:
    with grpc.insecure_channel(target) as channel:
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        model = model_service_pb2_grpc.ModelServiceStub(channel)
        for call, request in [
            (prediction.GetModelMetadata, get_model_metadata_pb2.GetModelMetadataRequest()),
            (model.GetModelStatus, get_model_status_pb2.GetModelStatusRequest()),
        ]:
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=10)
            assert (caught.value.code().name, caught.value.details()) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_status_lists_versions_newest_first(target: str) -> None:
    assert rpc.model_status(target, "recommender") == [(2, "AVAILABLE", 0, ""), (1, "AVAILABLE", 0, "")]
    assert rpc.model_status(target, "sum", 123) == [(123, "AVAILABLE", 0, "")]


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("sum", 7, "Could not find version 7 of model sum"),
        ("nope", None, "Could not find any versions of model nope"),
    ],
)
def test_status_of_the_unknown(target: str, model: str, version: int | None, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.model_status(target, model, version)
    assert (caught.value.code().name, caught.value.details()) == ("NOT_FOUND", message)
