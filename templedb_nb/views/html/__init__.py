"""Plans, statuses, runs and errors as HTML that is at home in a notebook: static, without script.

Each card reads well without its style sheet, too: GitHub takes it away, and so does JupyterLab in a
notebook that is not trusted. So headings, captions, lists and words carry what is meant; colour
only repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from templedb_nb.errors import TempleError
from templedb_nb.model.board import Board
from templedb_nb.model.charts import Durations, Frequency, Timeline
from templedb_nb.model.difference import Difference
from templedb_nb.model.fleet import FleetPlan, FleetStatus
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Json, to_plain
from templedb_nb.model.slots import SlotsReport
from templedb_nb.model.status import Choices, MigrationStatus, Picked, StatusTable
from templedb_nb.model.waiting import WaitingList
from templedb_nb.views import ansi
from templedb_nb.views.format import masked, middle_out
from templedb_nb.views.html.difference import difference_card
from templedb_nb.views.html.error import error_card
from templedb_nb.views.html.markup import Html
from templedb_nb.views.html.parts.board import board_card
from templedb_nb.views.html.parts.fleet import fleet_plan_card, rollout_card
from templedb_nb.views.html.parts.promotion import releases_card
from templedb_nb.views.html.parts.slots import slots_card
from templedb_nb.views.html.plan import plan_card
from templedb_nb.views.html.run import run_card
from templedb_nb.views.html.status import (
    choices_card,
    migrations_card,
    picked_card,
    status_card,
)
from templedb_nb.views.html.waiting import waiting_card
from templedb_nb.views.plans import SHOWN
from templedb_nb.views.text import text

CARDS: Mapping[type, Callable[[Any], Html]] = {
    StatusTable: status_card,
    MigrationStatus: migrations_card,
    Difference: difference_card,
    ReleaseTable: releases_card,
    WaitingList: waiting_card,
    SlotsReport: slots_card,
    Board: board_card,
    FleetPlan: fleet_plan_card,
    FleetStatus: rollout_card,
    Choices: choices_card,
    Picked: picked_card,
}
"""The card of each value that is a card, and nothing else."""


def bundle(value: Any) -> dict[str, Any] | None:
    """Return every picture of *value*, for a notebook to choose from; None if it has no card.

    Text is always among them: it is what a terminal, a diff of the notebook, and a front end
    without HTML show. Every text passes the mask of `format.masking`, where one is set.
    """
    match value:
        case Preview():
            html, data = plan_card(value), _data("plan", value, value.plan.steps)
        case Result():
            html, data = run_card(value), _data("run", value, value.steps)
        case Timeline() | Durations() | Frequency() | HealthTries():
            return _pictured(value)
        case TempleError():
            return {"text/plain": _told("\n".join(value.lines())), "text/html": error_card(value)}
        case _ if type(value) in CARDS:
            html, data = CARDS[type(value)](value), {}
        case _:
            return None
    return {"text/plain": _told(text(value)), "text/html": html, **data}


def _told(said: str) -> str:
    """Return a text for a terminal: of a very long one its beginning and its end."""
    return ansi.safe(middle_out(masked(said), "--json has all of it"))


def _data(word: str, value: Preview | Result, steps: Sequence[object]) -> dict[str, Any]:
    """Return *value* for programs, unless a saved notebook would hold very many steps."""
    if len(steps) > SHOWN:
        return {}
    return {f"application/vnd.templedb.{word}+json": _masked(to_plain(value))}


def _masked(plain: Json) -> Json:
    match plain:
        case str():
            return masked(plain)
        case list():
            return [_masked(each) for each in plain]
        case dict():
            return {key: _masked(each) for key, each in plain.items()}
        case _:
            return plain


def _pictured(value: Timeline | Durations | Frequency | HealthTries) -> dict[str, Any]:
    """Return a picture and its twin in letters; where none can be drawn, the twin and why."""
    from base64 import b64encode

    from templedb_nb.views import plots

    told = _told(text(value))
    if not value.rows:
        return {"text/plain": told}
    if not plots.available():
        return {"text/plain": f"{told}\nto see a chart: pip install 'templedb-nb[charts]'"}
    return {"text/plain": told, "image/png": b64encode(plots.png(value)).decode()}
