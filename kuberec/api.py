"""Kuberec for notebooks: train and compare models in a line each, with the steps and the objects of the pipeline.

Heavy packages are imported inside the functions: `import kuberec` imports this module.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuberec.artifacts import read_manifest
from kuberec.errors import ConfigError
from kuberec.evaluation.result import Evaluation
from kuberec.train import HISTORY_FILE, MODEL_FILE, VALIDATION_FILE, load_model
from kuberec.train import train as train_step
from kuberec.work_folder import WorkFolder

if TYPE_CHECKING:
    import pandas as pd

    from kuberec.recommender import Recommendations
    from kuberec.training.fitted import FittedModel

WORK_DIR = "var/notebook"
RANK, SCORE = "rank", "score"


def train(
    dataset: Path | str,
    *,
    family: str,
    seed: int = 0,
    k: int = 10,
    strategy: str = "temporal",
    validation_share: float = 0.1,
    test_share: float = 0.1,
    max_bad_share: float = 0.01,
    location: str = "",
    work_dir: Path | str = WORK_DIR,
    **hyperparameters: Any,
) -> "Model":
    """Train a model family on a dataset: ingest, validate, split, featurize and train, as the pipeline does.

    Each step's result is kept in the work folder, and a call that needs the same one again finds it there: a second
    family on the same data only trains, the same call again reads everything. A training that was interrupted goes on
    where it was.

    Args:
        dataset: A folder with a `dataset.yaml`, the path or URI of one, or a built-in dataset's name.
        family: Name of a folder in `models/`, such as `triplet` or `matrix_factorization`.
        seed: Of everything random.
        k: Cutoff of the validation metrics.
        strategy: How the data is parted: `temporal`, `leave_one_out`, `user`, `ratio` or `item`.
        validation_share: Share of the data that chooses the number of passes.
        test_share: Share that `Model.evaluate` judges by; training never reads it.
        max_bad_share: Greatest share of a table's rows that may be refused.
        location: Where a built-in dataset's files are; empty to fetch them.
        work_dir: Folder for all artifacts.
        hyperparameters: Of the family, such as `epochs=5`; its own defaults where absent.

    Raises:
        KuberecError: As the steps; an unknown family or hyperparameter is told before the data is read.
    """
    from kuberec.featurize import featurize
    from kuberec.fingerprint import code_fingerprint, source_fingerprint
    from kuberec.ingest import ingest
    from kuberec.split import split
    from kuberec.training.config import parse_config
    from kuberec.training.families import load_family
    from kuberec.validate import validate

    overrides = parse_config(load_family(family).config, hyperparameters).model_dump(mode="json")
    source, work = _source(dataset), WorkFolder(work_dir)
    rows = work.run(ingest, [source], {"location": location}, revision=source_fingerprint(source, location))
    rows = work.run(validate, [rows], {"max_bad_share": max_bad_share})
    shares = {"validation_share": validation_share, "test_share": test_share}
    parts = work.run(split, [rows], {"strategy": strategy, **shares, "seed": seed})
    features = work.run(featurize, [parts], {})
    settings = {"family": family, "overrides": overrides, "seed": seed, "k": k}
    settings["checkpoints"] = str(work.path / "checkpoints")
    folder = work.run(train_step, [features], settings, revision=code_fingerprint(["models"]))
    return Model(folder, features=features, split=parts, work_dir=work_dir)


def compare(
    models: Sequence["Model"],
    *,
    k: int = 10,
    baselines: Sequence[str] | None = None,
    champion: str = "",
    resamples: int = 1000,
    seed: int = 0,
) -> "Evaluation":
    """Judge models of one split side by side, as the pipeline's `evaluate` does.

    Args:
        models: At least one; the best on validation becomes the candidate.
        k: Length of the ranked lists.
        baselines: Names out of `kuberec.baselines.BASELINES`; all of them when absent.
        champion: Folder or URI of the SavedModel version that serves now; empty without one.
        resamples: Number of bootstrap resamples behind each interval.
        seed: Seed of the bootstrap and of the baselines.

    Raises:
        ConfigError: No model, an unknown baseline, or a number out of range.
        DataError: No test user has a positive.
        ArtifactError: The models were not trained on the same features.
    """
    from kuberec.baselines import BASELINES
    from kuberec.evaluate import evaluate

    if not models:
        raise ConfigError("There is no model to compare; name at least one result of `kuberec.train`.")
    chosen = list(BASELINES if baselines is None else baselines)
    settings = {"k": k, "baselines": chosen, "champion": champion, "resamples": resamples, "seed": seed}
    inputs = [[model.folder for model in models], models[0].split, models[0].features]
    return Evaluation(WorkFolder(models[0].work_dir).run(evaluate, inputs, settings))


class Model:
    """A trained model: it answers, evaluates and exports itself.

    Also opens what a pipeline run or the command line has trained.

    Args:
        folder: The output of `train`.
        features: The features that it was trained on.
        split: The split that these were made from.
        work_dir: Folder for the artifacts of `evaluate`.

    Attributes:
        family: Name of the model family.
        hyperparameters: All of them, the defaults too.
        seed: Of everything random.
        epochs: Passes over the data that the validation part chose.
        validation: The validation metrics at that point, by name.
    """

    def __init__(
        self, folder: Path | str, *, features: Path | str, split: Path | str, work_dir: Path | str = WORK_DIR
    ) -> None:
        self.folder, self.features, self.split, self.work_dir = Path(folder), Path(features), Path(split), work_dir
        manifest = read_manifest(folder)
        stored = _read_json(self.folder / MODEL_FILE)
        self.family: str = stored["family"]
        self.hyperparameters: dict[str, Any] = stored["hyperparameters"]
        self.seed = manifest.seed
        self.epochs: int = manifest.facts["epochs"]
        self.validation: dict[str, float] = _read_json(self.folder / VALIDATION_FILE)

    @cached_property
    def fitted(self) -> "FittedModel":
        """The object behind the answers: vectors, scores, ranks."""
        from kuberec.features import load_features

        return load_model(self.folder, load_features(self.features))

    @property
    def history(self) -> "pd.DataFrame":
        """One row a pass of the search: epoch, loss, validation metrics."""
        import pandas as pd

        return pd.DataFrame(_read_json(self.folder / HISTORY_FILE)).set_index("epoch")

    def recommend(
        self, users: Sequence[Any] | Any, k: int = 10, *, histories: Sequence[Sequence[Any]] | None = None
    ) -> "pd.DataFrame":
        """The k best items for each user, without those the user is known to have taken.

        Args:
            users: Raw ids, or a single one; an unknown user gets what is popular of late.
            k: At least 1; cut to the size of the catalogue.
            histories: For each user the raw ids of the items just taken, oldest first.

        Returns:
            One row a recommendation, best first: user_id, rank from 1, item_id, title where the dataset names one,
            score. Users stand in the order asked for.

        Raises:
            ConfigError: k is below 1, or there are not as many histories as users.
        """
        from kuberec.schema import USER

        ids = _ids(users)
        if histories is not None and len(histories) != len(ids):
            raise ConfigError(f"There are {len(histories)} histories for {len(ids)} users; give one for each.")
        sessions = None if histories is None else [_ids(history) for history in histories]
        return self._table(USER, ids, self.fitted.recommend(ids, _at_least_1(k), sessions))

    def similar_items(self, items: Sequence[Any] | Any, k: int = 10) -> "pd.DataFrame":
        """The k items nearest to each item by the cosine of their vectors.

        Args:
            items: Raw ids, or a single one; an unknown item has no row in the answer.
            k: At least 1.

        Returns:
            One row a neighbour, nearest first: similar_to, rank from 1, item_id, title where there is one, score.

        Raises:
            ConfigError: k is below 1.
        """
        ids = _ids(items)
        return self._table("similar_to", ids, self.fitted.similar_items(ids, _at_least_1(k)))

    def evaluate(self, **options: Any) -> "Evaluation":
        """Judge this model beside the baselines on the test part; options as of `kuberec.compare`."""
        return compare([self], **options)

    def export(self, path: Path | str) -> Path:
        """Write the SavedModel that the server runs, as the pipeline's `export` does; returns its folder.

        Args:
            path: The version's folder, `<repository>/<model>/<integer version>`; an earlier one there is replaced.
        """
        from kuberec.export import export

        export(self.folder, self.features, path)
        return Path(path)

    def _table(self, asked: str, ids: Sequence[str], answer: "Recommendations") -> "pd.DataFrame":
        """Ranked lists in long form, without their padding."""
        import numpy as np
        import pandas as pd

        from kuberec.features import TITLE
        from kuberec.recommender import PADDING
        from kuberec.schema import ITEM

        rows, length = answer.item_ids.shape
        table = pd.DataFrame({asked: np.repeat(np.array(ids, dtype=object), length)})
        table[RANK] = np.tile(np.arange(1, length + 1), rows)
        table[ITEM] = answer.item_ids.ravel()
        if self._titles:
            table[TITLE] = table[ITEM].map(self._titles)
        table[SCORE] = answer.scores.ravel()
        return table[table[ITEM] != PADDING].reset_index(drop=True)

    @cached_property
    def _titles(self) -> dict[str, str]:
        from kuberec.features import TITLES_FILE
        from kuberec.serving.titles import read_titles

        path = self.features / TITLES_FILE
        return read_titles(path) if path.is_file() else {}

    def _facts(self) -> dict[str, Any]:
        figures = {name: f"{value:.4f}" for name, value in self.validation.items()}
        return {"epochs": self.epochs, "seed": self.seed, **figures}

    def __repr__(self) -> str:
        return f"Model({self.family}, {', '.join(f'{name}={value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        """What a notebook shows: family, passes, validation metrics; the hyperparameters fold out."""
        facts = {**self._facts(), "folder": self.folder}
        return (
            f"<b>{escape(self.family)}</b> trained; the metrics are those of the validation part"
            f"{_html_table(facts)}<details><summary>hyperparameters</summary>{_html_table(self.hyperparameters)}</details>"
        )


def _source(dataset: Path | str) -> str:
    """What `ingest` takes: of a folder, the `dataset.yaml` in it."""
    from kuberec.dataset import DATASET_FILE

    return str(Path(dataset) / DATASET_FILE) if Path(dataset).is_dir() else str(dataset)


def _ids(values: Sequence[Any] | Any) -> list[str]:
    """Raw ids as texts, of a single one or of anything that holds several, such as a column of a table."""
    import numpy as np

    return [str(value) for value in ([values] if np.isscalar(values) else values)]


def _at_least_1(k: int) -> int:
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}.")
    return k


def _html_table(facts: dict[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    return f"<table>{rows}</table>"


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
