"""The steps of the pipelines, one folder each: `component.py` wires one library function to Kubeflow Pipelines.

A component's body runs in a container of its own, so whatever it needs is imported inside; it calls the library's
function of the same name and hands reports and figures to the Kubeflow UI.
"""

IMAGE = "kuberec/pipeline:0.1.0"
"""The image that every step runs in (`Dockerfile`, target `pipeline`); an overlay names the registry."""
