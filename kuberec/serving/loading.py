"""How a version comes up: loaded, counted, batched where the server batches, and warmed up."""

from dataclasses import dataclass, field
from pathlib import Path

from kuberec.serving.batching.session import Batching
from kuberec.serving.metrics import Metrics
from kuberec.serving.servable import Servable
from kuberec.serving.warmup import warm_up


@dataclass(frozen=True)
class Loader:
    """Loads versions of models.

    Attributes:
        metrics: What their requests are counted in.
        batching: How their runs are batched; None for not.
    """

    metrics: Metrics = field(default_factory=Metrics)
    batching: Batching | None = None

    def load(self, name: str, version: int, path: Path) -> Servable:
        """Load a version and warm it up; a failed warm-up leaves nothing behind."""
        servable = Servable(name, version, path, metrics=self.metrics, batching=self.batching)
        try:
            warm_up(servable, path)
        except BaseException:
            servable.retire()
            raise
        return servable
