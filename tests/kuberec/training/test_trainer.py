"""Early stopping, refit, checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kuberec.errors import ModelError
from kuberec.features import Features
from kuberec.training.checkpoints import Checkpoints, Progress
from kuberec.training.config import TrainingRun, parse_config
from kuberec.training.families import family_names, load_family
from kuberec.training.loop import TrainingLoop
from kuberec.training.trainer import REFIT, Phase, fit
from tests.kuberec.builders import make_features, taste_rows

SETTINGS = {"embedding_size": 4, "batch_size": 64, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def features() -> Features:
    rows = sorted(taste_rows(), key=lambda row: row[3])
    return make_features(rows[:-150], rows[-150:])


@pytest.fixture(params=["matrix_factorization", "triplet"])
def family_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _phase(name: str, features: Features, folder: Path | None, **settings: object) -> Phase:
    family = load_family(name)
    run = TrainingRun(seed=5, checkpoints=folder, checkpoint_seconds=0)
    config = parse_config(family.config, SETTINGS | settings)
    return Phase(family, config, features, features.train, run, Checkpoints(folder))


def test_a_resumed_phase_equals_the_unbroken_one(family_name: str, features: Features, tmp_path: Path) -> None:
    unbroken = _phase(family_name, features, None)
    unbroken.run(REFIT, 4)
    _phase(family_name, features, tmp_path / "checkpoints").run(REFIT, 2)
    resumed = _phase(family_name, features, tmp_path / "checkpoints")
    progress = resumed.run(REFIT, 4)
    assert [record["epoch"] for record in progress.history] == [1, 2, 3, 4]
    for ours, theirs in zip(resumed.loop.variables, unbroken.loop.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("passes", range(1, 6))
def test_pretraining_that_was_interrupted_goes_on(
    passes: int, features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = _phase("neumf", features, None, pretraining=2)
    unbroken.run(REFIT, 2)
    made: list[int] = []
    run_epoch, most = TrainingLoop.run_epoch, passes

    def counted(loop: TrainingLoop, epoch: int) -> dict[str, float]:
        if len(made) == most:
            raise KeyboardInterrupt
        made.append(epoch)
        return run_epoch(loop, epoch)

    monkeypatch.setattr(TrainingLoop, "run_epoch", counted)
    with pytest.raises(KeyboardInterrupt):
        _phase("neumf", features, tmp_path, pretraining=2).run(REFIT, 2)
    most = 6
    resumed = _phase("neumf", features, tmp_path, pretraining=2)
    resumed.run(REFIT, 2)
    assert made == [0, 1, 0, 1, 0, 1], "each pass of the parts and of the whole once"
    for ours, theirs in zip(resumed.loop.variables, unbroken.loop.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_a_checkpoint_of_another_network_is_a_clear_error(features: Features, tmp_path: Path) -> None:
    _phase("matrix_factorization", features, tmp_path).run(REFIT, 1)
    other = _phase("matrix_factorization", features, tmp_path, embedding_size=5)
    with pytest.raises(ModelError, match=r"refit\.npz does not fit the network: .*delete .* and train anew"):
        other.run(REFIT, 2)


def test_training_stops_when_validation_gets_no_better(features: Features) -> None:
    family = load_family("matrix_factorization")
    config = parse_config(family.config, SETTINGS | {"epochs": 200, "patience": 3})
    training = fit(family, config, features, TrainingRun())
    assert len(training.history) == training.epochs + 3
    best = max(training.history, key=lambda record: record["ndcg@10"])
    assert (training.epochs, training.validation["ndcg@10"]) == (best["epoch"], best["ndcg@10"])


def test_without_patience_every_pass_is_made(features: Features) -> None:
    family = load_family("matrix_factorization")
    config = parse_config(family.config, SETTINGS | {"epochs": 12, "patience": None, "learning_rate": 0.5})
    training = fit(family, config, features, TrainingRun())
    last = training.history[-1]
    assert (training.epochs, training.validation["ndcg@10"]) == (12, last["ndcg@10"])
    assert max(record["ndcg@10"] for record in training.history) > last["ndcg@10"], "else patience would do the same"


def test_the_final_model_knows_the_validation_part(features: Features) -> None:
    family = load_family("matrix_factorization")
    training = fit(family, parse_config(family.config, SETTINGS | {"epochs": 2}), features, TrainingRun())
    assert len(training.model.data.interactions) == len(features.train) + len(features.validation)


def test_checkpoints_are_gone_after_the_run(features: Features, tmp_path: Path) -> None:
    family = load_family("matrix_factorization")
    run = TrainingRun(checkpoints=tmp_path, checkpoint_seconds=0)
    fit(family, parse_config(family.config, SETTINGS | {"epochs": 2}), features, run)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_reads_the_logs(features: Features, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    family = load_family("matrix_factorization")
    config = parse_config(family.config, SETTINGS | {"epochs": 3, "patience": 3})
    training = fit(family, config, features, TrainingRun(logs=tmp_path))
    events = EventAccumulator(str(tmp_path / "search")).Reload()
    points = [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("loss")]
    np.testing.assert_allclose(points, [record["loss"] for record in training.history], rtol=1e-6)


def test_a_torn_checkpoint_is_never_left(tmp_path: Path) -> None:
    checkpoints, variable = Checkpoints(tmp_path / "run"), tf.Variable([1.0, 2.0])
    checkpoints.save("search", Progress(epoch=3, best_epoch=2, best_metric=0.5), [variable])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["search.npz"]
    variable.assign([0.0, 0.0])
    progress = checkpoints.restore("search", [variable])
    assert (progress.epoch, progress.best_epoch, variable.numpy().tolist()) == (3, 2, [1.0, 2.0])


def test_an_unknown_family_is_named_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=f"'nope'.*{', '.join(family_names())}"):
        load_family("nope")
