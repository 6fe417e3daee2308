"""An evaluation for people: a self-contained HTML page with plots, and a Markdown table."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kuberec.evaluation.metrics import RANKING_METRICS
from kuberec.evaluation.slices import ALL
from kuberec.plots import inline_svg

TEMPLATE = "report.html"
WIDTH = 9.5
"""Of every plot, in inches."""
COLOURS = {"candidate": "#d1495b", "model": "#edae49", "baseline": "#5c7a99", "champion": "#3b8ea5"}

Metrics = Mapping[str, Any]


def html_report(metrics: Metrics) -> str:
    """The page of a `metrics.json`; the same figures give the same bytes."""
    main = main_metric(metrics)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    plots = {
        "Quality": _plot(_draw_quality, metrics, main),
        "The candidate's lead": _plot(_draw_leads, metrics, main),
        "Slices": _plot(_draw_slices, metrics, main),
        "Popularity and coverage": _plot(_draw_lists, metrics, main),
    }
    return template.render(
        metrics=metrics,
        main=main,
        order=ranked(metrics),
        short=short,
        findings=findings(metrics),
        plots=plots,
        colours=COLOURS,
    )


def markdown_report(metrics: Metrics) -> str:
    """The figures over all test users as a Markdown table, with what they say in sentences."""
    names = [f"{metric}@{metrics['k']}" for metric in RANKING_METRICS]
    lines = [f"# Evaluation on {metrics['dataset']}", ""]
    lines += [f"- {sentence}" for sentence in findings(metrics)]
    head = ["recommender", "role", *names, "coverage", "novelty"]
    lines += ["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name in ranked(metrics):
        own = metrics["recommenders"][name]
        cells = [_interval_text(own["slices"][ALL][metric]) for metric in names]
        title = f"**{short(name)}**" if name == metrics["candidate"] else short(name)
        lists = own["lists"]
        cells = [title, role(metrics, name), *cells, f"{lists['coverage']:.3f}", f"{lists['novelty']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main_metric(metrics: Metrics) -> str:
    """The metric that plots show and tables are ordered by."""
    return f"ndcg@{metrics['k']}"


def ranked(metrics: Metrics) -> list[str]:
    """Names of the recommenders, best first by the main metric over all users."""
    main = main_metric(metrics)
    recommenders = metrics["recommenders"]
    return sorted(recommenders, key=lambda name: (-recommenders[name]["slices"][ALL][main]["mean"], name))


def short(name: str) -> str:
    """A recommender's name for where its role stands beside it: a baseline's without the role before it."""
    return name.rpartition(":")[2]


def role(metrics: Metrics, name: str) -> str:
    """`candidate`, or the recommender's role."""
    return "candidate" if name == metrics["candidate"] else str(metrics["recommenders"][name]["role"])


def findings(metrics: Metrics) -> list[str]:
    """What the figures say, as sentences: the protocol, who leads, and how the candidate stands to each."""
    main, candidate, part = main_metric(metrics), metrics["candidate"], metrics["slices"][ALL]
    best = ranked(metrics)[0]
    bootstrap = metrics["bootstrap"]
    sentences = [
        f"{part['users']:,} test users with {part['truth']:,} positives, {metrics['strategy']} split; every list ranks "
        f"the full catalogue of {metrics['catalogue']:,} items. Intervals: {bootstrap['confidence']:.0%}, "
        f"{bootstrap['resamples']:,} bootstrap resamples of users.",
        f"The candidate is {candidate}, chosen on the validation part ({_validation_text(metrics)}).",
        f"Highest {main} on the test part: {best}, {_value_text(metrics, best, main)}."
        + ("" if best == candidate else f" The candidate reaches {_value_text(metrics, candidate, main)}."),
    ]
    return sentences + [
        f"Against {other}: {lead_text(parts[ALL][main], main)}." for other, parts in metrics["differences"].items()
    ]


