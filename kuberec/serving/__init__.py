"""The model server: TF Serving's gRPC and REST interfaces over a model repository.

source.py       where the config comes from: a file, flags, or a repository folder
config.py       which models there are: TF Serving's ModelServerConfig and its checks
versions.py     which versions of a model are wanted: its folder and its version policy
model.py        one model: loads what is wanted, lets go of what is not, remembers every version's state
repository.py   all models and their labels: polls, reloads, finds the version that answers
loading.py      how a version comes up: loaded, batched, warmed up
servable.py     one loaded version: its session and signatures, and who uses it
session.py      how a version folder becomes a session
graph.py        the session of a SavedModel
text_ops.py     operations that a graph may have besides TensorFlow's own
lite.py         the session of a TensorFlow Lite model
lite_metadata.py  the signatures that such a model may have in its metadata
codec.py        TensorProto ↔ NumPy
predict.py      what Predict does: signature, inputs, defaults, output filter
inference.py    what Classify, Regress and MultiInference do
batching/       requests that come at the same time run together
warmup.py       the requests a version answers before it becomes available
procedures.py   the remote procedures and their messages
services.py     answers them
rest/           answers them over REST
profiling.py    what TensorBoard asks for profiles
reflection.py   describes them to clients that ask
credentials.py  TLS and mTLS
protos.py       TF Serving's config files
metrics.py      what is counted and timed, and the page that Prometheus reads
monitoring.py   where that page is
options.py      how a server listens and what it tolerates
server.py       the gRPC server around all this
testing.py      a server inside a test
"""
