"""A plan: what it would do, its SQL, and the words of those who may approve it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from templedb_nb.app.environment import Environment
from templedb_nb.model.approval import GivenApproval, Verdict
from templedb_nb.model.serialization import short
from templedb_nb.tui import cells, looks, source
from templedb_nb.tui.cells import where
from templedb_nb.tui.desk import Desk
from templedb_nb.tui.dialogs import WordDialog
from templedb_nb.tui.lanes import Asked
from templedb_nb.tui.pages.steps import StepsPage
from templedb_nb.tui.values import ReadPlan
from templedb_nb.views.format import many
from templedb_nb.views.html.card import Tone
from templedb_nb.views.text import text

ASKED = "the target is being asked how the plan stands; try again in a moment"


class PlanPage(StepsPage):
    """A plan, step by step; it may be approved or rejected here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sql", "SQL/plan"),
        Binding("a", "judge('approved')", "Approve"),
        Binding("x", "judge('rejected')", "Reject"),
    ]

    TAKES = False

    def __init__(self, desk: Desk, system: Environment, plan: str) -> None:
        """Show the plan *plan*."""
        super().__init__(desk, system)
        self._plan = plan
        self._read: ReadPlan | None = None
        self._shown = ""

    def reload(self) -> None:
        """Read the plan, and ask its target how it stands."""
        self._desk.ask(
            "pages", f"plan {short(self._plan)}", partial(source.plan, named=self._plan), self._came
        )

    def _came(self, found: ReadPlan) -> None:
        if not self.is_attached:
            return
        self._read = found
        self._shown = ""
        self.query_one("#about", Static).update(self._about(found))
        self._steps.show(cells.of_plan(found.preview))
        self.draw()

    def _about(self, found: ReadPlan) -> Text:
        preview = found.preview
        mask = self._desk.masker.mask
        guard = (f"{looks.PROTECTED} protected", "yellow") if preview.plan.policy.protected else ""
        name = f"{short(preview.plan.id)}: {where(preview.slug, found.target)}  "
        made = f"{preview.plan.run_kind}, release {preview.release or '?'}, by {preview.made_by}  "
        return Text.assemble(
            ("Plan ", "bold"), mask(name), guard, "\n", (mask(made), "dim"), _stands(found)
        )

    def draw(self) -> None:
        """Show the plan, or the SQL of the chosen step."""
        if self._read is None:
            return
        wants = f"{self._sql} {self._step}"
        if wants == self._shown:
            return
        self._shown = wants
        if self.reads_sql:
            self.show_sql(self._read.preview)
            return
        decided = replace(self._read.preview, decision=self._read.standing.decision)
        told = self._desk.masker.mask(text(decided))
        newer = f"{self._read.newer}\n\n" if self._read.newer else ""
        self.say("the plan; choose a step for its SQL", looks.prose(newer + told))

    @property
    def reads_sql(self) -> bool:
        """Return whether the text below is SQL: that of a step, if one is chosen."""
        return self._sql or self._step > 0

    def turn(self) -> None:
        """Draw nothing: a plan does not change."""

    def action_judge(self, verdict: str) -> None:
        """Ask for a reason, and record it."""
        if self._read is None:
            self.tell(ASKED)
            return
        dialog = WordDialog(self._read, Verdict(verdict), self._send)
        self.app.push_screen(dialog, self._judged)

    def _send(self, said: source.Saying, came: source.Came) -> None:
        """Record a word, as the commands `approve` and `reject` do."""

        def taken(asked: Asked) -> None:
            why = self._desk.masker.mask(source.line_of(asked.error)) if asked.error else ""
            came(asked.value, why)

        self._desk.send(partial(source.judged, said=said), taken)

    def _judged(self, given: GivenApproval | None) -> None:
        """Say what became of the word, and ask anew how the plan stands."""
        if given is None:
            return
        plan = short(given.approval.plan)
        verb = "approves" if given.approval.verdict is Verdict.APPROVED else "rejects"
        self.tell(f"{given.approval.given_by} {verb} plan {plan}: {given.told}")
        self._desk.words_changed()
        self.reload()


def _stands(found: ReadPlan) -> Text:
    """Return how many approvals are there, or what forbids the run."""
    decision = found.standing.decision
    if decision.veto is not None:
        return looks.marked(Tone.BAD, "✗", f"rejected by {decision.veto.given_by}")
    if found.newer:
        return looks.marked(Tone.QUIET, "»", "replaced by a newer plan")
    if not decision.needed:
        return looks.marked(Tone.QUIET, "·", "needs no approval")
    told = f"{len(decision.counted)} of {many(decision.needed, 'approval')}"
    if decision.missing:
        return looks.marked(*looks.WAITING, told)
    return looks.marked(Tone.GOOD, "✓", f"{told}: it may run")
