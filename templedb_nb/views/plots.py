"""History as pictures: PNG, which every front end shows and every saved notebook keeps.

Every outcome has a marker and a hatch of its own, so that nothing is told by colour alone. The
ground is transparent, and every colour is as far from white as from JupyterLab's dark pages: no
picture knows on which of them it will be read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from templedb_nb.model.charts import ChartPeriod, Durations, Frequency, Timeline
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Health
from templedb_nb.model.health_history import HealthTries, HealthTry
from templedb_nb.model.history import RunRow
from templedb_nb.model.run_kind import RunKind
from templedb_nb.views.format import duration, shown
from templedb_nb.views.scope import whose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, DPI = 9.0, 165
SHOWN_WIDTH = 990
"""In pixels of a page: the picture itself has more, for screens that are sharp."""
COLOURS = 64
LANE, SMALLEST, TALLEST = 0.55, 1.9, 9.0
LABELS = 40
"""So many signs fit beside each other; with more runs on a lane, releases are not written."""

LABELS_OF_SPANS = 9

INK = "#797979"
"""Of letters and axes. A contrast of 4.35 on white and on ``#111``: no colour has more on both."""
GREEN, RED, ORANGE, BROWN = "#328937", "#db3f3f", "#c55900", "#927266"
PURPLE, BLUE = "#a25cbf", "#1977e3"
LETTERS, SMALL, TITLE = 10, 9, 12
"""Sizes in points: a page of 600 pixels shows a chart at half its width."""

RIM = 0.7
"""In points, white: it tells markers apart that lie on each other, on any page."""

LINES = ((BLUE, "o"), (ORANGE, "s"), (INK, "^"), (PURPLE, "D"))
"""Targets are distinguished by markers, and by colours that mean no outcome."""

MINUTE = 1 / 24 / 60
"""In days, as matplotlib counts time."""

SHOWN = 24
"""The longest name of a target that is written in full."""

STYLES: dict[Outcome | None, tuple[str, str, str]] = {
    Outcome.SUCCEEDED: (GREEN, "o", ""),
    Outcome.FAILED: (RED, "X", "xx"),
    Outcome.CANCELLED: (BROWN, "s", "//"),
    Outcome.TIMED_OUT: (ORANGE, "D", ".."),
    Outcome.UNKNOWN: (PURPLE, "P", "++"),
    None: (BLUE, ">", "--"),
}


TRIES = {
    Health.HEALTHY: (GREEN, "o"),
    Health.UNHEALTHY: (RED, "X"),
    Health.INCONCLUSIVE: (PURPLE, "P"),
}


_LOOKS: dict[Any, Any] = {
    "axes.facecolor": "none", "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK,
    "axes.titleweight": "bold", "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "font.size": LETTERS,
}  # fmt: skip


