"""Classify, Regress and MultiInference over tf.Examples."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, regression_pb2

from tests.kuberec.serving import rpc
from tests.serving.conformance.asking import refusal

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
INVALID, FAILED = "INVALID_ARGUMENT", "FAILED_PRECONDITION"


def example(**features: float) -> Any:
    """A tf.Example of float features."""
    floats = {name: tf.train.Feature(float_list={"value": [value]}) for name, value in features.items()}
    return tf.train.Example(features={"feature": floats})


def examples(*values: float) -> Any:
    """An Input of tf.Examples of the feature x."""
    return input_pb2.Input(example_list={"examples": [example(x=value) for value in values]})


def classify(target: str, signature: str, given: Any) -> Any:
    request = classification_pb2.ClassificationRequest(input=given)
    request.model_spec.name, request.model_spec.signature_name = "examples", signature
    return rpc.call(target, "PredictionService", "Classify", request)


def regress(target: str, signature: str, given: Any) -> Any:
    request = regression_pb2.RegressionRequest(input=given)
    request.model_spec.name, request.model_spec.signature_name = "examples", signature
    return rpc.call(target, "PredictionService", "Regress", request)


def infer(target: str, tasks: Sequence[tuple[str, str]], given: Any, models: Sequence[str] = ("examples",)) -> Any:
    """MultiInference of signature and method each; the models are repeated."""
    request = inference_pb2.MultiInferenceRequest(input=given)
    for number, (signature, method) in enumerate(tasks):
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = models[number % len(models)], signature
    return rpc.call(target, "PredictionService", "MultiInference", request)


def spec(response: Any) -> tuple[str, int, str]:
    return response.model_spec.name, response.model_spec.version.value, response.model_spec.signature_name


def rows(result: Any) -> list[list[tuple[str, float]]]:
    """Label and score of each class of each example."""
    return [[(one.label, one.score) for one in given.classes] for given in result.classifications]


def values(result: Any) -> list[float]:
    return [regression.value for regression in result.regressions]


def test_classify_gives_labels_and_scores(target: str) -> None:
    response = classify(target, "classify", examples(0.0, 4.0))
    assert rows(response.result) == [[("low", 2.0), ("low", 0.0)], [("high", 4.0), ("high", 4.0)]]
    assert spec(response) == ("examples", 1, "classify")


def test_classify_by_scores_or_by_classes_alone(target: str) -> None:
    assert rows(classify(target, "classify_scores", examples(2.0)).result) == [[("", 3.0), ("", 2.0)]]
    assert rows(classify(target, "classify_classes", examples(2.0)).result) == [[("high", 0.0), ("low", 0.0)]]


def test_regress_gives_a_value_for_each_example(target: str) -> None:
    response = regress(target, "", examples(0.0, 4.0))
    assert values(response.result) == [2.0, 4.0]
    assert spec(response) == ("examples", 1, "serving_default")
    assert values(regress(target, "regress_flat", examples(0.0, 4.0)).result) == [3.0, 7.0]


def test_a_context_fills_in_what_the_examples_lack(target: str) -> None:
    listed = {"examples": [example(y=1.0), example(x=8.0)], "context": example(x=2.0)}
    response = regress(target, "", input_pb2.Input(example_list_with_context=listed))
    assert values(response.result) == [3.0, 6.0]


def test_several_inferences_at_once(target: str) -> None:
    tasks = [("regress_flat", REGRESS), ("classify", CLASSIFY), ("", REGRESS)]
    flat, classes, default = infer(target, tasks, examples(4.0)).results
    assert values(flat.regression_result) == [7.0]
    assert rows(classes.classification_result) == [[("high", 4.0), ("high", 4.0)]]
    assert values(default.regression_result) == [4.0]
    assert [spec(result)[2] for result in (flat, classes, default)] == ["regress_flat", "classify", "serving_default"]


def test_the_inputs_of_all_tasks_are_fed_the_same_examples(target: str) -> None:
    first, second = infer(target, [("regress_other", REGRESS), ("classify", CLASSIFY)], examples(4.0)).results
    assert values(first.regression_result) == [40.0]
    assert rows(second.classification_result) == [[("high", 4.0), ("high", 4.0)]]


Ask = Callable[[str, str, Any], Any]


@pytest.mark.parametrize(
    ("ask", "signature", "code", "message"),
    [
        (classify, "nope", INVALID, "No signature was found with the name: nope"),
        (regress, "nope", INVALID, "No signature was found with the name: nope"),
        (classify, "two_inputs", INVALID, "Expected one input Tensor."),
        (regress, "two_inputs", INVALID, "Expected one input Tensor."),
        (classify, "three_outputs", INVALID, "Expected one or two output Tensors, found 3"),
        (regress, "three_outputs", INVALID, "Expected one output Tensor."),
        (classify, "flat_scores", INVALID, "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        (classify, "numeric_classes", INVALID, "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        (classify, "one_score", INVALID, "Expected scores output batch size of 2. Got: 1"),
        (classify, "uneven", INVALID, "Tensors class and score should match in dim_size(1). Got 2 vs. 1"),
        (
            regress,
            "wide",
            INVALID,
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]",
        ),
        (regress, "one_value", INVALID, "Input batch size did not match output batch size: 2 vs. 1"),
        (regress, "double", INVALID, "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
    ],
)
def test_an_unfit_signature(target: str, ask: Ask, signature: str, code: str, message: str) -> None:
    assert refusal(ask, target, signature, examples(1.0, 2.0)) == (code, message)


@pytest.mark.parametrize(
    ("ask", "signature", "beginning"),
    [
        (classify, "no_inputs", "No classification inputs found in SignatureDef: "),
        (regress, "no_inputs", "No regression inputs found in SignatureDef: "),
        (regress, "no_outputs", "No regression outputs found in SignatureDef: "),
        (
            classify,
            "no_outputs",
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            "Signature was: ",
        ),
    ],
)
def test_a_signature_with_other_names(target: str, ask: Ask, signature: str, beginning: str) -> None:
    code, message = refusal(ask, target, signature, examples(1.0))
    assert code == FAILED
    assert message.startswith(beginning)
    assert "tensorflow/serving/regress" in message


@pytest.mark.parametrize("ask", [classify, regress])
def test_without_examples(target: str, ask: Ask) -> None:
    assert refusal(ask, target, "classify" if ask is classify else "", input_pb2.Input()) == (
        INVALID,
        "Input is empty.",
    )


def test_an_example_without_the_feature(target: str) -> None:
    code, message = refusal(regress, target, "", input_pb2.Input(example_list={"examples": [example(y=1.0)]}))
    assert code == INVALID
    assert "Feature: x (data type: float) is required but could not be found." in message


def test_a_request_without_a_model_spec(target: str) -> None:
    missing = (INVALID, "Missing ModelSpec")
    service = "PredictionService"
    assert refusal(rpc.call, target, service, "Classify", classification_pb2.ClassificationRequest()) == missing
    assert refusal(rpc.call, target, service, "Regress", regression_pb2.RegressionRequest()) == missing


@pytest.mark.parametrize(
    ("tasks", "names", "code", "message"),
    [
        ([("nope", CLASSIFY)], ["examples"], INVALID, "Requested signature not found in model graph: nope"),
        (
            [("classify", CLASSIFY), ("classify", CLASSIFY)],
            ["examples"],
            INVALID,
            "Duplicate evaluation of signature: classify",
        ),
        (
            [("classify", "tensorflow/serving/predict")],
            ["examples"],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        (
            [("classify", CLASSIFY), ("", REGRESS)],
            ["examples", "sum"],
            INVALID,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            [("classify", CLASSIFY), ("", REGRESS)],
            ["examples", ""],
            INVALID,
            "Found ModelSpec with an empty model name.",
        ),
        ([("classify", CLASSIFY)], ["nope"], "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        ([], ["examples"], INVALID, "ModelSpec has no name specified."),
    ],
)
def test_wrong_tasks(target: str, tasks: list[tuple[str, str]], names: list[str], code: str, message: str) -> None:
    assert refusal(infer, target, tasks, examples(1.0), names) == (code, message)
