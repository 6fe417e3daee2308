# Kuberec's commands. `make help` lists them; the first one that needs it sets up .venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
STAMP := $(VENV)/.setup-$(shell cat $(LOCK) setup.py | cksum | cut -d ' ' -f 1)
RESOLVE := $(BIN)/uv pip compile setup.py --quiet --no-header --generate-hashes --python-version 3.11
RESOLVE_IMAGE := $(RESOLVE) --constraints $(LOCK) --extra s3
CPU := requirements-cpu.in --override requirements-cpu.in
BUILDER ?= docker
IMAGES ?= serve pipeline notebook
REGISTRY ?=
TAG ?= 0.1.0
BUILD = BUILDAH_LAYERS=true $(BUILDER) build --pull=false $(if $(BASE),--build-arg BASE=$(BASE))
PEERS := .venv-bench
PEERS_LOCK := benchmarks/speed/requirements.txt
PEERS_STAMP := $(PEERS)/.setup-$(shell cksum < $(PEERS_LOCK) | cut -d ' ' -f 1)
COMPILED := pipelines/compiled/training.yaml
DECLARED := manifests/base/pipelines/training.yaml
OVERLAYS := $(notdir $(wildcard manifests/overlays/*))
KUBECTL ?= kubectl
APISERVER := tests/manifests/apiserver
KUBERNETES := $(shell sed -n 's#^require k8s.io/kubernetes ##p' $(APISERVER)/go.mod)
KUBEREC_APISERVER ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kuberec/kubernetes-$(KUBERNETES)
GO_BUILD = CGO_ENABLED=0 go build -C $(APISERVER) -trimpath -buildvcs=false -ldflags '-s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES)'
COMPILE := PYTHONPATH=. $(BIN)/kfp dsl compile --py pipelines/training.py --output
# A PipelineVersion cannot be changed: another pipeline is another version.
DECLARE = PYTHONPATH=. $(BIN)/kfp dsl compile --py pipelines/training.py --kubernetes-manifest-format --include-pipeline-manifest \
  --namespace kubeflow --pipeline-name training --pipeline-version-name training-$$(sha256sum $(COMPILED) | cut -c -10) --output

.PHONY: help setup demo loadtest test test-fast fuzz lint format strip compile golden render render-golden apiserver policy lock image image-base image-push bench-ingest bench-dirt bench-kill bench-retrieval bench-serving bench-loadtest bench-quality-ncf bench-quality-ratio bench-quality-table bench-quality-cold bench-setup bench-lock bench-speed-training bench-speed-quality bench-speed-catalogue bench-speed-ranking clean

help:  ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-22s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Set up .venv with the locked packages; PYTHON=… names another Python 3.11

$(STAMP):
	@command -v $(PYTHON) > /dev/null || { \
	  echo "Python 3.11 is needed, and $(PYTHON) is not found. Install it, or name it: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "Python 3.11 is needed, and $(PYTHON) is $$($(PYTHON) --version). Name another: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV); the first time takes a few minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.setup-* && touch $@

demo: setup  ## From raw ratings to a live recommender, with a report (under five minutes on two cores)
	@$(BIN)/kuberec demo

loadtest: setup  ## Play a scenario against a server started here: pass or fail, with a report; SCENARIO=…, ARGS=…
	@PYTHONPATH=. $(BIN)/python -m loadtest $(SCENARIO) $(ARGS)

test: lint golden  ## Everything that CI runs
	$(BIN)/python -m pytest

test-fast: setup  ## The tests that take seconds
	$(BIN)/python -m pytest -m "not slow"

fuzz: setup  ## Send 20,000 malformed requests to a model server
	$(BIN)/python -m pytest tests/serving/endurance/test_malformed.py --hypothesis-profile=thorough

lint: setup  ## Format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy kuberec models components pipelines loadtest tests benchmarks

format: setup  ## Bring the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

strip: setup  ## Take the outputs out of the notebooks
	$(BIN)/nbstripout --extra-keys metadata.language_info notebooks/*.ipynb

compile: setup  ## Compile the pipeline into pipelines/compiled/ and, as Kubernetes resources, into manifests/
	$(COMPILE) $(COMPILED)
	@$(DECLARE) $(DECLARED)

golden: setup  ## Check that the compiled pipeline is up to date
	@$(COMPILE) $(VENV)/training.yaml > /dev/null
	@diff -u $(COMPILED) $(VENV)/training.yaml || { echo "$(COMPILED) is out of date: run make compile and read the diff."; exit 1; }
	@$(DECLARE) $(VENV)/training.yaml > /dev/null
	@diff -u $(DECLARED) $(VENV)/training.yaml || { echo "$(DECLARED) is out of date: run make compile and read the diff."; exit 1; }

render:  ## Build every kustomization into build/manifests/, without a network; needs kubectl
	@rm -rf build/manifests && mkdir -p build/manifests
	@for folder in $$(grep -rl --include kustomization.yaml 'kind: Kustomization' manifests argocd | grep -vE 'third-party|transformers' | xargs -n 1 dirname | sort); do \
	  $(KUBECTL) kustomize $$folder > build/manifests/$${folder//\//-}.yaml || exit 1; echo $$folder; done

render-golden:  ## Write what the overlays render to anew into tests/manifests/golden/
	@for overlay in $(OVERLAYS); do \
	  $(KUBECTL) kustomize manifests/overlays/$$overlay > tests/manifests/golden/$$overlay.yaml || exit 1; done

apiserver:  ## Build the API server that the tests apply the manifests to, in KUBEREC_APISERVER or the user's cache; needs Go
	@command -v go > /dev/null || { echo "Go 1.24 or newer is needed, and go is not found."; exit 1; }
	@echo "Building kube-apiserver $(KUBERNETES) and etcd in $(KUBEREC_APISERVER); the first time takes many minutes."
	$(GO_BUILD) -o '$(KUBEREC_APISERVER)/etcd' go.etcd.io/etcd/server/v3
	$(GO_BUILD) -o '$(KUBEREC_APISERVER)/kube-apiserver' k8s.io/kubernetes/cmd/kube-apiserver

policy: setup render  ## Scan the rendered manifests with checkov, fetched for the occasion; manifests/README.md says what is left out
	$(BIN)/uv tool run checkov@3.3.30 -d build/manifests --framework kubernetes --compact --quiet --skip-download \
	  --skip-check CKV_K8S_15,CKV_K8S_40,CKV_K8S_43

lock: setup  ## Pin the newest packages that setup.py allows: requirements-dev.lock for work, and from the same one for each image
	$(RESOLVE) --extra dev --output-file $(LOCK)
	$(RESOLVE_IMAGE) $(CPU) --output-file requirements-serve.lock
	$(RESOLVE_IMAGE) $(CPU) --extra pipelines --output-file requirements.lock
	$(RESOLVE_IMAGE) $(CPU) --extra pipelines --extra notebook --output-file requirements-notebook.lock
	$(RESOLVE_IMAGE) --extra pipelines --extra gpu --output-file requirements-train.lock

image:  ## Build the images and show their sizes; IMAGES=train names others, BUILDER=buildah another builder; docs/operations.md
	@for image in $(IMAGES); do \
	  $(BUILD) --target $$image --tag $(REGISTRY)kuberec/$$image:$(TAG) . || exit 1; done
	@$(BUILDER) images

image-push:  ## Push the images to REGISTRY, such as ghcr.io/shop/, and show their digests
	@for image in $(IMAGES); do $(BUILDER) push $(REGISTRY)kuberec/$$image:$(TAG) || exit 1; done

image-base:  ## Make a base image for buildah from Debian's packages, where no image registry can be reached; needs root
	tests/images/base.sh $(BASE)

bench-ingest: setup  ## Measure ingest and featurize on 20 million events beside pandas
	$(BIN)/python benchmarks/ingest.py

bench-dirt: setup  ## Account for every row of a million with thirty kinds of dirt among them
	$(BIN)/python benchmarks/dirt.py

bench-kill: setup  ## Kill the pipeline inside each step and compare what the rerun gives
	PYTHONPATH=. $(BIN)/python benchmarks/kill_resume.py

bench-retrieval: bench-setup  ## Measure the ten best of a million items: exactly, by a full sort, by the index, by FAISS
	$(BIN)/python benchmarks/retrieval.py

bench-serving: setup  ## Measure the model server beside a naive one and a bare echo; needs h2load
	$(BIN)/python benchmarks/serving.py

bench-quality-ncf: setup  ## Rank MovieLens-1M by the NCF paper's protocol; DATA=… names a folder of datasets
	$(BIN)/python benchmarks/quality/ncf.py --data "$(DATA)"

bench-quality-ratio: setup  ## Rank MovieLens-100K by a random 75/25 split; DATA=… names a folder of datasets
	$(BIN)/python benchmarks/quality/movielens_100k.py --data "$(DATA)"

bench-quality-table: setup  ## Every family beside every baseline; DATA=… names a folder of datasets
	$(BIN)/python benchmarks/quality/table.py --data "$(DATA)"

bench-quality-cold: setup  ## Rank withheld items and users; DATA=… names a folder of datasets
	$(BIN)/python benchmarks/quality/cold.py --data "$(DATA)"

bench-setup: setup $(PEERS_STAMP)  ## Set up .venv-bench with the peers of the speed benchmarks: 6 GB, and a C compiler is needed

$(PEERS_STAMP):
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(PEERS_LOCK)
	@rm -f $(PEERS)/.setup-* && touch $@

bench-lock: setup  ## Pin the peers of benchmarks/speed/requirements.in
	$(BIN)/uv pip compile benchmarks/speed/requirements.in --quiet --no-header --generate-hashes --python-version 3.11 \
	  --no-emit-package pm-implicit --output-file $(PEERS_LOCK)

bench-speed-training: bench-setup  ## Measure positives per second beside LightFM and Keras; DATA=… holds ml-1m/, else synthetic
	$(BIN)/python benchmarks/speed/training.py $(if $(DATA),--data "$(DATA)")

bench-speed-quality: bench-setup  ## Measure seconds to the quality of implicit, LightFM and RecTools; DATA=… holds ml-1m/
	$(BIN)/python benchmarks/speed/time_to_quality.py --data "$(DATA)"

bench-speed-catalogue: setup  ## Measure a step with 100 thousand and 10 million users and items; takes 24 GiB
	$(BIN)/python benchmarks/speed/catalogue.py

bench-speed-ranking: setup  ## Measure full ranking, also of a million items; DATA=… holds ml-1m/, else synthetic
	$(BIN)/python benchmarks/speed/ranking.py $(if $(DATA),--data "$(DATA)")

bench-loadtest: setup  ## Measure a server with the load test and with ghz at the same rate; GHZ=… names ghz
	PYTHONPATH=. $(BIN)/python benchmarks/load_generators.py $(if $(GHZ),--ghz "$(GHZ)")

clean:  ## Remove what runs left behind; .venv stays
	rm -rf var build .pytest_cache .mypy_cache .ruff_cache .hypothesis
