"""The pipelines: tables of contents of what Kuberec does, and the runner that executes them on one machine."""
