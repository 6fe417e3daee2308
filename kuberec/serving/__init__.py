"""The model server: TF Serving's gRPC and REST interfaces over a model repository.

source.py       where the config comes from: a file, flags, or a repository folder
config.py       which models there are: TF Serving's ModelServerConfig and its checks
versions.py     which versions of a model are wanted: its folder and its version policy
model.py        one model: loads what is wanted, lets go of what is not, remembers every version's state
repository.py   all models and their labels: polls, reloads, finds the version that answers
servable.py     one loaded SavedModel version: its session and signatures
codec.py        TensorProto ↔ NumPy
predict.py      what Predict does: signature, inputs, defaults, output filter
inference.py    what Classify, Regress and MultiInference do
warmup.py       the requests a version answers before it becomes available
procedures.py   the remote procedures and their messages
services.py     answers them
rest/           answers them over REST
reflection.py   describes them to clients that ask
credentials.py  TLS and mTLS
options.py      how a server listens and what it tolerates
server.py       the gRPC server around all this
testing.py      a server inside a test
"""
