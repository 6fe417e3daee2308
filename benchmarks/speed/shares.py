"""What a profile of the training says: how much of the time operations run, and how much of it gathers inputs."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

INPUTS = "inputs"
"""The name scope in which a training step draws and gathers what it reads."""
PICOSECONDS = 10**12

Interval = tuple[int, int]


def shares(folder: Path, seconds: float) -> dict[str, float | None]:
    """Shares in a profile that TensorFlow wrote into a folder while `seconds` passed.

    Returns:
        `busy`: share of the seconds in which at least one operation ran; the rest is what a step waited for.
        `inputs`: share of the operations' time that lies under the scope `inputs`; None where no operation does.
    """
    events = list(_operations(folder))
    inputs = sum(end - start for name, (start, end) in events if INPUTS in name.split("/"))
    total = sum(end - start for _, (start, end) in events)
    busy = covered(interval for _, interval in events) / PICOSECONDS / seconds
    return {"busy": round(busy, 4), "inputs": round(inputs / total, 4) if inputs else None}


def covered(intervals: Iterable[Interval]) -> int:
    """Length of the union of intervals."""
    length, reached = 0, 0
    for start, end in sorted(intervals):
        length += max(0, end - max(start, reached))
        reached = max(reached, end)
    return length


def _operations(folder: Path) -> Iterator[tuple[str, Interval]]:
    """Every run of an operation: the profile names them `scope/name:Type`, and nothing else with both signs."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for path in folder.rglob("*.xplane.pb"):
        space: Any = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    if "/" in name and ":" in name:
                        start = line.timestamp_ns * 1000 + event.offset_ps
                        yield name, (start, start + event.duration_ps)
