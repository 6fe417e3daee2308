"""An evaluation in a notebook: the figures as tables and sentences."""

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuberec.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


class Evaluation:
    """What `evaluate` found.

    Args:
        folder: The output of `evaluate`; its `report.html` is the same for a browser.

    Attributes:
        metrics: The content of `metrics.json`.
    """

    def __init__(self, folder: Path | str) -> None:
        from kuberec.evaluate import METRICS_FILE

        self.folder = Path(folder)
        self.metrics: dict[str, Any] = json.loads((self.folder / METRICS_FILE).read_text(encoding="utf-8"))

    @property
    def findings(self) -> list[str]:
        """What the figures say, in sentences."""
        from kuberec.evaluation.report import findings

        return findings(self.metrics)

    def to_pandas(self, part: str = "all") -> "pd.DataFrame":
        """One row a recommender, best first: role, each metric's mean and interval, and how varied the lists are.

        Args:
            part: A slice of the users or items, out of `metrics["slices"]`.

        Returns:
            Indexed by recommender; columns `role`, and for each metric `name@k`, `name@k_low`, `name@k_high`; then
            `coverage`, `gini`, `novelty` of all lists.

        Raises:
            ConfigError: There is no such slice.
        """
        import pandas as pd

        from kuberec.evaluation.report import ranked, role

        if part not in self.metrics["slices"]:
            raise ConfigError(f"There is no slice {part!r}; the slices are {', '.join(self.metrics['slices'])}.")
        rows = {name: {"role": role(self.metrics, name), **self._figures(name, part)} for name in ranked(self.metrics)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("recommender")

    def per_user(self) -> "pd.DataFrame":
        """One row a recommender and test user: the metrics of that user's list, and how many items were to be found."""
        import pandas as pd

        from kuberec.evaluate import PER_USER_FILE

        return pd.read_parquet(self.folder / PER_USER_FILE)

    def _figures(self, name: str, part: str) -> dict[str, float]:
        own = self.metrics["recommenders"][name]
        figures: dict[str, float] = {}
        for metric, value in own["slices"][part].items():
            figures |= {metric: value["mean"], f"{metric}_low": value["low"], f"{metric}_high": value["high"]}
        return figures | {each: own["lists"][each] for each in ("coverage", "gini", "novelty")}

    def __repr__(self) -> str:
        return "\n".join(self.findings)

    def _repr_html_(self) -> str:
        """What a notebook shows: the findings and the table of the means."""
        table = self.to_pandas()
        means = table.drop(columns=[name for name in table.columns if name.endswith(("_low", "_high"))])
        sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.findings)
        return f"<ul>{sentences}</ul>{means.to_html(float_format='{:.4f}'.format)}"
