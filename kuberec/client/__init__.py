"""Asks a model server, Kuberec's own or TF Serving, over gRPC; needs `grpcio` and nothing else.

    from kuberec.client import Client

    with Client("localhost:8500") as client:
        client.recommend("recommender", "196", k=10)

blocking.py       `Client`
asynchronous.py   `AsyncClient`, the same for asyncio
answers.py        what comes back
questions.py      what may be asked: each request, and how its reply is read
retries.py        when a question is asked again, and how long all tries may take
channels.py       addresses, replicas, keep-alive
refusals.py       errors that say what to do
tensors.py        Python's values ↔ TensorProto
wire.py           protobuf's wire format, the part of it that these messages use
"""

from kuberec.client.answers import Answer, Prediction, VersionStatus
from kuberec.client.asynchronous import AsyncClient
from kuberec.client.blocking import Client
from kuberec.client.retries import Retry
from kuberec.errors import ServingError

__all__ = ["Answer", "AsyncClient", "Client", "Prediction", "Retry", "ServingError", "VersionStatus"]
