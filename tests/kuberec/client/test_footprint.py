"""What the client drags along: modules at import, megabytes on disk."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

import kuberec

ROOT = Path(__file__).parents[3]
LIMIT_BYTES = 20_000_000
UNREACHABLE = ("No matching distribution found for grpcio", "Connection", "Max retries exceeded", "timed out")
ASK = """
from kuberec.client import Client
with Client({target!r}, timeout=30) as client:
    print(client.recommend("recommender", "ann", 2).item_ids, client.status("sum")[0].version)
"""


def python(code: str, *, executable: Path | str = sys.executable, path: Path | str = ROOT) -> str:
    """What a process of its own prints."""
    environment = {**os.environ, "PYTHONPATH": str(path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    # -P: or the folder that the tests run in would be looked at first.
    words = [str(executable), "-P", "-W", "ignore", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_needs_grpc_and_nothing_else() -> None:
    # Measured on a busy machine: 0.17 s, of which gRPC takes 0.1; the stubs of tensorflow-serving-api take 5 to 7.
    heavy = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "ibis", "duckdb", "pydantic", "google.protobuf")
    assert python(f"import sys, kuberec.client; print([name for name in {heavy} if name in sys.modules])") == "[]"


def test_the_sources_name_no_other_package() -> None:
    sources = [ROOT / "kuberec" / "errors.py", *(ROOT / "kuberec" / "client").glob("*.py")]
    imports = r"^ *(?:import|from) ([\w.]+)"
    names = {name for file in sources for name in re.findall(imports, file.read_text(encoding="utf-8"), re.MULTILINE)}
    allowed = ("kuberec.client", "kuberec.errors")
    others = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if not name.startswith(allowed)} == {"grpc"}


@pytest.mark.parametrize(
    "imports",
    [
        "import kuberec.client; from tensorflow_serving.apis import predict_pb2, get_model_status_pb2",
        "from tensorflow_serving.apis import predict_pb2, get_model_status_pb2; import kuberec.client",
    ],
)
def test_tensorflow_servings_own_stubs_may_be_there_too(imports: str, target: str) -> None:
    assert python(imports + ASK.format(target=target)) == "['i1', 'i3'] 123"


def test_the_small_distribution_has_the_version_of_the_whole() -> None:
    for setup in ("setup.py", "client/setup.py"):
        assert f'version="{kuberec.__version__}"' in (ROOT / setup).read_text(encoding="utf-8")


def build_wheel(folder: Path) -> Path:
    """The wheel of the small distribution, built from copies: a build leaves folders behind."""
    shutil.copytree(ROOT / "client", folder / "client")
    shutil.copytree(ROOT / "kuberec", folder / "kuberec", ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "dist", folder / "client")
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def pip(*words: object) -> None:
    command: Sequence[str] = [sys.executable, "-m", "pip", "--retries", "1", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(reason in done.stderr for reason in UNREACHABLE):
        pytest.skip(f"the package registry cannot be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_environment_for_the_client_alone_stays_under_20_megabytes(tmp_path: Path, target: str) -> None:
    environment = tmp_path / "environment"
    venv.create(environment)
    executable = environment / "bin" / "python"
    (grpc,) = re.findall(r"^grpcio==\S+", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    pip("--python", executable, "install", grpc, build_wheel(tmp_path))

    (packages,) = environment.glob("lib/python*/site-packages")
    installed = {path.name.partition("-")[0].removesuffix(".py") for path in packages.iterdir()} - {"__pycache__"}
    assert installed == {"kuberec", "kuberec_client", "grpc", "grpcio", "typing_extensions"}
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) < LIMIT_BYTES
    assert python(ASK.format(target=target), executable=executable, path="") == "['i1', 'i3'] 123"
