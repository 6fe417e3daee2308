"""Security by default: what restricted Pod Security asks, and what a careful reader asks besides."""

from pathlib import Path
from typing import Any

import pytest

from tests.manifests.rendering import OVERLAYS, Manifest, containers, manifests, pod_specs, title
from tests.manifests.test_render import name

PODS = [
    pytest.param(each, spec, id=f"{folder.name}-{title(each)}")
    for folder in OVERLAYS
    for each in manifests(folder)
    for spec in pod_specs(each)
]
LONG_RUNNING = ("Deployment", "Notebook")


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_a_pod_is_restricted(manifest: Manifest, spec: Manifest) -> None:
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert all(
        volume.keys() & {"emptyDir", "configMap", "secret", "persistentVolumeClaim"} for volume in spec["volumes"]
    )


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_a_container_is_restricted(manifest: Manifest, spec: Manifest) -> None:
    for container in containers(spec):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_a_pod_has_an_account_of_its_own_and_no_token(manifest: Manifest, spec: Manifest) -> None:
    assert spec["serviceAccountName"] != "default"
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_a_container_says_what_it_needs(manifest: Manifest, spec: Manifest) -> None:
    for container in containers(spec):
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_what_runs_for_long_is_probed(manifest: Manifest, spec: Manifest) -> None:
    if manifest["kind"] in LONG_RUNNING:
        for container in spec["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys()


@pytest.mark.parametrize(("manifest", "spec"), PODS)
def test_no_secret_is_handed_over_in_the_environment(manifest: Manifest, spec: Manifest) -> None:
    sources = [entry.get("valueFrom", {}) for container in containers(spec) for entry in container.get("env", [])]
    assert not [source for source in sources if "secretKeyRef" in source]
    assert not [container for container in containers(spec) if "envFrom" in container]


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_no_secret_and_no_right_lies_in_git(folder: Path) -> None:
    kinds = {each["kind"] for each in manifests(folder)}
    assert not kinds & {"Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_every_namespace_is_closed_unless_opened(folder: Path) -> None:
    objects = manifests(folder)
    spaces = {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    closed = {
        each["metadata"]["namespace"]
        for each in objects
        if each["kind"] == "NetworkPolicy"
        and each["spec"]["podSelector"] == {}
        and set(each["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not each["spec"].get("ingress")
    }
    assert spaces == closed


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_every_namespace_refuses_what_is_not_restricted(folder: Path) -> None:
    levels = {
        each["metadata"]["name"]: each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for each in manifests(folder)
        if each["kind"] == "Namespace"
    }
    # Katib sets no security context on what it adds to a trial.
    assert {space for space, level in levels.items() if level != "restricted"} <= {"kuberec-tuning"}


def references(spec: Manifest, kind: str, key: str) -> set[Any]:
    return {volume[kind][key] for volume in spec["volumes"] if kind in volume}


@pytest.mark.parametrize("folder", OVERLAYS, ids=name)
def test_what_a_pod_mounts_is_there(folder: Path) -> None:
    objects = manifests(folder)
    there = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects}
    for each in objects:
        space = each["metadata"].get("namespace", "kuberec-training")
        for spec in pod_specs(each):
            wanted = {("ConfigMap", space, item) for item in references(spec, "configMap", "name")}
            wanted |= {
                ("PersistentVolumeClaim", space, i) for i in references(spec, "persistentVolumeClaim", "claimName")
            }
            wanted.add(("ServiceAccount", space, spec["serviceAccountName"]))
            assert wanted <= there, title(each)
