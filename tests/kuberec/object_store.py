"""An S3 server in a process of its own, reached as the pods of `manifests/components/object-store` reach theirs.

It answers one request after the other, so that of two writers who both ask to be the first one is refused.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from upath import UPath
from werkzeug.serving import run_simple

from tests.serving.endurance.process import free_port

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PATIENCE_SECONDS = 60


@contextmanager
def object_store(folder: Path, bucket: str) -> Iterator[str]:
    """Run the server for the time of a block, with a bucket; the environment leads to it.

    Args:
        folder: For the credentials and the log.
        bucket: The bucket's name.

    Yields:
        The bucket's URI.
    """
    port = free_port()
    command = [sys.executable, "-m", "tests.kuberec.object_store", str(port)]
    with (folder / "s3.log").open("w") as log, subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as server:
        try:
            with mock.patch.dict(os.environ, _environment(folder, f"http://{HOST}:{port}")):
                _await(os.environ["AWS_ENDPOINT_URL"], server)
                root = UPath(f"s3://{bucket}", skip_instance_cache=True)
                root.fs.mkdir(bucket)
                yield str(root).rstrip("/")
        finally:
            server.kill()


def _environment(folder: Path, url: str) -> dict[str, str]:
    credentials = folder / "credentials"
    credentials.write_text("[default]\naws_access_key_id = id\naws_secret_access_key = secret\n", encoding="utf-8")
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # so that a test of a server that is gone need not wait
    }


def _await(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json").close()
            return
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)


if __name__ == "__main__":
    run_simple(HOST, int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
