"""What an environment asks of its cluster: memory requests of what always runs, from the rendered manifests.

    python -m tests.manifests.costs

prints the table of docs/operations.md.
"""

from pathlib import Path

from tests.manifests.rendering import OVERLAYS, Manifest, containers, manifests, pod_specs

UNITS = {"Mi": 1, "Gi": 1024}
ALWAYS_RUNNING = ("Deployment", "Notebook")


def mebibytes(quantity: str) -> int:
    """A Kubernetes quantity in MiB: `512Mi`, `4Gi`."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def memory(spec: Manifest) -> int:
    """What a pod that runs requests, in MiB; a start container that ends costs nothing afterwards."""
    lasting = [each for each in containers(spec) if each in spec["containers"] or each.get("restartPolicy") == "Always"]
    return sum(mebibytes(each["resources"]["requests"]["memory"]) for each in lasting)


def costs(folder: Path) -> dict[str, tuple[int, int]]:
    """Fewest replicas and MiB a replica, by name, of everything in an environment that always runs."""
    objects = manifests(folder)
    fewest = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"]["minReplicas"]
        for each in objects
        if each["kind"] == "HorizontalPodAutoscaler"
    }
    found = {}
    for each in objects:
        if each["kind"] in ALWAYS_RUNNING:
            (spec,) = pod_specs(each)
            name = each["metadata"]["name"]
            found[name] = fewest.get(name, each["spec"].get("replicas", 1)), memory(spec)
    return found


def rows() -> list[str]:
    """The rows of the table."""
    return [
        f"| {folder.name} | {name} | {replicas} | {each} MiB | {replicas * each} MiB |"
        for folder in OVERLAYS
        for name, (replicas, each) in costs(folder).items()
    ]


if __name__ == "__main__":
    print("\n".join(rows()))
