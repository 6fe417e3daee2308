from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tests.kuberec.serving import rpc

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_the_answer_names_model_version_and_signature(target: str) -> None:
    response = rpc.predict(target, "sum", {"a": [1.0, 2.0], "b": [10.0, 20.0]})
    assert (response.model_spec.name, response.model_spec.version.value) == ("sum", 123)
    assert response.model_spec.signature_name == "serving_default"
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["total"]), np.array([11, 22], np.float32))


def test_numbers_come_in_typed_fields_as_from_tf_serving(target: str) -> None:
    response = rpc.predict(target, "sum", {"a": [1.0], "b": [10.0]})
    assert list(response.outputs["total"].float_val) == [11.0]
    assert response.outputs["total"].tensor_content == b""


def test_every_type_survives_the_way_there_and_back(target: str) -> None:
    response = rpc.predict(target, "sum", {"x": np.array([0, 1, 100], np.int64)}, signature="types")
    assert response.model_spec.signature_name == "types"
    for name, proto in response.outputs.items():
        values = tf.make_ndarray(proto)
        assert tf.dtypes.as_dtype(proto.dtype).name == name
        expected = {"bool": [False, True, True], "string": [b"0", b"1", b"100"]}.get(name, [0, 1, 100])
        assert values.tolist() == expected, name


def test_absent_inputs_take_the_signature_defaults(target: str) -> None:
    response = rpc.predict(target, "recommender", {"user_id": ["ann"]}, version=1)
    assert tf.make_ndarray(response.outputs["item_ids"]).tolist() == [[b"i1", b"i3", b"i5"]]
    assert tf.make_ndarray(response.outputs["scores"]).tolist() == [[9.0, 8.0, 4.0]]


def test_sent_inputs_win_over_the_defaults(target: str) -> None:
    inputs = {"user_id": ["ann", "nobody"], "k": np.int32(2), "exclude_item_ids": [["i1", ""], ["i5", "i4"]]}
    response = rpc.predict(target, "recommender", inputs, version=1)
    assert tf.make_ndarray(response.outputs["item_ids"]).tolist() == [[b"i3", b"i5"], [b"i3", b"i2"]]


def test_the_latest_version_answers_and_older_ones_stay_addressable(target: str) -> None:
    latest = rpc.predict(target, "recommender", {"user_id": ["ann"]})
    older = rpc.predict(target, "recommender", {"user_id": ["ann"]}, version=1)
    assert (latest.model_spec.version.value, older.model_spec.version.value) == (2, 1)
    assert tf.make_ndarray(latest.outputs["scores"])[0, 0] == 10.0
    assert tf.make_ndarray(older.outputs["scores"])[0, 0] == 9.0


def test_an_output_filter_chooses_outputs(target: str) -> None:
    response = rpc.predict(target, "sum", {"a": [5.0], "b": [2.0]}, output_filter=["difference"])
    assert list(response.outputs) == ["difference"]
    assert list(response.outputs["difference"].float_val) == [3.0]


def test_an_empty_batch_gives_an_empty_answer(target: str) -> None:
    response = rpc.predict(target, "sum", {"a": np.array([], np.float32), "b": np.array([], np.float32)})
    assert tf.make_ndarray(response.outputs["total"]).shape == (0,)


