"""The peers, each in a process of its own in .venv-bench; the last line is one JSON object.

.venv-bench/bin/python benchmarks/speed/peers.py passes lightfm_bpr --positives FILE
.venv-bench/bin/python benchmarks/speed/peers.py curve implicit_bpr --positives FILE
"""

import argparse
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.speed.data import Positives, leave_one_out
from benchmarks.speed.judge import Curve, ranked

EMBEDDING_SIZE = 64
WARM_UP = 1

LIGHTFM = {"no_components": EMBEDDING_SIZE, "learning_rate": 0.05, "random_state": 0}
LIGHTFM_PASSES, LIGHTFM_EVERY = 30, 3
BPR = {"factors": EMBEDDING_SIZE, "learning_rate": 0.02, "regularization": 0.003, "iterations": 60, "random_state": 0}
BPR_EVERY = 5
ALS = {"factors": EMBEDDING_SIZE, "regularization": 10.0, "alpha": 1.0, "iterations": 15, "random_state": 0}
DSSM = {"n_factors": 128, "batch_size": 128, "max_epochs": 30}
DSSM_EVERY = 5


def lightfm_passes(loss: str, positives: Positives, threads: int, passes: int) -> list[float]:
    """Seconds of each pass after the warm-up."""
    model = _lightfm(loss)
    matrix = positives.matrix().tocoo()
    seconds = []
    for _ in range(WARM_UP + passes):
        start = time.perf_counter()
        model.fit_partial(matrix, epochs=1, num_threads=threads)
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP:]


def lightfm_curve(loss: str, positives: Positives, threads: int) -> Curve:
    """Train and judge every few passes."""
    train, target = leave_one_out(positives)
    taken = train.matrix()
    matrix = taken.tocoo()
    model = _lightfm(loss)
    curve = Curve(target)

    def scores(users: Any) -> Any:
        return model.user_embeddings[users] @ model.item_embeddings.T + model.item_biases

    for passes in range(LIGHTFM_EVERY, LIGHTFM_PASSES + 1, LIGHTFM_EVERY):
        model.fit_partial(matrix, epochs=LIGHTFM_EVERY, num_threads=threads)
        curve.add(passes, lambda: ranked(scores, taken))
    return curve


def _lightfm(loss: str) -> Any:
    from lightfm import LightFM  # type: ignore[import-not-found]

    return LightFM(loss=loss, **LIGHTFM)


def implicit_bpr_curve(positives: Positives, threads: int) -> Curve:
    """Train and judge every few passes."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    train, target = leave_one_out(positives)
    return _implicit_curve(BayesianPersonalizedRanking(num_threads=threads, **BPR), train, target, BPR_EVERY)


def implicit_als_curve(positives: Positives, threads: int) -> Curve:
    """Train and judge after each pass."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    train, target = leave_one_out(positives)
    # implicit runs its own threads and asks for a BLAS with one.
    with threadpool_limits(1, "blas"):
        return _implicit_curve(AlternatingLeastSquares(num_threads=threads, **ALS), train, target, 1)


def _implicit_curve(model: Any, train: Positives, target: Any, every: int) -> Curve:
    taken = train.matrix()
    curve = Curve(target)

    def judge(index: int, *_: Any) -> None:
        if (index + 1) % every == 0:
            curve.add(index + 1, lambda: ranked(lambda users: model.user_factors[users] @ model.item_factors.T, taken))

    model.fit(taken, show_progress=False, callback=judge)
    return curve


def dssm_curve(positives: Positives, threads: int) -> Curve:
    """RecTools' DSSM, which needs features: here the ids; train and judge every few passes."""
    import torch  # type: ignore[import-not-found]
    from pytorch_lightning import Callback, seed_everything  # type: ignore[import-not-found]
    from pytorch_lightning.callbacks import TQDMProgressBar  # type: ignore[import-not-found]
    from rectools.models.nn.dssm import DSSMModel

    torch.set_num_threads(threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    seed_everything(0, verbose=False)
    train, target = leave_one_out(positives)
    taken = train.matrix()
    dataset = _rectools_dataset(train)
    users, items = (ids.external_ids.astype(int) for ids in (dataset.user_id_map, dataset.item_id_map))
    curve = Curve(target)

    def lists() -> Any:
        user_vectors, vectors = model.get_vectors(dataset)
        places = np.argsort(users)
        scores = np.full(taken.shape, -np.inf, dtype=np.float32)
        distances = 2 * user_vectors[places] @ vectors.T - np.square(vectors).sum(axis=1)
        scores[:, items] = distances
        return ranked(lambda rows: scores[rows], taken)

    class Judge(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            passes = trainer.current_epoch + 1
            if passes % DSSM_EVERY == 0:
                model.model, model.is_fitted = pl_module, True
                curve.add(passes, lists)
                pl_module.train()

    silent = TQDMProgressBar(refresh_rate=0)
    model = DSSMModel(callbacks=[Judge(), silent], loggers=False, trainer_accelerator="cpu", **DSSM)
    curve.since = time.perf_counter()
    model.fit(dataset)
    return curve


def _rectools_dataset(train: Positives) -> Any:
    import pandas as pd
    from rectools.dataset import Dataset

    frame = pd.DataFrame({"user_id": train.user, "item_id": train.item, "weight": 1.0, "datetime": "1970-01-01"})
    features = [
        pd.DataFrame({"id": np.unique(column), "feature": "id", "value": np.unique(column)})
        for column in (train.user, train.item)
    ]
    return Dataset.construct(
        frame,
        user_features_df=features[0],
        cat_user_features=["id"],
        item_features_df=features[1],
        cat_item_features=["id"],
    )


CURVES: dict[str, tuple[Callable[[Positives, int], Curve], dict[str, Any]]] = {
    "implicit_bpr": (implicit_bpr_curve, BPR),
    "implicit_als": (implicit_als_curve, ALS),
    "lightfm_bpr": (lambda positives, threads: lightfm_curve("bpr", positives, threads), LIGHTFM),
    "lightfm_warp": (lambda positives, threads: lightfm_curve("warp", positives, threads), LIGHTFM),
    "rectools_dssm": (dssm_curve, DSSM),
}


def main() -> None:
    """Run one peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("passes", "curve"))
    parser.add_argument("peer", choices=list(CURVES))
    parser.add_argument("--positives", type=Path, required=True, help="an npz file of benchmarks/speed/data.py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--passes", type=int, default=1, help="passes to time after the warm-up (1)")
    arguments = parser.parse_args()
    positives = Positives.load(arguments.positives)
    if arguments.what == "passes":
        loss = arguments.peer.removeprefix("lightfm_")
        print(json.dumps({"seconds": lightfm_passes(loss, positives, arguments.threads, arguments.passes)}))
        return
    run, settings = CURVES[arguments.peer]
    # Lightning leaves checkpoints where it runs.
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        curve = run(positives, arguments.threads)
    print(json.dumps({"settings": settings, "best": curve.best, "curve": curve.points}))


if __name__ == "__main__":
    main()
