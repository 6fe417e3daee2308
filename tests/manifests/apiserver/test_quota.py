"""A quota has room for what runs at once, and an end."""

import copy
import time

import pytest
import yaml

from tests.manifests.apiserver.conftest import Applied
from tests.manifests.apiserver.pods import pods
from tests.manifests.rendering import Manifest

pytestmark = pytest.mark.slow

WAIT_SECONDS = 300


def at_once(applied: Applied, space: str) -> list[Manifest]:
    """The pods in a namespace that may run at the same time."""
    return [
        each
        for manifest in applied.manifests
        for each in pods(manifest) * int(manifest.get("spec", {}).get("parallelTrialCount", 1))
        if each["metadata"]["namespace"] == space
    ]


def too_large(small: Manifest) -> Manifest:
    """The same pod, with more memory than any quota has."""
    large = copy.deepcopy(small)
    for limit in large["spec"]["containers"][0]["resources"].values():
        limit["memory"] = "1Pi"
    return large


def begin_to_count(applied: Applied, quota: Manifest) -> None:
    """Do what Kubernetes' controller of quotas does with a new one; no controller runs here."""
    hard = quota["spec"]["hard"]
    status = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    where = ("resourcequota", quota["metadata"]["name"], f"--namespace={quota['metadata']['namespace']}")
    applied.server.answer("patch", *where, "--subresource=status", "--type=merge", f"--patch={yaml.safe_dump(status)}")


def test_a_quota_has_room_for_what_runs_at_once_and_an_end(applied: Applied) -> None:
    for quota in (each for each in applied.manifests if each["kind"] == "ResourceQuota"):
        running = at_once(applied, quota["metadata"]["namespace"])
        large = too_large(running[0])
        begin_to_count(applied, quota)
        end = time.monotonic() + WAIT_SECONDS
        while "exceeded quota" not in applied.server.refusal(large):
            assert time.monotonic() < end, "the API server does not count"
            time.sleep(0.1)
        for each in running:
            applied.server.create(each)
