"""TF Serving's REST API: the same answers as over gRPC, as JSON over HTTP.

reading.py   JSON → PredictRequest inputs and tf.Examples
writing.py   answers → JSON, laid out as TF Serving lays it out
api.py       which path asks what, and which status an error gets
web.py       the HTTP server around it: gzip, CORS, keep-alive
"""
