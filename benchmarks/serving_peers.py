"""The servers that Kuberec's is measured beside, each in a process of its own.

    .venv/bin/python benchmarks/serving_peers.py naive MODEL --port 8600
    .venv/bin/python benchmarks/serving_peers.py echo REPLY --port 8601

`naive` is what one writes first: the signature of a loaded SavedModel, called with `make_ndarray` and answered with
`make_tensor_proto`. `echo` answers everything with the bytes of a file: what gRPC in Python costs without a model.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

THREADS = 16


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("naive", "echo"))
    parser.add_argument("path", type=Path, help="the SavedModel, or a file with the reply")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    server = grpc.server(ThreadPoolExecutor(THREADS))
    (add_naive if arguments.kind == "naive" else add_echo)(server, arguments.path)
    server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    server.wait_for_termination()


def add_naive(server: grpc.Server, path: Path) -> None:
    """The SavedModel's signatures behind PredictionService."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    model = tf.saved_model.load(str(path))

    class Naive(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> object:  # noqa: N802
            inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
            outputs = model.signatures[request.model_spec.signature_name or "serving_default"](**inputs)
            reply = predict_pb2.PredictResponse()
            for name, tensor in outputs.items():
                reply.outputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
            return reply

    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Naive(), server)


def add_echo(server: grpc.Server, path: Path) -> None:
    """The same bytes for every request of every procedure."""
    reply = path.read_bytes()
    answer = grpc.unary_unary_rpc_method_handler(lambda request, context: reply)

    class Echo(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return answer

    server.add_generic_rpc_handlers((Echo(),))


if __name__ == "__main__":
    main()
