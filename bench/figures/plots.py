"""Pictures of figures: PNG and SVG, plain, on white. matplotlib is loaded here alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.figures.report import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, THEIRS, INK, FAINT = "#0b6e4f", "#b9c0c7", "#22262a", "#e6e9ec"
WIDTH = 8.0
"""Of every picture, in inches."""
_DPI = 130
_ROW_INCHES = 0.5
_BAR = 0.38


class PlotsUnavailable(Exception):
    """matplotlib is not installed."""


class Bar(NamedTuple):
    """A median, and how far the rounds lie apart."""

    median: float
    low: float
    high: float


class Pair(NamedTuple):
    """What stands beside each other in a panel."""

    label: str
    ours: Bar | None
    theirs: Bar | None
    note: str = ""


def require() -> None:
    """Raises PlotsUnavailable; before an hour is spent on measuring."""
    try:
        import matplotlib  # noqa: F401, PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise PlotsUnavailable(f"{error}: the pictures need the extra `bench` (pip install -e '.[bench]')") from error


def bars(path: Path, title: str, panels: Mapping[str, Sequence[Pair]], names: tuple[str, str]) -> None:
    """A panel a metric, from the top down; `names` are those of ours and of the other, for the legend.

    Writes PATH.png and PATH.svg.
    """
    heights = [0.75 + _ROW_INCHES * len(pairs) for pairs in panels.values()]
    figure = new(sum(heights) + 0.6)
    rows: Any = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, (metric, pairs) in zip(rows[:, 0], panels.items(), strict=True):
        _panel(axes, metric, pairs)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK, weight="bold")
    _legend(figure, names, any(pair.theirs for pairs in panels.values() for pair in pairs))
    save(figure, path)


def _panel(axes: Axes, metric: str, pairs: Sequence[Pair]) -> None:
    for at, pair in enumerate(pairs):
        both = pair.ours is not None and pair.theirs is not None
        for bar, colour, side in ((pair.ours, OURS, -1), (pair.theirs, THEIRS, 1)):
            if bar is None:
                continue
            y = at + side * _BAR / 2 * both
            axes.barh(y, bar.median, _BAR, color=colour)
            if bar.high > bar.low:
                axes.plot([bar.low, bar.high], [y, y], color=INK, linewidth=0.8)
            note = f"  {pair.note}" if pair.note and bar is pair.ours else ""
            text = f" {number(bar.median)}{note}"
            axes.annotate(text, (max(bar.median, bar.high), y), va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(pairs)), [pair.label for pair in pairs])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.margins(x=0.25)
    axes.set_xlim(left=0)
    axes.set_title(metric, loc="left", fontsize=9, color=INK, pad=8)
    tidy(axes, "x")


def _legend(figure: Figure, names: tuple[str, str], both: bool) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415  # an extra

    if both:
        patches = [Patch(color=colour, label=name) for colour, name in zip((OURS, THEIRS), names, strict=True)]
        figure.legend(handles=patches, loc="upper right", fontsize=8, frameon=False, ncols=2)


def new(height: float) -> Figure:
    """An empty one, of so many inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # an extra

    # Not pyplot: that would look for a screen.
    return Figure(figsize=(WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")


def tidy(axes: Axes, along: str) -> None:
    """The look of all of them."""
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415  # an extra

    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    axes.set_axisbelow(True)
    axes.grid(axis="x" if along == "x" else "both", color=FAINT)
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def save(figure: Figure, path: Path) -> None:
    """As PATH.png and PATH.svg."""
    import matplotlib as mpl  # noqa: PLC0415  # an extra

    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the day and with names that do not change: the same figures make the same file.
    with mpl.rc_context({"svg.hashsalt": path.name, "svg.fonttype": "none"}):
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"))
