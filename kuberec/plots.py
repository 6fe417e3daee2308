"""Drawings of reports as images inside the page; the same figures give the same bytes."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "kuberec",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def inline_svg(
    draw: Callable[[Figure], None],
    size: tuple[float, float],
    *,
    style: Mapping[str, Any] = STYLE,
    told: str = "",
    transparent: bool = False,
) -> Markup:
    """A drawing as an inline image, without dates.

    Args:
        draw: Draws into the figure, and may change its size.
        size: Width and height in inches.
        style: Matplotlib's settings.
        told: The picture in words, for those who do not see it.
        transparent: Leave out the ground.
    """
    with rc_context(dict(style)):
        figure = Figure(layout="constrained", figsize=size)
        FigureCanvasSVG(figure)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=transparent, metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return Markup(f'<img alt="{escape(told)}" src="data:image/svg+xml;base64,{data}">')
