"""The images do their work as user 1000, with nothing to write to but /tmp and their volumes."""

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
import yaml
from tensorflow_serving.apis import prediction_service_pb2_grpc

from kuberec.artifacts import read_manifest
from kuberec.client import Client
from kuberec.gitops.promotion import Environment
from kuberec.serving.testing import model_server
from tests.images.conftest import ROOT
from tests.images.containers import PATIENCE_SECONDS, USER, Container, Image
from tests.kuberec.conftest import Run, run
from tests.kuberec.gitops.deployment import VERSION_YAML, make_checkout, publish, served
from tests.kuberec.serving import rpc
from tests.kuberec.serving.saved_models import save_loop
from tests.pipelines.synthetic import write_dataset

__all__ = ["run"]

Images = Callable[[str], Image]
TARGETS = ("serve", "pipeline", "notebook")
LOOP_STEPS = 2000
"""Work of about a second, long enough to be there when the signal comes."""
SERVED_FIRST = "models: {recommender: {versions: [1], labels: {stable: 1, canary: 1}}}\n"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_is_there(image: Images, target: str, tmp_path: Path) -> None:
    done = Container(image(target), tmp_path, ["kuberec", "--help"]).run()
    assert done.returncode == 0, done.stderr
    assert "Usage: kuberec" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_the_user_is_no_root_and_can_change_no_program(image: Images, target: str, tmp_path: Path) -> None:
    assert image(target).user == str(USER)
    theirs = rf"find / -xdev \( -uid {USER} -o -perm -002 \) ! -type l ! -perm -1000 ! -path '/home/*'"
    words = ["sh", "-c", f"id -u; {theirs} 2> /dev/null; touch ~/x /tmp/x"]
    done = Container(image(target), tmp_path, words, environment={"HOME": "/home/kuberec"}).run()
    assert done.stdout.split() == [str(USER)]
    assert done.stderr.count("Read-only file system") == 1


def test_a_step_of_the_compiled_pipeline_runs(image: Images, tmp_path: Path) -> None:
    data, work = tmp_path / "data", tmp_path / "work"
    work.mkdir()
    write_dataset(data, users=30)
    pipeline = next(yaml.safe_load_all((ROOT / "pipelines/compiled/training.yaml").read_text(encoding="utf-8")))
    step = pipeline["deploymentSpec"]["executors"]["exec-ingest"]["container"]
    given = {
        "inputs": {"parameterValues": {"source": "/data/dataset.yaml", "location": "", "revision": "1"}},
        "outputs": {
            "artifacts": {"dataset": {"artifacts": [{"name": "dataset", "uri": "/work/dataset", "metadata": {}}]}},
            "outputFile": "/work/output.json",
        },
    }
    words = [json.dumps(given) if word == "{{$}}" else word for word in (*step["command"], *step["args"])]

    done = Container(image("pipeline"), tmp_path, words, volumes={"/data": data, "/work": work}).run()

    assert done.returncode == 0, done.stderr
    manifest = read_manifest(work / "dataset")
    output = json.loads((work / "output.json").read_text(encoding="utf-8"))
    (artifact,) = output["artifacts"]["dataset"]["artifacts"]
    assert artifact["metadata"]["content_hash"] == manifest.content_hash


def test_the_image_of_the_steps_commits_a_promotion(image: Images, tmp_path: Path) -> None:
    deployment, models = make_checkout(tmp_path / "deployment", VERSION_YAML), tmp_path / "models"
    publish(models, 1)
    words = ["kuberec", "promote", "--version=1", "--label=canary", "--repository=/models", "--git=/deployment"]
    volumes = {"/deployment": deployment, "/models": models}

    done = Container(image("pipeline"), tmp_path, words, volumes=volumes).run()

    assert done.returncode == 0, done.stderr
    for path in (deployment, *deployment.rglob("*")):
        shutil.chown(path, "root", "root")  # git reads no folder of somebody else
    assert served(Environment(str(deployment), "dev")).labels["canary"] == 1


