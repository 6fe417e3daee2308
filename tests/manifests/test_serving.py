"""The model server's manifests agree with version.yaml, with the server, and with each other."""

from pathlib import Path

import pytest
import yaml

from kuberec.gitops.versions import LABELS
from kuberec.serving.rest.api import MODEL_PATH
from tests.manifests.rendering import MANIFESTS, OVERLAYS, Manifest, containers, manifests, named, pod_specs
from tests.manifests.test_render import name


def server(folder: Path, deployment: str = "model-server") -> Manifest:
    (spec,) = pod_specs(named(folder, "Deployment", deployment))
    return spec


def milliseconds(arguments: list[str], channel: str) -> int:
    (value,) = [arg for arg in arguments if arg.startswith("--grpc_channel_arguments=")]
    return int(dict(pair.split("=") for pair in value.partition("=")[2].split(","))[channel])


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_the_versions_in_the_pod_are_the_overlays_file(folder: Path) -> None:
    versions = named(folder, "ConfigMap", "model-versions")
    assert versions["data"] == {"version.yaml": (folder / "version.yaml").read_text(encoding="utf-8")}
    mounts = {mount["name"]: mount for mount in server(folder)["initContainers"][0]["volumeMounts"]}
    assert "subPath" not in mounts["versions"]  # an update never reaches a subPath


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_every_label_names_a_served_version(folder: Path) -> None:
    for model in yaml.safe_load((folder / "version.yaml").read_text(encoding="utf-8"))["models"].values():
        assert model["versions"] == sorted(set(model["versions"]))
        assert set(model["labels"].values()) <= set(model["versions"])
        assert set(model["labels"]) == set(LABELS)  # a server of one label would serve nothing without it


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_a_ready_pod_has_a_model_loaded(folder: Path) -> None:
    models = yaml.safe_load((folder / "version.yaml").read_text(encoding="utf-8"))["models"]
    (container,) = server(folder)["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        asked = MODEL_PATH.fullmatch(container[probe]["httpGet"]["path"])
        assert asked
        assert asked["metadata"]
        assert asked["name"] in models


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_a_stopping_pod_loses_its_clients_before_it_stops(folder: Path) -> None:
    spec = server(folder)
    (container,) = spec["containers"]
    drain = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    age = milliseconds(container["args"], "grpc.max_connection_age_ms")
    grace = milliseconds(container["args"], "grpc.max_connection_age_grace_ms")
    # gRPC spreads the age by up to a tenth.
    assert age * 1.1 + grace < drain * 1000 < spec["terminationGracePeriodSeconds"] * 1000


def test_the_canary_is_another_servers_pods() -> None:
    folder = MANIFESTS / "overlays" / "prod"
    selectors = {
        each["metadata"]["name"]: each["spec"]["selector"] for each in manifests(folder) if each["kind"] == "Service"
    }
    assert selectors["model-server"] != selectors["model-server-canary"]
    labels = {
        deployment: [arg for arg in server(folder, deployment)["initContainers"][0]["args"] if "--label" in arg]
        for deployment in ("model-server", "model-server-canary")
    }
    assert labels == {"model-server": ["--label=stable"], "model-server-canary": ["--label=canary"]}


@pytest.mark.parametrize("kind", ["GRPCRoute", "HTTPRoute"])
def test_the_canary_gets_what_asks_for_it_and_a_small_share(kind: str) -> None:
    asked, shared = named(MANIFESTS / "overlays" / "prod", kind, "model-server")["spec"]["rules"]
    assert all(match["headers"][0]["name"] == "x-kuberec-canary" for match in asked["matches"])
    assert [backend["name"] for backend in asked["backendRefs"]] == ["model-server-canary"]
    assert all("headers" not in match for match in shared["matches"])
    assert {backend["name"]: backend["weight"] for backend in shared["backendRefs"]} == {
        "model-server": 95,
        "model-server-canary": 5,
    }


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_kuberec_has_one_version_everywhere(folder: Path) -> None:
    images = {
        container["image"]
        for each in manifests(folder)
        for spec in pod_specs(each)
        for container in containers(spec)
        if container["image"].startswith("kuberec/")
    }
    for each in manifests(folder):
        if each["kind"] == "PipelineVersion":
            executors = each["spec"]["pipelineSpec"]["deploymentSpec"]["executors"].values()
            images |= {executor["container"]["image"] for executor in executors}
    assert len({image.rpartition(":")[2] for image in images}) == 1
