"""How a version comes up: loaded, counted, batched where the server batches, and warmed up."""

import gc
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
        owns_process: Whether nothing but this server lives in the process. Then the garbage collector passes over what
            is loaded: to walk the graphs now and then would stop all requests for that long.
    """

    metrics: Metrics = field(default_factory=Metrics)
    batching: Batching | None = None
    session: SessionOptions = field(default_factory=SessionOptions)
    checks_methods: bool = False
    warmup_runs: int = 1
    owns_process: bool = False

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
        if self.owns_process:
            _pass_over_what_is_there()
        return servable


def _pass_over_what_is_there() -> None:
    gc.unfreeze()  # what is left of earlier versions may go
    gc.collect()
    gc.freeze()
