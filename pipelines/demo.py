"""`kuberec demo`: the whole job on MovieLens-100K, told to a newcomer.

Runs the training pipeline, shows how the models stand beside the baselines and what the gate says, serves the result
over gRPC, and asks it twice: before and after the user has watched three films of one genre.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kuberec.config import RunConfig
from kuberec.dataset import DATASET_FILE, load_dataset_spec
from kuberec.schema import ITEM, ITEMS, USER, FeatureType
from pipelines.local import RunResult, run

WORK_DIR = "var/demo"
USER_ID = "196"
LENGTH = 10
WATCHED = 3
GENRE_ROWS = 5
STDERR = 2
QUALITY = ("better than", "holds against")
"""How the names of the gate's checks of quality begin; the others are checks of integrity."""
FEWEST_FILMS = 30
"""A genre with fewer films is no good example: too few are left to recommend."""


def main(work_dir: str = WORK_DIR, location: str = "", console: Console | None = None) -> RunResult:
    """Run the demonstration; everything it writes lies under `work_dir`.

    Args:
        work_dir: Folder for artifacts, cache and model repository.
        location: Folder that holds MovieLens-100K already; empty to fetch it.
        console: Where to tell the story, as a rule stdout.

    Raises:
        KuberecError: As `pipelines.local.run`.
    """
    console = console or Console()
    config = RunConfig(location=location, work_dir=work_dir, repository=f"{work_dir}/models")
    console.print(f"[bold]Training on {config.source}[/]: events → validated rows → split → models → judged → served")
    result = run(config)
    console.print(
        f"{len(result.executed)} steps ran, {len(result.cached)} came from the cache, {result.seconds:.0f} s\n"
    )
    tell(result, config, console)
    return result


def tell(result: RunResult, config: RunConfig, console: Console) -> None:
    """Tell what came of a run on a dataset of titled items: quality, verdict, reports, live answers, next commands."""
    licence = load_dataset_spec(result.artifacts["validated"] / DATASET_FILE).licence
    if licence:
        console.print(Text(f"Data: {licence}\n", "dim"))
    _show_quality(console, result)
    _show_verdict(console, result)
    repository = Path(config.repository) if result.passed else _unpromoted(result, config)
    _show_answers(console, result, repository, config)
    _show_commands(console, result, repository)


def _show_quality(console: Console, result: RunResult) -> None:
    from kuberec.evaluation.report import main_metric, ranked, role, short
    from kuberec.evaluation.slices import ALL

    evaluation = result.artifacts["evaluation"]
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    main, part = main_metric(metrics), metrics["slices"][ALL]
    recall = f"recall@{metrics['k']}"
    table = Table(
        title=f"{part['users']:,} test users, each list out of all {metrics['catalogue']:,} items, "
        f"{metrics['strategy']} split",
        caption=f"in brackets: {metrics['bootstrap']['confidence']:.0%} bootstrap intervals; best first",
    )
    for heading in ("recommender", "role", main, recall, "coverage"):
        table.add_column(heading, justify="left" if heading in ("recommender", "role") else "right")
    for name in ranked(metrics):
        own = metrics["recommenders"][name]
        chosen = role(metrics, name) == "candidate"
        figures = [_with_interval(own["slices"][ALL][metric]) for metric in (main, recall)]
        coverage = f"{own['lists']['coverage']:.0%}"
        table.add_row(short(name), role(metrics, name), *figures, coverage, style="bold" if chosen else "")
    console.print(table)


def _with_interval(value: dict[str, float]) -> Text:
    return Text(f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]")


def _show_verdict(console: Console, result: RunResult) -> None:
    verdict = json.loads((result.artifacts["verdict"] / "verdict.json").read_text(encoding="utf-8"))
    told = [check for check in verdict["checks"] if not check["passed"] or check["name"].startswith(QUALITY)]
    lines = Text()
    for check in told:
        lines.append("✓ " if check["passed"] else "✗ ", style="green" if check["passed"] else "red")
        lines.append(f"{check['name']}: {check['reason']}\n")
    lines.append(
        f"{len(verdict['checks']) - len(told)} more checks hold: no leak, label convention, row balance, lineage, "
        "and the export answers as the model does"
    )
    outcome = f"passed, published as version {result.version}" if result.passed else "refused, nothing was published"
    console.print(Panel(lines, title=f"The gate: {outcome}", border_style="green" if result.passed else "red"))
    console.print("Reports")
    for what, path in (
        ("data", result.artifacts["validated"] / "report.html"),
        ("evaluation", result.artifacts["evaluation"] / "report.html"),
        ("verdict", result.artifacts["verdict"] / "verdict.md"),
        ("what each step wrote", result.log),
    ):
        console.print(f"  {what:<22}", Text(_short(path)), soft_wrap=True)


def _unpromoted(result: RunResult, config: RunConfig) -> Path:
    """A repository beside the real one that holds the refused candidate, so that it can be looked at all the same."""
    repository = Path(config.work_dir) / "not-promoted"
    shutil.rmtree(repository, ignore_errors=True)
    shutil.copytree(result.artifacts["exported"], repository / config.model_name / "1")
    return repository


