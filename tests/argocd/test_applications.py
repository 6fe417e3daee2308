"""What Argo CD is told leads somewhere, and is enough for a first sync that succeeds."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.manifests.rendering import MANIFESTS, OVERLAYS, ROOT, manifests, named, title

ARGOCD = ROOT / "argocd"
BUILT_IN = {"v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1"}
THIRD_PARTY = sorted(path.parent.name for path in MANIFESTS.glob("third-party/*/kustomization.yaml"))


def application_sets() -> dict[str, Any]:
    return {each["metadata"]["name"]: each["spec"] for each in manifests(ARGOCD) if each["kind"] == "ApplicationSet"}


def elements(name: str) -> list[dict[str, str]]:
    return list(application_sets()[name]["generators"][0]["list"]["elements"])


def test_every_source_is_one_repository() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in ARGOCD.glob("*.yaml"))
    assert len(set(re.findall(r"https://\S+\.git", text))) == 1


def test_the_root_is_this_folder() -> None:
    source = named(ARGOCD, "Application", "root")["spec"]["source"]
    assert ROOT / source["path"] == ARGOCD


def test_every_platform_application_has_a_folder() -> None:
    assert sorted([*(each["name"] for each in elements("platform")), "argo-cd"]) == THIRD_PARTY


def test_every_platform_application_belongs_to_a_step() -> None:
    steps = application_sets()["platform"]["strategy"]["rollingSync"]["steps"]
    values = [value for step in steps for match in step["matchExpressions"] for value in match["values"]]
    assert sorted({each["step"] for each in elements("platform")}) == values


def test_the_script_installs_in_the_order_of_the_steps() -> None:
    script = (MANIFESTS / "third-party" / "install.sh").read_text(encoding="utf-8")
    installed = re.findall(r"^  ([a-z-]+):([a-z-]+)$", script, re.MULTILINE)
    assert installed == [(each["name"], each["namespace"]) for each in elements("platform")]
    order = [each["step"] for each in elements("platform")]
    assert order == sorted(order)


def test_the_script_is_a_script() -> None:
    subprocess.run(["bash", "-n", MANIFESTS / "third-party" / "install.sh"], check=True)


def test_every_environment_but_the_laptop_has_an_application() -> None:
    assert sorted(each["environment"] for each in elements("kuberec")) == ["dev", "prod"]
    assert [folder.name for folder in OVERLAYS] == ["dev", "local", "prod"]


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.name))
def test_the_project_allows_what_the_environment_needs(folder: Any) -> None:
    project = named(ARGOCD, "AppProject", "kuberec")["spec"]
    allowed = {(each["group"], each["kind"]) for each in project["clusterResourceWhitelist"]}
    objects = manifests(folder)
    cluster = {
        (each["apiVersion"].rpartition("/")[0], each["kind"]) for each in objects if "namespace" not in each["metadata"]
    }
    assert cluster <= allowed
    spaces = {each["metadata"]["namespace"] for each in objects if "namespace" in each["metadata"]}
    assert all(space.startswith("kuberec") or space == "kubeflow" for space in spaces)
    forbidden = {each["kind"] for each in project["namespaceResourceBlacklist"]}
    assert not forbidden & {each["kind"] for each in objects}


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.name))
def test_a_kind_that_may_not_exist_yet_does_not_stop_the_first_sync(folder: Any) -> None:
    strict = [
        title(each)
        for each in manifests(folder)
        if each["apiVersion"] not in BUILT_IN
        and "SkipDryRunOnMissingResource=true"
        not in each["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options", "")
    ]
    assert not strict


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.name))
def test_what_holds_data_is_never_pruned(folder: Any) -> None:
    holders = [each for each in manifests(folder) if each["kind"] in ("Namespace", "PersistentVolumeClaim", "Profile")]
    assert holders
    for each in holders:
        assert "Prune=false" in each["metadata"]["annotations"]["argocd.argoproj.io/sync-options"], title(each)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: str(folder.name))
def test_what_is_replaced_by_force_is_so_only_when_it_differs(folder: Any) -> None:
    options = [
        each["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-options", "") for each in manifests(folder)
    ]
    if any("Force=true" in each for each in options):
        template = application_sets()["kuberec"]["template"]["spec"]
        assert "ApplyOutOfSyncOnly=true" in template["syncPolicy"]["syncOptions"]


def test_every_remote_is_pinned_to_a_release() -> None:
    for name in THIRD_PARTY:
        folder = MANIFESTS / "third-party" / name
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        remotes = [each for each in kustomization.get("resources", []) if "://" in each]
        charts = kustomization.get("helmCharts", [])
        assert len(remotes) + len(charts) == 1, name
        for remote in remotes:
            assert re.search(r"(\?ref=|/download/)v?\d+\.\d+\.\d+(/|$)", remote), remote
        for chart in charts:
            assert re.fullmatch(r"\d+\.\d+\.\d+", chart["version"])


def test_the_version_table_says_what_is_pinned() -> None:
    table = (MANIFESTS / "third-party" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|[^|]*\| (\S+) \|", table, re.MULTILINE))
    assert sorted(rows) == THIRD_PARTY
    for name, version in rows.items():
        text = (MANIFESTS / "third-party" / name / "kustomization.yaml").read_text(encoding="utf-8")
        assert re.search(rf"(\?ref=|/download/|version: ){re.escape(version)}(/|$|\n)", text), name