def lead_text(lead: Mapping[str, float], metric: str) -> str:
    """A paired difference candidate - other in words; what the interval cannot tell apart is called level."""
    figures = f"{lead['mean']:+.4f} {metric}, interval {lead['low']:+.4f} to {lead['high']:+.4f}"
    if lead["low"] > 0:
        return f"the candidate is better ({figures})"
    if lead["high"] < 0:
        return f"the candidate is worse ({figures})"
    return f"level, the data does not tell them apart ({figures})"


def _validation_text(metrics: Metrics) -> str:
    values = [(name, *value.popitem()) for name, value in ((n, dict(v)) for n, v in metrics["validation"].items())]
    return ", ".join(f"{name} {metric} {value:.4f}" for name, metric, value in values)


def _value_text(metrics: Metrics, name: str, metric: str) -> str:
    return _interval_text(metrics["recommenders"][name]["slices"][ALL][metric])


def _interval_text(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.4f} ({value['low']:.4f}–{value['high']:.4f})"


def _plot(draw: Any, metrics: Metrics, main: str) -> Markup:
    # Each drawing sets a height by how many there are to compare.
    return inline_svg(lambda figure: draw(figure, metrics, main), (WIDTH, WIDTH))


def _draw_quality(figure: Figure, metrics: Metrics, main: str) -> None:
    names = ranked(metrics)[::-1]
    figure.set_size_inches(WIDTH, 0.6 + 0.32 * len(names))
    axes = figure.subplots()
    _error_bars(axes, names, [metrics["recommenders"][name]["slices"][ALL][main] for name in names], metrics)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{main}, all test users")


def _draw_leads(figure: Figure, metrics: Metrics, main: str) -> None:
    names = [name for name in ranked(metrics)[::-1] if name != metrics["candidate"]]
    figure.set_size_inches(WIDTH, 0.6 + 0.32 * max(1, len(names)))
    axes = figure.subplots()
    _error_bars(axes, names, [metrics["differences"][name][ALL][main] for name in names], metrics)
    axes.axvline(0, color="#888", linewidth=0.8)
    axes.set_xlabel(f"{main} of the candidate minus the other's; right of 0 the candidate leads")


def _draw_slices(figure: Figure, metrics: Metrics, main: str) -> None:
    parts = [name for name, part in metrics["slices"].items() if name != ALL and part["users"]]
    names = ranked(metrics)[::-1]
    figure.set_size_inches(WIDTH, (0.7 + 0.26 * len(names)) * -(-len(parts) // 2))
    grid = figure.subplots(-(-len(parts) // 2), 2, sharey=True, squeeze=False).ravel()
    for axes, part in zip(grid, parts, strict=False):
        _error_bars(axes, names, [metrics["recommenders"][name]["slices"][part][main] for name in names], metrics)
        axes.set_xlim(left=0)
        axes.set_title(f"{part.replace('_', ' ')} (n = {metrics['slices'][part]['users']:,})", fontsize=9)
    for axes in grid[len(parts) :]:
        axes.set_visible(False)


def _draw_lists(figure: Figure, metrics: Metrics, main: str) -> None:
    names = ranked(metrics)[::-1]
    figure.set_size_inches(WIDTH, 0.7 + 0.26 * len(names))
    left, right = figure.subplots(1, 2, sharey=True)
    colours = [COLOURS[role(metrics, name)] for name in names]
    lists = [metrics["recommenders"][name]["lists"] for name in names]
    left.barh(names, [each["popularity"].get("lift", 0.0) for each in lists], color=colours)
    left.axvline(0, color="#888", linewidth=0.8)
    left.set_xlabel("popularity lift over the users' own history")
    right.barh(names, [each["coverage"] for each in lists], color=colours)
    right.set_xlabel("share of the catalogue shown")


def _error_bars(axes: Axes, names: Sequence[str], values: Sequence[Mapping[str, float]], metrics: Metrics) -> None:
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        ends = [[max(0.0, value["mean"] - value["low"])], [max(0.0, value["high"] - value["mean"])]]
        axes.errorbar(value["mean"], row, xerr=ends, fmt="o", capsize=3, color=COLOURS[role(metrics, name)])
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="x", color="#eee")
    axes.set_axisbelow(True)