A, B = [1.0], [2.0]


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
        (rpc.predict_request("", {}), INVALID, "ModelSpec has no name specified."),
        (rpc.predict_request("nope", {}), grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(nope)"),
        (
            rpc.predict_request("sum", {}, version=7),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(sum, 7)",
        ),
        (
            rpc.predict_request("sum", {}, signature="nope"),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "nope" not found.',
        ),
        (
            rpc.predict_request("sum", {"a": A}),
            INVALID,
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). "
            "Sent extra: {}. Missing but required: {b}.",
        ),
        (
            rpc.predict_request("sum", {"a": A, "b": B, "c": A}),
            INVALID,
            "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). "
            "Sent extra: {c}. Missing but required: {}.",
        ),
        (
            rpc.predict_request("sum", {"a": A, "c": B}),
            INVALID,
            "Signature input alias: b(feed name: serving_default_b:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {a,c}, or default input alias set: ",
        ),
        (
            rpc.predict_request("recommender", {"k": np.int32(2)}),
            INVALID,
            "Signature input alias: user_id(feed name: serving_default_user_id:0) not found in request and no default "
            "value provided. Inputs expected to be in the request {k}, or default input alias set: "
            "exclude_item_ids,history_item_ids,k",
        ),
        (
            rpc.predict_request("recommender", {"user_id": ["ann"], "size": np.int32(2)}),
            INVALID,
            "Inputs contains invalid name. Used request inputs: user_id, request input: size,user_id",
        ),
        (
            rpc.predict_request("sum", {"a": A, "b": np.array(B, np.float64)}),
            INVALID,
            "Expects arg[1] to be float but double is provided",
        ),
        (
            rpc.predict_request("sum", {"a": ["one"], "b": B}),
            INVALID,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            rpc.predict_request("sum", {"a": A, "b": B}, output_filter=["nope"]),
            INVALID,
            "output tensor alias not found in signature: nope Outputs expected to be in the set {difference,total}.",
        ),
        (
            rpc.predict_request("sum", {"a": A, "b": B}, output_filter=["total", "total"]),
            INVALID,
            "duplicate output tensor alias: total",
        ),
    ],
)
def test_a_wrong_request_gets_tf_servings_code_and_words(
    target: str, request_: Any, code: grpc.StatusCode, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.send_predict(target, request_)
    assert (caught.value.code(), caught.value.details()) == (code, message)


def test_a_shape_that_the_graph_cannot_take_is_the_requests_fault(target: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.predict(target, "sum", {"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]})
    assert caught.value.code() is INVALID
    assert "Incompatible shapes: [2] vs. [3]" in caught.value.details()


def test_an_unknown_label(target: str) -> None:
    request = rpc.predict_request("sum", {})
    request.model_spec.version_label = "stable"
    with pytest.raises(grpc.RpcError) as caught:
        rpc.send_predict(target, request)
    assert caught.value.code() is INVALID
    assert caught.value.details() == "Unrecognized servable version label: stable"


@pytest.mark.parametrize(
    "broken",
    [
        tensor_pb2.TensorProto(dtype=1, tensor_content=b"abc", tensor_shape={"dim": [{"size": 1}]}),
        tensor_pb2.TensorProto(dtype=1, float_val=[1.0], tensor_shape={"dim": [{"size": -1}]}),
        tensor_pb2.TensorProto(dtype=1, float_val=[1.0], tensor_shape={"unknown_rank": True}),
        tensor_pb2.TensorProto(float_val=[1.0]),
    ],
)
def test_a_broken_tensor_is_a_parsing_error(target: str, broken: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.predict(target, "sum", {"a": broken, "b": B})
    assert (caught.value.code(), caught.value.details()) == (INVALID, "tensor parsing error: a")


def test_long_error_messages_are_cut(target: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        rpc.predict(target, "sum", {}, signature="s" * 2000)
    assert caught.value.details() == 'Serving signature key "' + "s" * 1001 + "...TRUNCATED"


def test_session_service_is_unimplemented(target: str) -> None:
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.SessionService/SessionRun")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_run_that_takes_longer_than_the_deadline_is_given_up(target: str) -> None:
    request = rpc.predict_request("loop", {"steps": np.int64(1_000_000)})
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as caught:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_message_above_grpcs_usual_limit_is_answered(target: str) -> None:
    values = np.arange(2_000_000, dtype=np.float32)
    options = [("grpc.max_receive_message_length", -1)]
    request = rpc.predict_request("sum", {"a": values, "b": values}, output_filter=["total"])
    with grpc.insecure_channel(target, options=options) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["total"]), values * 2)
