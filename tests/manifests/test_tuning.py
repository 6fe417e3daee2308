"""The experiment tunes hyperparameters that exist, by a metric that the trial prints."""

import re

import pytest

from kuberec.cli.output import print_facts
from models.matrix_factorization.config import MatrixFactorizationConfig
from tests.manifests.rendering import MANIFESTS, named

SPEC = named(MANIFESTS / "overlays" / "dev", "Experiment", "matrix-factorization-1")["spec"]


@pytest.mark.parametrize("value", [0.123456789, 1.5e-7])
def test_katib_finds_the_metric_in_what_train_prints(value: float, capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("model → /tmp/model", {"rows": 3, "family": "x", "ndcg@10": value, "recall@10": 0.5})
    (pattern,) = SPEC["metricsCollectorSpec"]["source"]["filter"]["metricsFormat"]
    found = {
        match[1]: float(match[2])
        for line in capsys.readouterr().out.splitlines()
        if (match := re.search(pattern, line))
    }
    assert found[SPEC["objective"]["objectiveMetricName"]] == pytest.approx(value, rel=1e-5)


def test_every_parameter_is_a_hyperparameter_and_is_used() -> None:
    names = {each["name"] for each in SPEC["parameters"]}
    assert names <= MatrixFactorizationConfig.model_fields.keys()
    used = {each["name"]: each["reference"] for each in SPEC["trialTemplate"]["trialParameters"]}
    assert set(used.values()) == names
    (container,) = SPEC["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    given = [word.removeprefix("--set=") for word in container["command"] if word.startswith("--set=")]
    assert given == [f"{reference}=${{trialParameters.{name}}}" for name, reference in used.items()]