def _show_answers(console: Console, result: RunResult, repository: Path, config: RunConfig) -> None:
    """Serve the repository, rank the catalogue for a user, let the user watch three films, and rank it again."""
    from kuberec.client import Client
    from kuberec.serving.testing import model_server

    catalogue = _Catalogue.read(result.artifacts["validated"])
    everything = len(catalogue.titles)
    with _stderr_to(result.log), model_server(repository) as address, Client(address) as client:
        label = "" if result.passed else "; this candidate was [red]not promoted[/], it is served here only to be seen"
        console.print(f"\n[bold]Live[/]: gRPC, TensorFlow Serving's API, at [bold]{address}[/]{label}")
        before = client.recommend(config.model_name, USER_ID, everything).item_ids
        genre, watched = catalogue.example(USER_ID, before[:LENGTH])
        after = client.recommend(config.model_name, USER_ID, everything, history=watched).item_ids
    titles = "; ".join(catalogue.title(item) for item in watched)
    console.print(f"User {USER_ID} watches three films of the genre {genre}: {titles}.")
    table = Table(title=f"User {USER_ID}: the top ten before and after", caption="↑ new in the top ten")
    for heading in ("", "before", "after"):
        table.add_column(heading)
    for rank in range(LENGTH):
        mark = "" if after[rank] in before[:LENGTH] else "↑ "
        table.add_row(str(rank + 1), catalogue.title(before[rank]), mark + catalogue.title(after[rank]))
    console.print(table)
    _show_genre(console, catalogue, genre, before, after)


def _show_genre(
    console: Console, catalogue: "_Catalogue", genre: str, before: Sequence[str], after: Sequence[str]
) -> None:
    """Where the other films of the genre stood in the whole ranking, and where they stand now."""
    old, new = ({item: rank for rank, item in enumerate(answer, start=1)} for answer in (before, after))
    films = [item for item in after if genre in catalogue.genres.get(item, []) and item in old]
    middle = [int(median(ranks[item] for item in films)) for ranks in (old, new)]
    table = Table(title=f"The other {len(films)} films of the genre {genre}: rank among all {len(before):,}")
    for heading, justify in (("", "left"), ("before", "right"), ("after", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_row("median rank", str(middle[0]), str(middle[1]), style="bold")
    for item in films[:GENRE_ROWS]:
        table.add_row(catalogue.title(item), str(old[item]), str(new[item]))
    console.print(table)


def _show_commands(console: Console, result: RunResult, repository: Path) -> None:
    target = _short(repository)
    console.print("\n[bold]Go on[/]")
    for what, command in (
        ("serve", f".venv/bin/kuberec serve --repository {target}"),
        ("ask", f".venv/bin/kuberec recommend --user {USER_ID} -k {LENGTH} --repository {target}"),
        ("your own data", ".venv/bin/kuberec run --set source=path/to/dataset.yaml"),
        ("how to describe it", "docs/data-contract.md"),
    ):
        console.print(f"  {what:<22}", Text(command), soft_wrap=True)


@contextmanager
def _stderr_to(log: Path) -> Iterator[None]:
    """Add what TensorFlow's C++ part writes to stderr to a log; no setting of its own keeps it quiet."""
    kept = os.dup(STDERR)
    with log.open("a", encoding="utf-8") as stream:
        os.dup2(stream.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, STDERR)
            os.close(kept)


def _short(path: Path) -> str:
    """A path as one would type it here."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@dataclass(frozen=True)
class _Catalogue:
    """What the demonstration tells of items and users.

    Attributes:
        titles: Title by item id.
        genres: Genres by item id.
        takers: Number of interactions by item id.
        taken: The items of each user.
    """

    titles: dict[str, str]
    genres: dict[str, list[str]]
    takers: dict[str, int]
    taken: dict[str, set[str]]

    @staticmethod
    def read(validated: Path) -> "_Catalogue":
        """Read a `validated` artifact with titles and a multi-categorical feature."""
        spec = load_dataset_spec(validated / DATASET_FILE)
        assert spec.items
        assert spec.items.title
        kinds = {feature.type: name for name, feature in spec.items.features.items()}
        genre = kinds[FeatureType.MULTI_CATEGORICAL]
        items = pq.read_table(validated / f"{ITEMS}.parquet").to_pydict()
        events = pq.read_table(validated / "interactions.parquet", columns=[USER, ITEM])
        users = events.group_by(USER).aggregate([(ITEM, "distinct")]).to_pydict()
        counts = pc.value_counts(events[ITEM])
        return _Catalogue(
            titles=dict(zip(items[ITEM], items[spec.items.title], strict=True)),
            genres={item: names or [] for item, names in zip(items[ITEM], items[genre], strict=True)},
            takers={pair["values"]: pair["counts"] for pair in counts.to_pylist()},
            taken={user: set(ids) for user, ids in zip(users[USER], users[f"{ITEM}_distinct"], strict=True)},
        )

    def title(self, item: str) -> str:
        """An item's title, its id where it has none."""
        return self.titles.get(item) or item

    def example(self, user: str, answer: Sequence[str]) -> tuple[str, list[str]]:
        """A genre that is rarest in a user's answer, and its best known films that the user has not seen."""
        sizes: dict[str, int] = {}
        for names in self.genres.values():
            for name in names:
                sizes[name] = sizes.get(name, 0) + 1
        inside = {genre: sum(genre in self.genres.get(item, []) for item in answer) for genre in sizes}
        genre = min((g for g in sizes if sizes[g] >= FEWEST_FILMS), key=lambda g: (inside[g], sizes[g], g))
        seen = self.taken.get(user, set()) | set(answer)
        unseen = [item for item, names in self.genres.items() if genre in names and item not in seen]
        return genre, sorted(unseen, key=lambda item: (-self.takers.get(item, 0), item))[:WATCHED]