def available() -> bool:
    """Return whether pictures can be drawn here."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def png(value: Timeline | Durations | Frequency | HealthTries) -> bytes:
    """Return the picture of *value*, which has rows."""
    match value:
        case Timeline():
            height = min(TALLEST, SMALLEST + LANE * len(value.targets))
            return _drawn(height, lambda axes: _timeline(axes, value))
        case Durations():
            return _drawn(3.8, lambda axes: _durations(axes, value))
        case Frequency():
            return _drawn(3.8, lambda axes: _frequency(axes, value))
        case HealthTries():
            return _drawn(2.6, lambda axes: _tries(axes, value))


def _drawn(height: float, draw: Callable[[Axes], None]) -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_LOOKS):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="none", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        canvas.draw()
    return _packed(canvas.get_width_height(), bytes(canvas.buffer_rgba()))


def _packed(size: tuple[int, int], pixels: bytes) -> bytes:
    """Return a PNG of few colours: a third of the bytes, and a saved notebook keeps many charts."""
    from PIL import Image

    whole = Image.frombytes("RGBA", size, pixels)
    few = whole.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    written = io.BytesIO()
    few.save(written, "PNG", optimize=True)
    return written.getvalue()


def _rule(axes: Axes) -> None:
    axes.grid(axis="y", color=INK, alpha=0.4, linewidth=0.8)


def _timeline(axes: Axes, value: Timeline) -> None:
    lanes = {name: place for place, name in enumerate(reversed(value.targets))}
    for outcome, (colour, marker, _) in STYLES.items():
        rows = [each for each in value.rows if each.outcome is outcome]
        if rows:
            axes.scatter(
                _dates([each.started_at for each in rows]),
                [lanes[each.target] for each in rows],
                c=colour, marker=marker, s=70, label=_word(outcome), zorder=3,
                edgecolors="white", linewidths=RIM,
            )  # fmt: skip
    _rollbacks(axes, value.rows, lanes)
    whole = _dates([each.started_at for each in value.rows])
    room = (max(whole) - min(whole)) / LABELS
    for name, lane in lanes.items():
        mine = [each for each in value.rows if each.target == name]
        if len(mine) > LABELS:
            continue
        for at, release in _apart(mine, room):
            axes.annotate(
                release, (at, lane), xytext=(0, 10), textcoords="offset points", ha="center",
                fontsize=SMALL, color=INK,
            )  # fmt: skip
    axes.set_yticks(list(lanes.values()), [_short(each) for each in lanes])
    axes.set_ylim(-0.6, len(lanes) - 0.3)
    _rule(axes)
    axes.tick_params(axis="y", length=0)
    axes.set_title(
        f"{_whose(value)}: runs in UTC, with the release where it changed",
        loc="left",
        fontsize=TITLE,
    )
    _time_axis(axes)
    _legend(axes)


def _rollbacks(axes: Axes, rows: Sequence[RunRow], lanes: Mapping[str, int]) -> None:
    """Draw a ring around each rollback, and an arrow back to the run that it undoes."""
    back = [each for each in rows if each.run_kind is RunKind.ROLLBACK]
    if not back:
        return
    began = {each.run: _dates([each.started_at])[0] for each in rows}
    axes.scatter(
        [began[each.run] for each in back], [lanes[each.target] for each in back],
        marker="o", s=190, facecolors="none", edgecolors=INK, linewidths=1.4,
        label="rollback", zorder=4,
    )  # fmt: skip
    for each in back:
        if each.parent_run in began:
            lane = lanes[each.target]
            axes.annotate(
                "", xy=(began[each.parent_run], lane), xytext=(began[each.run], lane), zorder=2,
                arrowprops={"arrowstyle": "->", "color": INK, "shrinkA": 8, "shrinkB": 6,
                            "connectionstyle": "arc3,rad=-0.35"},
            )  # fmt: skip


def _apart(rows: Sequence[RunRow], room: float) -> Iterator[tuple[float, str]]:
    """Yield where a release is new and what it is; one that has no room is left to the next."""
    written, last = None, None
    for each in rows:
        at = _dates([each.started_at])[0]
        fits = written is None or at - written >= room * len(str(each.release))
        if each.release and each.release != last and fits:
            yield at, str(each.release)
            written, last = at, each.release


def _durations(axes: Axes, value: Durations) -> None:
    for number, (name, rows) in enumerate(value.of_target.items()):
        colour, marker = LINES[number % len(LINES)]
        seconds = [each.elapsed_ms / 1000 for each in rows]
        middle = median(each.elapsed_ms for each in rows)
        dash = ("-", "--", ":", "-.")[number % 4]
        axes.plot(
            _dates([each.started_at for each in rows]), seconds, dash, color=colour, marker=marker,
            markersize=5, linewidth=1, label=f"{_short(name)} (median {duration(round(middle))})",
        )  # fmt: skip
        axes.axhline(middle / 1000, color=colour, linewidth=0.8, linestyle=dash, alpha=0.5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("seconds")
    _rule(axes)
    axes.set_title(
        f"{_whose(value)}: how long runs that succeeded took, in UTC", loc="left", fontsize=TITLE
    )
    _time_axis(axes)
    _legend(axes)


def _frequency(axes: Axes, value: Frequency) -> None:
    from matplotlib.ticker import MaxNLocator

    spans = value.spans
    bottom = [0] * len(spans)
    for outcome, (colour, _, hatch) in STYLES.items():
        if outcome is None:
            continue
        counts = [sum(_count(r, outcome) for r in value.rows if r.span == each) for each in spans]
        if any(counts):
            axes.bar(
                range(len(spans)), counts, bottom=bottom, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0, label=_word(outcome), width=0.8,
            )  # fmt: skip
        bottom = [b + c for b, c in zip(bottom, counts, strict=True)]
    step = -(-len(spans) // LABELS_OF_SPANS)
    last = (len(spans) - 1) % step  # the newest span has a label
    axes.set_xticks(range(last, len(spans), step), _span_labels(value)[last::step], fontsize=SMALL)
    if value.by is ChartPeriod.HOUR:
        axes.set_xlabel(f"{spans[0]} to {spans[-1]}", fontsize=SMALL)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("runs")
    axes.set_title(f"{_whose(value)}: runs per {value.by}, in UTC", loc="left", fontsize=TITLE)
    _legend(axes)


def _span_labels(value: Frequency) -> list[str]:
    """Return what is written below each bar; of hours, the date stands below all."""
    return [each.split()[-1] for each in value.spans]


def _tries(axes: Axes, value: HealthTries) -> None:
    """Draw the latency of each try, a line a check; each outcome has a marker of its own."""
    first = value.rows[0].measured_at

    def seconds(rows: Sequence[HealthTry]) -> list[float]:
        return [(each.measured_at - first).total_seconds() for each in rows]

    for number, (name, rows) in enumerate(value.of_check.items()):
        colour, _ = LINES[number % len(LINES)]
        dash = ("-", "--", ":", "-.")[number % 4]
        took = [each.latency_ms for each in rows]
        axes.plot(seconds(rows), took, dash, color=colour, linewidth=1, label=_short(name))
    for outcome, (colour, marker) in TRIES.items():
        rows = tuple(each for each in value.rows if each.outcome is outcome)
        if rows:
            axes.scatter(
                seconds(rows), [each.latency_ms for each in rows],
                c=colour, marker=marker, s=36, label=outcome.value, zorder=3,
                edgecolors="white", linewidths=RIM,
            )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("ms")
    axes.set_xlabel(f"seconds since {first:%Y-%m-%d %H:%M:%S} UTC")
    _rule(axes)
    title = f"{value.slug} to {value.target}: latency of each try"
    axes.set_title(title, loc="left", fontsize=TITLE)
    _legend(axes)


def _whose(value: Timeline | Durations | Frequency) -> str:
    return shown(whose(value.slug, value.scope))


def _count(row: Any, outcome: Outcome) -> int:
    return int(getattr(row, outcome.value))


def _dates(moments: list[Any]) -> list[float]:
    from matplotlib.dates import date2num

    return [float(each) for each in date2num(moments)]


def _time_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    first, last = axes.dataLim.intervalx
    if last - first < MINUTE:  # one run, or a few at once
        axes.set_xlim(first - MINUTE, last + MINUTE)
    locator = AutoDateLocator(maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.margins(x=0.04)
    axes.tick_params(axis="x", labelsize=SMALL)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=SMALL)


def _word(outcome: Outcome | None) -> str:
    return outcome.value.replace("_", " ") if outcome else "running"


def _short(name: str) -> str:
    """Return a name with its middle left out, if it is long: ends tell names apart."""
    half = SHOWN // 2
    return name if len(name) <= SHOWN else f"{name[:half]}…{name[1 - half :]}"
