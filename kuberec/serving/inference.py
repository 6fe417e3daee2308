"""What Classify, Regress and MultiInference do with tf.Examples, in TF Serving's order and words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from kuberec.serving.codec import Array
from kuberec.serving.predict import DEFAULT_SIGNATURE
from kuberec.serving.servable import Servable
from kuberec.serving.status import failed_precondition, invalid_argument, unimplemented

INPUTS, OUTPUTS, CLASSES, SCORES = "inputs", "outputs", "classes", "scores"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"

Outputs = Mapping[str, Array]


def classify(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answer a ClassificationRequest with a ClassificationResponse.

    Raises:
        StatusError: Unknown or unfit signature, no example, or the graph refused.
    """
    signature = _named_signature(servable, request.model_spec)
    _check_method(servable, signature, CLASSIFY)
    feed, fetches = _classification_tensors(signature)
    count, by_name = _run_examples(servable, "Classify", request.input, [feed], list(fetches.values()), timeout)
    result = _classifications(count, {alias: by_name[name] for alias, name in fetches.items()})
    response = classification_pb2.ClassificationResponse(result=result)
    _fill_spec(response.model_spec, servable, request.model_spec)
    return response


def regress(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answer a RegressionRequest with a RegressionResponse.

    Raises:
        StatusError: Unknown or unfit signature, no example, or the graph refused.
    """
    signature = _named_signature(servable, request.model_spec)
    _check_method(servable, signature, REGRESS)
    feed, fetches = _regression_tensors(signature)
    count, by_name = _run_examples(servable, "Regress", request.input, [feed], list(fetches.values()), timeout)
    result = _regressions(count, {alias: by_name[name] for alias, name in fetches.items()})
    response = regression_pb2.RegressionResponse(result=result)
    _fill_spec(response.model_spec, servable, request.model_spec)
    return response


def infer(servable: Servable, request: Any, timeout: float | None = None) -> Any:
    """Answer a MultiInferenceRequest with a MultiInferenceResponse: all its tasks in one run of the graph.

    Raises:
        StatusError: A task is wrong, no example, or the graph refused.
    """
    feeds, fetches = _task_tensors(servable, request.tasks)
    names = sorted({name for of_task in fetches for name in of_task.values()})
    count, by_name = _run_examples(servable, "MultiInference", request.input, feeds, names, timeout)
    response = inference_pb2.MultiInferenceResponse()
    for task, of_task in zip(request.tasks, fetches, strict=True):
        outputs = {alias: by_name[name] for alias, name in of_task.items()}
        result = response.results.add()
        if task.method_name == CLASSIFY:
            result.classification_result.CopyFrom(_classifications(count, outputs))
        else:
            result.regression_result.CopyFrom(_regressions(count, outputs))
        _fill_spec(result.model_spec, servable, task.model_spec)
    return response


def _run_examples(
    servable: Servable, api: str, given: Any, feeds: Iterable[str], names: Sequence[str], timeout: float | None
) -> tuple[int, Outputs]:
    """The number of examples of an Input, all of which are fed to every feed, and the named tensors of their run."""
    examples = serialized_examples(given)
    values = servable.run(api, dict.fromkeys(feeds, examples), names, timeout)
    servable.metrics.record_examples(servable.name, len(examples))
    return len(examples), dict(zip(names, values, strict=True))


def serialized_examples(given: Any) -> Array:
    """The tf.Examples of an Input as bytes, `[B]`; a context goes in front of each, whose own features win.

    Raises:
        StatusError: There is none.
    """
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
        examples = given.example_list_with_context.examples
    else:
        context, examples = b"", given.example_list.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    return np.array([context + example.SerializeToString() for example in examples], dtype=object)


def _named_signature(servable: Servable, model_spec: Any) -> Any:
    name = model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return servable.signatures[name]


def _check_method(servable: Servable, signature: Any, method: str) -> None:
    if servable.checks_methods and signature.method_name != method:
        kind = "classification" if method == CLASSIFY else "regression"
        raise invalid_argument(f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}")


def _classification_tensors(signature: Any) -> tuple[str, dict[str, str]]:
    """The tensor to feed, and those to fetch by alias."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUTS not in signature.inputs:
        raise failed_precondition(f"No classification inputs found in SignatureDef: {_text(signature)}")
    fetches = {alias: signature.outputs[alias].name for alias in (CLASSES, SCORES) if alias in signature.outputs}
    if not fetches:
        raise failed_precondition(
            f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}". '
            f"Signature was: {_text(signature)}"
        )
    return signature.inputs[INPUTS].name, fetches


