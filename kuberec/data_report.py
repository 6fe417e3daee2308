"""The data report: a validated dataset's statistics as one self-contained HTML page with plots."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from kuberec.plots import inline_svg
from kuberec.schema import ITEMS, USERS, FeatureType

TEMPLATE = "data_report.html"
COLOUR = "#3b8ea5"
MOST_LABELS = 6
DEGREES = ("min", "p25", "median", "p75", "p90", "p99", "max", "mean")

Statistics = Mapping[str, Any]


def render_data_report(name: str, statistics: Statistics) -> str:
    """The page of a `statistics.json`; the same figures give the same bytes."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        name=name,
        statistics=statistics,
        degrees=DEGREES,
        findings=findings(statistics),
        plots=_plots(statistics),
    )


def findings(statistics: Statistics) -> list[str]:
    """What the figures say, as sentences."""
    overview, per_user, per_item = (statistics[part] for part in ("interactions", "per_user", "per_item"))
    sentences = [
        f"{overview['rows']:,} interactions of {overview['users']:,} users with {overview['items']:,} items, "
        f"{_span_text(overview)}; {overview['density']:.3%} of all pairs.",
        f"{overview['positives']:,} of them ({overview['positive_share']:.1%}) are positives.",
        f"Half of the users have {per_user['median']:,} interactions or fewer; {per_user['single']:,} have one only.",
        f"The most popular fifth of the items takes {per_item['head_share']:.0%} of the interactions; "
        f"{per_item['single']:,} items have one only.",
    ]
    if overview["out_of_time_order"]:
        sentences.append(
            f"{overview['out_of_time_order']:,} rows of the source came before their predecessor in time; they were "
            "put in order."
        )
    return sentences + _warnings(statistics)


def _span_text(overview: Statistics) -> str:
    if overview["first_time"] is None:
        return "each user's in their order, without times"
    return f"from {overview['first_time'][:10]} to {overview['last_time'][:10]}"


def _warnings(statistics: Statistics) -> list[str]:
    sentences = []
    for table, one in ((USERS, "user"), (ITEMS, "item")):
        reference = statistics["references"].get(table)
        if reference and reference["unlisted"]:
            sentences.append(
                f"{reference['interactions_of_unlisted']:,} interactions belong to {reference['unlisted']:,} {table} "
                f"that the table of {table} does not list; such a {one} has no features."
            )
        for feature, count in statistics["unparsed"].get(table, {}).items():
            kind = statistics["features"][table][feature]["type"]
            expected = "no vector of finite numbers" if kind == FeatureType.EMBEDDING else "no number"
            sentences.append(f"{count:,} {table} have a {feature} that is {expected}; it counts as missing.")
        for feature, count in statistics["other_width"].get(table, {}).items():
            width = statistics["features"][table][feature]["width"]
            sentences.append(f"{count:,} {table} have a {feature} of another width than {width}; it counts as missing.")
    return sentences


def _plots(statistics: Statistics) -> dict[str, Markup]:
    """The drawings by title; without a time line where there are no times."""
    timeline = statistics["timeline"]
    plots = {f"Interactions by {timeline['unit']}": _plot(_draw_timeline, statistics)} if timeline else {}
    return plots | {
        "The long tail of the items": _plot(_draw_long_tail, statistics),
        "Values": _plot(_draw_values, statistics),
        "Interactions of a user and of an item": _plot(_draw_degrees, statistics),
    }


def _plot(draw: Callable[[Figure, Statistics], None], statistics: Statistics) -> Markup:
    return inline_svg(lambda figure: draw(figure, statistics), (7.2, 2.6))


def _draw_timeline(figure: Figure, statistics: Statistics) -> None:
    timeline = statistics["timeline"]
    axes = figure.subplots()
    places = range(len(timeline["start"]))
    axes.bar(places, timeline["rows"], width=1.0, color=COLOUR, edgecolor="white", linewidth=0.3)
    step = -(-len(places) // MOST_LABELS)
    length = len("2000-01-01T00:00") if timeline["unit"] == "hour" else len("2000-01-01")
    axes.set_xticks(places[::step], [start[:length].replace("T", " ") for start in timeline["start"][::step]])
    _finish(axes, "interactions", axis="y")


def _draw_long_tail(figure: Figure, statistics: Statistics) -> None:
    axes = figure.subplots()
    axes.loglog(statistics["long_tail"]["rank"], statistics["long_tail"]["interactions"], color=COLOUR)
    axes.set_xlabel("item, by popularity")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _finish(axes, "interactions", axis="both")


def _draw_values(figure: Figure, statistics: Statistics) -> None:
    axes = figure.subplots()
    labels = statistics["values"]["label"]
    axes.bar(labels, statistics["values"]["rows"], color=COLOUR, width=0.8)
    if len(labels) > 2 * MOST_LABELS:
        axes.tick_params(axis="x", rotation=60)
    axes.set_xlabel("value")
    _finish(axes, "interactions", axis="y")


def _draw_degrees(figure: Figure, statistics: Statistics) -> None:
    quantiles = [name for name in DEGREES if name != "mean"]
    for axes, (part, one) in zip(figure.subplots(1, 2), (("per_user", "a user"), ("per_item", "an item")), strict=True):
        values = [statistics[part][name] for name in quantiles]
        axes.bar(quantiles, values, color=COLOUR, width=0.8)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.8)
        axes.set_title(f"interactions of {one}", fontsize=9)
        for place, value in enumerate(values):
            axes.annotate(f"{value:,}", (place, value), ha="center", va="bottom", fontsize=7)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _finish(axes: Axes, label: str, axis: Literal["both", "y"]) -> None:
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis=axis, color="#eee")
    axes.set_axisbelow(True)
