"""Wires `kuberec.loadtest` to Locust: `python -m loadtest --help`."""