def _regression_tensors(signature: Any) -> tuple[str, dict[str, str]]:
    """The tensor to feed, and the one to fetch by alias."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for aliases, alias, kind in ((signature.inputs, INPUTS, "inputs"), (signature.outputs, OUTPUTS, "outputs")):
        if alias not in aliases:
            raise failed_precondition(f"No regression {kind} found in SignatureDef: {_text(signature)}")
    return signature.inputs[INPUTS].name, {OUTPUTS: signature.outputs[OUTPUTS].name}


def _task_tensors(servable: Servable, tasks: Sequence[Any]) -> tuple[set[str], list[dict[str, str]]]:
    """The tensors that the tasks feed, and for each task those to fetch by alias."""
    methods: dict[str, Callable[[Any], tuple[str, dict[str, str]]]]
    methods = {CLASSIFY: _classification_tensors, REGRESS: _regression_tensors}
    model, feeds, seen, fetches = "", set(), set(), []
    for task in tasks:
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        model = model or task.model_spec.name
        if task.model_spec.name != model:
            raise invalid_argument("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        if task.method_name not in methods:
            raise unimplemented(f"Unsupported signature method_name: {task.method_name}")
        _check_method(servable, servable.signatures[name], task.method_name)
        feed, of_task = methods[task.method_name](servable.signatures[name])
        feeds.add(feed)
        fetches.append(of_task)
    return feeds, fetches


def _classifications(count: int, outputs: Outputs) -> Any:
    for alias, array in outputs.items():
        if array.ndim != 2:
            raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        expected, dtype = ("DT_STRING", object) if alias == CLASSES else ("DT_FLOAT", np.float32)
        if array.dtype != dtype:
            raise invalid_argument(f"Expected {alias} Tensor of {expected}. Got: {_type(array)}")
        if len(array) != count:
            raise invalid_argument(f"Expected {alias} output batch size of {count}. Got: {len(array)}")
    widths = [array.shape[1] for array in outputs.values()]
    if len(set(widths)) > 1:
        raise invalid_argument(f"Tensors class and score should match in dim_size(1). Got {widths[0]} vs. {widths[1]}")
    result = classification_pb2.ClassificationResult()
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    for row in range(count):
        classes = result.classifications.add().classes
        for column in range(widths[0]):
            one = classes.add()
            if labels is not None:
                one.label = labels[row, column]
            if scores is not None:
                one.score = scores[row, column]
    return result


def _regressions(count: int, outputs: Outputs) -> Any:
    values = outputs[OUTPUTS]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid_argument(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {_shape(values)}"
        )
    if len(values) != count:
        raise invalid_argument(f"Input batch size did not match output batch size: {count} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_type(values)}")
    return regression_pb2.RegressionResult(
        regressions=[regression_pb2.Regression(value=value) for value in values.ravel().tolist()]
    )


def _fill_spec(spec: Any, servable: Servable, asked: Any) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = asked.signature_name or DEFAULT_SIGNATURE


def _shape(array: Array) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _type(array: Array) -> str:
    return str(types_pb2.DataType.Name(tf.dtypes.as_dtype(array.dtype).as_datatype_enum))


def _text(signature: Any) -> str:
    return str(text_format.MessageToString(signature))
