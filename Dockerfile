# Four images: serve, pipeline, notebook and, for GPUs, train. Within each, layers go from what changes least to what
# changes most, and the first three share theirs. docs/operations.md tells their sizes.

ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN useradd --create-home --uid 1000 kuberec

FROM base AS server-packages
COPY requirements-serve.lock /
RUN pip install --no-deps --no-build-isolation --require-hashes -r requirements-serve.lock

# git and ssh: the step `promote` commits and pushes.
FROM server-packages AS step-packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /
RUN pip install --no-deps --no-build-isolation --require-hashes -r requirements.lock

FROM server-packages AS code
WORKDIR /src
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

# The model server, and the sidecar that copies models.
FROM server-packages AS serve
COPY --from=code /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
WORKDIR /home/kuberec
USER 1000
EXPOSE 8500 8501
CMD ["kuberec", "serve", "--host=0.0.0.0", "--repository=/models"]

# The pipeline's steps and the jobs of Katib and the Trainer, without a GPU.
FROM step-packages AS pipeline
COPY --from=code /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
WORKDIR /home/kuberec
USER 1000
CMD ["kuberec", "--help"]

# The same with CUDA.
FROM base AS train
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-train.lock /
RUN pip install --no-deps --no-build-isolation --require-hashes -r requirements-train.lock
COPY --from=code /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
WORKDIR /home/kuberec
USER 1000
CMD ["kuberec", "--help"]

# JupyterLab for Kubeflow's Notebook, which tells the path below which it is reached.
FROM step-packages AS notebook
COPY requirements-notebook.lock /
RUN pip install --no-deps --no-build-isolation --require-hashes -r requirements-notebook.lock
COPY --from=code /wheel /wheel
RUN pip install --no-deps /wheel/*.whl
WORKDIR /home/kuberec
USER 1000
EXPOSE 8888
CMD ["sh", "-c", "exec jupyter lab --ip=0.0.0.0 --port=8888 --no-browser --ServerApp.base_url=${NB_PREFIX:-/}"]
