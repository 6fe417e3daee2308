"""The model server: TF Serving's gRPC interface over a model repository.

repository.py   which versions lie on disk, which are loaded, which one answers
servable.py     one loaded SavedModel version: its session and signatures
codec.py        TensorProto ↔ NumPy
predict.py      what Predict does: signature, inputs, defaults, output filter
warmup.py       the requests a version answers before it becomes available
services.py     the remote procedures, one class a service
server.py       the gRPC server around them
testing.py      a server inside a test
"""
