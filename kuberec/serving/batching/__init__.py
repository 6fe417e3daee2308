"""Batching: requests that come at the same time run through the graph together, as in TF Serving.

parameters.py   TF Serving's BatchingParameters and their checks
scheduler.py    which requests share a batch, when it runs, and in which thread
merging.py      arrays of many requests ↔ arrays of one run
session.py      runs of one version of a model, batched
"""
