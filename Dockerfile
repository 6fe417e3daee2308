# The image of the pipeline's steps. Layers go from what changes least to what changes most.

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 1000 kuberec
WORKDIR /app
COPY requirements.lock .
RUN pip install --no-deps --require-hashes -r requirements.lock

FROM base AS pipeline
ENV PYTHONPATH=/app
COPY setup.py pyproject.toml ./
COPY kuberec kuberec
COPY models models
COPY components components
COPY pipelines pipelines
RUN pip install --no-deps --no-build-isolation -e .
USER 1000
