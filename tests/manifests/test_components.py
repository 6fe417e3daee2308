"""Each component builds on an overlay and does what it says; half of them are in no overlay."""

import os
import re
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.manifests.conftest import Schemas
from tests.manifests.rendering import MANIFESTS, Manifest, manifests, pod_specs, rendered
from tests.manifests.test_schemas import KUBERNETES, is_core

EXTRA = ("autoscaling-keda", "gpu", "kserve", "multi-tenant")


@pytest.fixture(params=EXTRA)
def component(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def built(component: str, tmp_path: Path) -> list[Manifest]:
    return build(tmp_path, component)


def build(folder: Path, component: str) -> list[Manifest]:
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(MANIFESTS / "overlays" / "dev", folder.resolve())],
        "components": [os.path.relpath(MANIFESTS / "components" / component, folder.resolve())],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return manifests(folder)


def test_every_component_is_built_here_or_in_an_overlay() -> None:
    overlays = "".join(path.read_text(encoding="utf-8") for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
    for path in (MANIFESTS / "components").iterdir():
        assert (path.name in EXTRA) != (f"components/{path.name}" in overlays)


def test_what_a_component_adds_is_what_kubernetes_expects(built: list[Manifest], crd_schemas: Schemas) -> None:
    before = {yaml.safe_dump(each) for each in yaml.safe_load_all(rendered(MANIFESTS / "overlays" / "dev"))}
    added = [each for each in built if yaml.safe_dump(each) not in before]
    assert added
    for each in added:
        if is_core(each):
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
        else:
            jsonschema.Draft202012Validator(crd_schemas[each["apiVersion"], each["kind"]]).validate(each)


def test_keda_takes_the_place_of_the_autoscaler(tmp_path: Path) -> None:
    kinds = [each["kind"] for each in build(tmp_path, "autoscaling-keda")]
    assert "HorizontalPodAutoscaler" not in kinds
    assert kinds.count("ScaledObject") == 1


def test_the_namespace_of_a_team_is_one_that_its_profile_takes_over(tmp_path: Path) -> None:
    built = build(tmp_path, "multi-tenant")
    (profile,) = [each for each in built if each["kind"] == "Profile"]
    owners = {
        each["metadata"]["name"]: each["metadata"]["annotations"].get("owner")
        for each in built
        if each["kind"] == "Namespace"
    }
    assert owners[profile["metadata"]["name"]] == profile["spec"]["owner"]["name"]


def test_gpus_for_the_server_and_for_training(tmp_path: Path) -> None:
    built = build(tmp_path, "gpu")
    for kind in ("Deployment", "ClusterTrainingRuntime"):
        (found,) = [each for each in built if each["kind"] == kind]
        (spec,) = pod_specs(found)
        assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert spec["tolerations"]
    assert {"tensorflow/serving:2.20.0-gpu", "kuberec/train:0.1.0"} <= set(
        re.findall(r"image: (\S+)", yaml.safe_dump(built))
    )


def test_kserve_serves_with_the_version_of_the_deployment(tmp_path: Path) -> None:
    built = build(tmp_path, "kserve")
    (runtime,) = [each for each in built if each["kind"] == "ServingRuntime"]
    (deployment,) = [each for each in built if each["kind"] == "Deployment"]
    (server,) = pod_specs(deployment)
    assert runtime["spec"]["containers"][0]["image"] == server["containers"][0]["image"]
