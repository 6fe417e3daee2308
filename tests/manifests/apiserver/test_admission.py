"""What would run is admitted where it belongs; what breaks the rules there is refused."""

import pytest

from tests.manifests.apiserver.conftest import Applied
from tests.manifests.apiserver.pods import pod, pods
from tests.manifests.rendering import Manifest, title

pytestmark = pytest.mark.slow


def levels(applied: Applied) -> dict[str, str]:
    """The level of Pod Security in each namespace that a kustomization makes."""
    return {
        each["metadata"]["name"]: each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for each in applied.manifests
        if each["kind"] == "Namespace"
    }


def bare(applied: Applied, space: str, **security: bool) -> Manifest:
    """A pod of which little is said; its account is the one that a controller makes in every namespace."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": space}}
    applied.server.answer("apply", "--server-side", "--filename=-", given=account)
    return pod(space, {"containers": [{"name": "test", "image": "test:1", "securityContext": security}]})


def test_every_pod_is_admitted_and_gets_no_token(applied: Applied) -> None:
    for manifest in applied.manifests:
        for each in pods(manifest):
            admitted = applied.server.create(each, "--dry-run=server")
            asked = [volume["name"] for volume in each["spec"]["volumes"]]
            assert [volume["name"] for volume in admitted["spec"]["volumes"]] == asked, title(manifest)


def test_a_privileged_pod_is_refused(applied: Applied) -> None:
    for space, level in levels(applied).items():
        refusal = applied.server.refusal(bare(applied, space, privileged=True))
        assert f'violates PodSecurity "{level}:latest": privileged' in refusal


def test_a_pod_that_may_run_as_root_is_refused_where_pods_are_restricted(applied: Applied) -> None:
    for space, level in levels(applied).items():
        refusal = applied.server.refusal(bare(applied, space))
        assert "runAsNonRoot != true" in refusal  # elsewhere it is a warning
        assert ('forbidden: violates PodSecurity "restricted' in refusal) is (level == "restricted")
