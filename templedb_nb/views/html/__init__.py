"""Plans, statuses, runs and errors as HTML that is at home in a notebook: static, without script.

Each card reads well without its style sheet, too: GitHub takes it away, and so does JupyterLab in a
notebook that is not trusted. So headings, captions, lists and words carry what is meant; colour
only repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from templedb_nb.errors import TempleError
from templedb_nb.model.charts import Durations, Frequency, Timeline
from templedb_nb.model.difference import Difference
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.status import Board, Choices, MigrationStatus, StatusTable
from templedb_nb.model.waiting import WaitingList
from templedb_nb.views.html.difference import difference_card
from templedb_nb.views.html.error import error_card
from templedb_nb.views.html.markup import Html
from templedb_nb.views.html.plan import plan_card
from templedb_nb.views.html.promotion import releases_card
from templedb_nb.views.html.run import run_card
from templedb_nb.views.html.status import board_card, choices_card, migrations_card, status_card
from templedb_nb.views.html.waiting import waiting_card
from templedb_nb.views.text import text

CARDS: Mapping[type, Callable[[Any], Html]] = {
    StatusTable: status_card,
    MigrationStatus: migrations_card,
    Difference: difference_card,
    ReleaseTable: releases_card,
    WaitingList: waiting_card,
    Board: board_card,
    Choices: choices_card,
}
"""The card of each value that is a card, and nothing else."""


def bundle(value: Any) -> dict[str, Any] | None:
    """Return every picture of *value*, for a notebook to choose from; None if it has no card.

    Text is always among them: it is what a terminal, a diff of the notebook, and a front end
    without HTML show.
    """
    match value:
        case Preview():
            html, data = plan_card(value), {"application/vnd.templedb.plan+json": to_plain(value)}
        case Result():
            html, data = run_card(value), {"application/vnd.templedb.run+json": to_plain(value)}
        case Timeline() | Durations() | Frequency() | HealthTries():
            return _pictured(value)
        case TempleError():
            return {"text/plain": "\n".join(value.lines()), "text/html": error_card(value)}
        case _ if type(value) in CARDS:
            html, data = CARDS[type(value)](value), {}
        case _:
            return None
    return {"text/plain": text(value), "text/html": html, **data}


def _pictured(value: Timeline | Durations | Frequency | HealthTries) -> dict[str, Any]:
    """Return a picture and its twin in letters; where none can be drawn, the twin and why."""
    from base64 import b64encode

    from templedb_nb.views import plots

    told = text(value)
    if not value.rows:
        return {"text/plain": told}
    if not plots.available():
        return {"text/plain": f"{told}\nto see a chart: pip install 'templedb-nb[charts]'"}
    return {"text/plain": told, "image/png": b64encode(plots.png(value)).decode()}
