"""How a version comes up: loaded, counted, batched where the server batches, and warmed up."""

from dataclasses import dataclass, field
from pathlib import Path

from kuberec.serving.batching.session import Batching
from kuberec.serving.metrics import Metrics
from kuberec.serving.servable import Servable
from kuberec.serving.session import SessionOptions
from kuberec.serving.warmup import warm_up


@dataclass(frozen=True)
class Loader:
    """Loads versions of models.

    Attributes:
        metrics: What their requests are counted in.
        batching: How their runs are batched; None for not.
        session: How their models are opened.
        checks_methods: Whether a signature answers only the procedure of its `method_name`.
        warmup_runs: How often each warm-up request runs; 0 for no warm-up.
    """

    metrics: Metrics = field(default_factory=Metrics)
    batching: Batching | None = None
    session: SessionOptions = field(default_factory=SessionOptions)
    checks_methods: bool = False
    warmup_runs: int = 1

    def load(self, name: str, version: int, path: Path) -> Servable:
        """Load a version and warm it up; a failed warm-up leaves nothing behind."""
        servable = Servable(
            name,
            version,
            path,
            metrics=self.metrics,
            batching=self.batching,
            session=self.session,
            checks_methods=self.checks_methods,
        )
        try:
            if self.warmup_runs:
                warm_up(servable, path, self.warmup_runs)
        except BaseException:
            servable.retire()
            raise
        return servable
