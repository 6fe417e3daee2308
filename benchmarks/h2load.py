"""Load of one gRPC request over and over by h2load, of Debian's nghttp2-client, which costs the machine little."""

import re
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import numpy as np

MICROSECONDS = 1e-6


@dataclass(frozen=True)
class Load:
    """What the clients saw.

    Attributes:
        rate: Requests per second.
        p50: Median seconds of a request.
        p99: Its 99th percentile.
    """

    rate: float
    p50: float
    p99: float


def h2load(target: str, path: str, message: bytes, *, connections: int, streams: int, requests: int) -> Load:
    """Send a request as often as asked, a new one as soon as one is answered.

    Args:
        target: `host:port`.
        path: The remote procedure's path.
        message: The request's bytes.
        connections: Number of connections.
        streams: Requests under way on each.
        requests: Number of requests altogether.

    Raises:
        RuntimeError: h2load failed, or a request did.
    """
    if not which("h2load"):
        sys.exit("h2load is expected on the PATH: install nghttp2-client.")
    with tempfile.TemporaryDirectory(prefix="kuberec-benchmark-") as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(struct.pack(">BI", 0, len(message)) + message)
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        sizes = ["-c", str(connections), "-m", str(streams), "-n", str(requests)]
        command = ["h2load", *sizes, *headers, "-d", str(body), f"--log-file={log}", f"http://{target}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"finished in .*?, ([\d.]+) req/s", done.stdout)
        if done.returncode or not found or f"{requests} succeeded" not in done.stdout:
            raise RuntimeError(f"{requests} answers were expected of {' '.join(command)}:\n{done.stdout}{done.stderr}")
        seconds = np.loadtxt(log, usecols=2) * MICROSECONDS
    p50, p99 = np.percentile(seconds, [50, 99])
    return Load(float(found[1]), float(p50), float(p99))
