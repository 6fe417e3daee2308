"""The pictures of a load test's page: inline images on no ground of their own, readable on white and on black."""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from kuberec import plots

# Each at least 4.5 to 1 against white and 4 to 1 against the dark ground; lines differ in their dashes too.
INK = "#757575"
LINES = {"p50": ("#2f86a3", "-"), "p95": ("#a8761a", "--"), "p99": ("#d14a5c", ":")}
INTENDED, ANSWERED, FAILED = (INK, "--"), ("#2f86a3", "-"), ("#d14a5c", ":")
STYLE = {
    **plots.STYLE,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "grid.color": INK,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}
WIDTH, HEIGHT = 9.5, 2.8

Report = Mapping[str, Any]


def pictures(report: Report) -> dict[str, Markup]:
    """The pictures by title; those of errors and versions where there is anything to see."""
    figures = report["figures"]
    drawn = {
        "Latency over time": _picture(_draw_latency, report, _tell_latency(report)),
        "Requests and answers": _picture(_draw_rates, report, _tell_rates(report)),
        "Distribution of the latency": _picture(_draw_curve, report, _tell_curve(report)),
    }
    if figures["errors"]:
        drawn["Errors by kind"] = _picture(_draw_errors, report, _tell_errors(report))
    if len(figures["versions"]) > 1:
        drawn["Answers by version"] = _picture(_draw_versions, report, _tell_versions(report))
    return drawn


def _picture(draw: Callable[[Axes, Report], None], report: Report, told: str) -> Markup:
    """A drawing as an inline image, told in words for those who do not see it."""

    def drawn(figure: Figure) -> None:
        axes = figure.subplots()
        draw(axes, report)
        axes.grid(axis="y")
        axes.set_axisbelow(True)

    return plots.inline_svg(drawn, (WIDTH, HEIGHT), style=STYLE, told=told, transparent=True)


def _draw_latency(axes: Axes, report: Report) -> None:
    over_time = report["figures"]["over_time"]
    for name, (colour, dashes) in LINES.items():
        values = [float("nan") if value is None else value for value in over_time["latency_ms"][name]]
        axes.plot(over_time["seconds"], values, color=colour, linestyle=dashes, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.set_ylabel("milliseconds")
    _by_time(axes)


def _tell_latency(report: Report) -> str:
    parts = report["figures"]["over_time"]["latency_ms"]["p99"]
    seen = [value for value in parts if value is not None] or [0.0]
    return f"Percentiles of the latency over time. The 99th lies between {min(seen):.2f} and {max(seen):.2f} ms."


def _draw_rates(axes: Axes, report: Report) -> None:
    over_time = report["figures"]["over_time"]
    for name, label, (colour, dashes) in (
        ("intended_rate", "due", INTENDED),
        ("answered_rate", "answered", ANSWERED),
        ("failed_rate", "failed", FAILED),
    ):
        axes.stairs(over_time[name], _edges(over_time), baseline=None, color=colour, linestyle=dashes, label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("requests a second")
    _by_time(axes)


def _tell_rates(report: Report) -> str:
    figures = report["figures"]
    return (
        f"Requests that were due and answers that came, a second, over time. On average {figures['intended_rate']:.1f} "
        f"were due and {figures['throughput']:.1f} answered."
    )


def _draw_curve(axes: Axes, report: Report) -> None:
    curve = report["figures"]["curve"]
    axes.step(curve["ms"], curve["share"], where="post", color=ANSWERED[0])
    for name, (colour, dashes) in LINES.items():
        axes.axvline(report["figures"]["latency_ms"][name], color=colour, linestyle=dashes, linewidth=1, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("milliseconds")
    axes.set_ylabel("of the requests")
    _legend(axes)


def _tell_curve(report: Report) -> str:
    latency = report["figures"]["latency_ms"]
    told = ", ".join(f"{name} {latency[name]:.2f} ms" for name in LINES)
    return f"Share of the requests that were answered within a time: {told}, the slowest {latency['max']:.2f} ms."


def _draw_errors(axes: Axes, report: Report) -> None:
    kinds = sorted(report["figures"]["errors"].items(), key=lambda pair: pair[1])
    bars = axes.barh([name for name, _ in kinds], [count for _, count in kinds], color=FAILED[0], height=0.6)
    axes.bar_label(bars, fmt="{:,.0f}", padding=3, color=INK)
    axes.set_xlabel("requests")


def _tell_errors(report: Report) -> str:
    told = ", ".join(f"{count:,} {kind}" for kind, count in report["figures"]["errors"].items())
    return f"Failed requests by kind: {told}."


def _draw_versions(axes: Axes, report: Report) -> None:
    over_time = report["figures"]["over_time"]
    for (version, rates), (colour, dashes) in zip(over_time["versions"].items(), cycle(LINES.values()), strict=False):
        label = f"version {version}"
        axes.stairs(rates, _edges(over_time), baseline=None, color=colour, linestyle=dashes, label=label)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("answers a second")
    _by_time(axes)


def _tell_versions(report: Report) -> str:
    told = ", ".join(f"{count:,} by version {version}" for version, count in report["figures"]["versions"].items())
    return f"Answers a second by version over time; in all {told}."


def _by_time(axes: Axes) -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds after the start")
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _edges(over_time: Mapping[str, Any]) -> list[float]:
    return [*over_time["seconds"], over_time["seconds"][-1] + over_time["bin_seconds"]]