def test_the_server_answers_as_it_does_here_and_drains(image: Images, run: Run, tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(run.export, models / "recommender" / "1")
    save_loop(models / "loop" / "1")
    with model_server(models) as target, Client(target) as client:
        expected = client.recommend("recommender", "1", k=5)

    server = image("serve")
    words = [*server.command, "--port=0"]
    container = Container(server, tmp_path, words, volumes={"/models": models}, host_network=True)
    with container.running() as process:
        assert process.stdout
        found = re.search(r"/models on \S+:(\d+);", process.stdout.readline())
        assert found, process.communicate()
        target = f"localhost:{found[1]}"
        with Client(target) as client:
            answer = client.recommend("recommender", "1", k=5)
        with grpc.insecure_channel(target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            running = stub.Predict.future(loop(LOOP_STEPS), timeout=PATIENCE_SECONDS)
            # What comes later on the same connection is answered: so the first request has begun.
            stub.Predict(loop(1), timeout=PATIENCE_SECONDS)
            process.terminate()
            said, errors = process.communicate(timeout=PATIENCE_SECONDS)
            counted = tf.make_ndarray(running.result().outputs["count"])

    assert answer.item_ids == expected.item_ids
    assert answer.scores == pytest.approx(expected.scores, abs=1e-5)
    assert counted == LOOP_STEPS
    assert process.returncode == 0, errors
    assert "running requests are answered first" in said


def test_the_sidecar_copies_what_version_yaml_names_and_ends_at_a_signal(image: Images, tmp_path: Path) -> None:
    repository, models, versions = tmp_path / "repository", tmp_path / "models", tmp_path / "versions"
    publish(repository, 1)
    models.mkdir()
    versions.mkdir()
    (versions / "version.yaml").write_text(SERVED_FIRST, encoding="utf-8")
    volumes = {"/repository": repository, "/models": models, "/etc/kuberec": versions}

    container = Container(image("serve"), tmp_path, sidecar_command("file:///repository"), volumes=volumes)
    with container.running() as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not (models / "models.config").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, errors
    published = repository / "recommender" / "1" / "saved_model.pb"
    assert (models / "recommender" / "1" / "saved_model.pb").read_bytes() == published.read_bytes()


@pytest.mark.parametrize("declared", [False, True], ids=["by itself", "as the manifest starts it"])
def test_the_notebook_is_reached_below_its_prefix_and_asks_for_a_token(
    image: Images, declared: bool, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    prefix = "/notebook/team/workbench"
    command = manifest_command(prefix) if declared else []
    environment = {"NB_PREFIX": prefix, "HOME": "/home/kuberec"}
    container = Container(
        image("notebook"), tmp_path, command, volumes={"/home/kuberec": home}, environment=environment
    )
    ask = "from urllib.request import urlopen; urlopen('http://127.0.0.1:8888{}')"
    with container.running() as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while (done := container.execute("python3", "-c", ask.format(f"{prefix}/api"))).returncode:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, done.stderr
            time.sleep(1)
        refused = container.execute("python3", "-c", ask.format(f"{prefix}/api/contents"))
        libraries = container.execute("python3", "-c", "import kuberec, kfp, pipelines.training")
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)

    assert "403" in refused.stderr
    assert libraries.returncode == 0, libraries.stderr
    assert process.returncode == 0, errors


def manifest_command(prefix: str) -> list[str]:
    """How the Notebook of the manifests starts the image."""
    notebook = yaml.safe_load((ROOT / "manifests/base/notebooks/notebook.yaml").read_text(encoding="utf-8"))
    (container,) = notebook["spec"]["template"]["spec"]["containers"]
    return [word.replace("$(NB_PREFIX)", prefix) for word in (*container["command"], *container["args"])]


def sidecar_command(repository: str) -> list[str]:
    """How the model server's pod starts the image."""
    deployment = yaml.safe_load((ROOT / "manifests/base/serving/deployment.yaml").read_text(encoding="utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    return [word.replace("$(REPOSITORY)", repository) for word in (*container["command"], *container["args"])]


def loop(steps: int) -> Any:
    """A request that takes its time."""
    return rpc.predict_request("loop", {"steps": tf.constant(steps, tf.int64)})
