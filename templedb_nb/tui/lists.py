"""The lists of the first screen: their columns, and the words by which their rows are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rich.text import Text

from templedb_nb.app.environment import Environment
from templedb_nb.model.history import RunRow
from templedb_nb.model.result import Result
from templedb_nb.model.waiting import WaitingPlan
from templedb_nb.tui import cells, looks
from templedb_nb.tui.values import TargetLine
from templedb_nb.tui.widgets.listing import ListColumn, RowList
from templedb_nb.views.format import duration

T = TypeVar("T")
READING = "reading the state …"


class HomeLists:
    """Makes the lists; no cell has a secret that is known here."""

    def __init__(self, mask: Callable[[str], str], system: Environment) -> None:
        """Let each cell pass *mask*; *system* has the clock of runs that go on."""
        self._mask, self._system = mask, system
        self.longest_ms = 0
        """How long a run took whose bar is full."""

    def all(self) -> Iterable[tuple[str, RowList[Any]]]:
        """Yield each list with its name."""
        yield (
            "targets",
            RowList[TargetLine](
                (
                    self._column("TARGET", 20, cells.target_name, wide=True),
                    self._column("APPLIED", 7, cells.applied, right=True, at_least=100),
                    self._column("PENDING", 7, cells.pending, right=True),
                    self._column("ATTENTION", 9, cells.attention, right=True),
                    self._column("WAITS", 5, cells.approvals),
                    self._column("NOW, OR LAST RUN", 22, cells.now_or_last),
                    self._column("SINCE", 17, cells.last_at, at_least=100),
                    self._column("NOTE", 24, cells.noted, at_least=130),
                ),
                lambda row: row.place,
                READING,
                id="targets-list",
            ),
        )
        yield (
            "waiting",
            RowList[WaitingPlan](
                (
                    self._column("PLAN", 12, cells.plan_id),
                    self._column("TARGET", 22, lambda row: cells.where(row.slug, row.target)),
                    self._column("WAITS FOR", 20, cells.waits_for, wide=True),
                    self._column("PLANNED BY", 16, lambda row: row.planned_by, at_least=100),
                    self._column("SINCE", 17, lambda row: cells.minute(row.since)),
                ),
                lambda row: row.plan,
                "asking the targets …",
                id="waiting-list",
            ),
        )
        yield (
            "running",
            RowList[Result](
                (
                    self._column("RUN", 13, lambda row: cells.run_id(row.run)),
                    self._column("TARGET", 22, lambda row: cells.where(row.slug, row.target)),
                    self._column(
                        "STEP",
                        18,
                        lambda row: looks.marked(*looks.RUNNING, cells.progress(row)),
                        wide=True,
                    ),
                    self._column("FOR", 11, self._for, right=True),
                    self._column("BY", 16, lambda row: row.started_by, at_least=100),
                ),
                lambda row: row.run,
                "looking for runs …",
                id="running-list",
            ),
        )
        yield (
            "history",
            RowList[RunRow](
                (
                    self._column("BEGAN", 17, lambda row: cells.minute(row.started_at)),
                    self._column(
                        "TARGET", 16, lambda row: cells.where(row.slug, row.target), wide=True
                    ),
                    self._column("ENDED", 18, cells.run_ended),
                    self._column("WHAT", 11, cells.what, at_least=90),
                    self._column("TOOK", 11, cells.took, right=True),
                    self._column(
                        "", cells.BAR, lambda row: cells.bar(row, self.longest_ms), at_least=78
                    ),
                    self._column("BY", 16, lambda row: row.started_by, at_least=110),
                    self._column("RUN", 13, lambda row: cells.run_id(row.run), at_least=130),
                ),
                lambda row: row.run,
                READING,
                id="history-list",
            ),
        )

    def _column(
        self, head: str, width: int, cell: Callable[[T], Text | str], **more: Any
    ) -> ListColumn[T]:
        """Return a column whose cells have no secret that is known here."""
        mask = self._mask

        def masked(row: T) -> Text | str:
            found = cell(row)
            plain = found.plain if isinstance(found, Text) else found
            told = mask(plain)
            return (
                found
                if told == plain
                else Text(told, style=found.style if isinstance(found, Text) else "")
            )

        return ListColumn(head=head, width=width, cell=masked, **more)

    def _for(self, row: Result) -> str:
        if row.started_at is None:
            return ""
        return duration(
            max(int((self._system.clock.now() - row.started_at).total_seconds() * 1000), 0)
        )


def of_target(line: TargetLine) -> str:
    """Return the words by which a target is found."""
    note = line.asked.status.note if line.asked else ""
    words = ("protected" if line.target.protected else "", cells.now_or_last(line).plain, note)
    return " ".join((line.slug, line.target.name, *words))


def of_plan(row: WaitingPlan) -> str:
    """Return the words by which a plan is found."""
    return f"{row.slug} {row.target} {row.plan} {row.planned_by}"


def of_live(row: Result) -> str:
    """Return the words by which a run that goes on is found."""
    return f"{row.slug} {row.target} {row.run}"


def of_run(row: RunRow) -> str:
    """Return the words by which a run is found."""
    ended = row.outcome.value if row.outcome else "running"
    back = "rolled back" if row.rolled_back_by else ""
    release = f"release {row.release}"
    words = (row.run, ended, back, row.run_kind or "", release, row.started_by, row.message)
    return " ".join((row.slug, row.target, *words))
