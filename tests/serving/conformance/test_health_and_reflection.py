"""The services that tools ask: is it alive, and what does it offer."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.serving.conformance.asking import refusal


def check(target: str, service: str) -> str:
    with grpc.insecure_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(response.status))


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_the_services_are_healthy_under_their_short_names(target: str, service: str) -> None:
    assert check(target, service) == "SERVING"


def test_the_health_of_other_names_is_unknown(target: str) -> None:
    assert refusal(check, target, "tensorflow.serving.PredictionService")[0] == "NOT_FOUND"


def reflect(target: str, **question: str) -> reflection_pb2.ServerReflectionResponse:
    with grpc.insecure_channel(target) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(**question)
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    return answer


def test_the_services_can_be_listed(target: str) -> None:
    names = {service.name for service in reflect(target, list_services="").list_services_response.service}
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} <= names


@pytest.mark.parametrize(
    ("service", "procedures"),
    [
        ("PredictionService", {"Classify", "Regress", "Predict", "MultiInference", "GetModelMetadata"}),
        ("ModelService", {"GetModelStatus", "HandleReloadConfigRequest"}),
    ],
)
def test_a_service_describes_its_procedures(target: str, service: str, procedures: set[str]) -> None:
    answer = reflect(target, file_containing_symbol=f"tensorflow.serving.{service}")
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    (found,) = [one for file in files for one in file.service if one.name == service]
    assert {method.name for method in found.method} == procedures
    for method in found.method:
        assert method.input_type.startswith(".tensorflow.serving.")


def test_a_procedure_is_described_by_the_file_of_its_service(target: str) -> None:
    of_service = reflect(target, file_containing_symbol="tensorflow.serving.PredictionService")
    of_procedure = reflect(target, file_containing_symbol="tensorflow.serving.PredictionService.Predict")
    assert of_procedure.file_descriptor_response == of_service.file_descriptor_response


@pytest.mark.parametrize("symbol", ["nothing", "tensorflow.serving.PredictionService.Nothing", "a.b.c"])
def test_what_the_server_does_not_know_it_does_not_describe(target: str, symbol: str) -> None:
    answer = reflect(target, file_containing_symbol=symbol)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
