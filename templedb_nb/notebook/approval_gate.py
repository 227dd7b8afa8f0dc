"""The gate before a protected target: a cell that shows the plan and waits for people's word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import ApprovalPending, Rejected, TempleError
from templedb_nb.model.approval import ApprovalStanding, Verdict
from templedb_nb.model.serialization import short
from templedb_nb.notebook.live_output import LiveOutput
from templedb_nb.views.format import many
from templedb_nb.views.html.gate import (
    DOES,
    DOES_DEPLOY,
    DOES_LATER,
    beside_field,
    own_word,
    plan_bundle,
    settled_bundle,
    standing_bundle,
    warned,
)

if TYPE_CHECKING:
    from templedb_nb.app.deploy.approvals import Approvals
    from templedb_nb.model.plan import Preview

TURN_S = 0.1
LOOK_S = 1.0
"""How often the gate looks for a word from elsewhere."""

STOPPED = "nothing was executed; the plan is still pending"
BUTTON = "notebook button"
PROMPT = "notebook prompt"


class GateAction(Enum):
    """What the gate's cell does now."""

    WAIT = auto()
    ASK = auto()
    GO = auto()


class Gate:
    """One plan before those who may approve it; `wait` returns once it may run.

    A word may come by a button, by an answer in the cell, or from anywhere else: another terminal,
    another kernel. It is a record like any other, and the run's start counts it again.
    """

    def __init__(self, approvals: Approvals, preview: Preview) -> None:
        """Ask *approvals* for words on *preview*, and tell it those that are said here."""
        self._approvals = approvals
        self._preview = preview
        self._panel = Panel(preview)
        self._began = time.monotonic()
        self._looked_s = -LOOK_S
        self._held = False
        self._standing = approvals.standing(preview)

    def wait(self) -> None:
        """Block until the plan may run. Raises `ApprovalPending`, `Rejected`."""
        try:
            for turn in self._turns():
                if turn is GateAction.ASK:
                    self._ask()
        except KeyboardInterrupt:
            raise self._pending("interrupted") from None
        except BaseException as error:
            self._end(error)
            raise

    async def decided(self) -> None:
        """Do as `wait` does, and let the kernel do other things meanwhile."""
        try:
            for turn in self._turns(0.0):
                if turn is GateAction.ASK:
                    self._ask()
                await asyncio.sleep(TURN_S)
        except BaseException as error:
            self._end(error)
            raise

    def _end(self, error: BaseException) -> None:
        """Leave the record of a wait that let nothing pass; an error that it tells has no card."""
        if isinstance(error, ApprovalPending):  # its record is there
            return
        standing = self._approvals.standing(self._preview)
        if isinstance(error, Rejected):
            error.told = True
        last = "rejected; nothing was executed" if standing.decision.veto else STOPPED
        self._panel.close(standing, last)

    def leave(self) -> None:
        """Show the panel, and stop the cell: the buttons stay, for a word at any time."""
        self._panel.show(self._standing, deploys=False)
        self._panel.clicks.after(self._late)
        message = f"plan {self._short} for {self._preview.plan.target} waits for approval"
        hint = f"{self._how}, then run this cell again"
        pending = ApprovalPending(f"{message}; nothing was executed", hint=hint)
        pending.told = True
        raise pending

    @property
    def _short(self) -> str:
        return short(self._preview.plan.id)

    @property
    def _how(self) -> str:
        return f"templedb approve {self._short} --reason WHY"

    def _turns(self, turn_s: float = TURN_S) -> Iterator[GateAction]:
        """Go on until the plan may run; yield after each look around what to do meanwhile."""
        self._panel.show(self._standing, deploys=True)
        while not self._open():
            waited = time.monotonic() - self._began
            click = self._panel.clicks.take(turn_s) if turn_s else self._panel.clicks.take(0.001)
            if click:
                self._said(click)
            elif self._panel.clicks.arrive(waited) is False:
                yield GateAction.ASK
                continue
            self._panel.look(waited)
            yield GateAction.WAIT
        self._panel.close(self._standing, "approved; deploying")

    def _open(self) -> bool:
        """Look how the plan stands, not more often than is worth it; say whether it may run."""
        waited = time.monotonic() - self._began
        if waited - self._looked_s >= LOOK_S:
            self._looked_s = waited
            self._standing = self._approvals.standing(self._preview)
            self._panel.tell(self._standing, held=self._held)
        if self._standing.decision.veto:
            self._approvals.demand(self._preview)
        return not self._standing.decision.missing and not self._held

    def _said(self, click: str) -> None:
        """Do what a button stands for."""
        match click:
            case "stop":
                raise self._pending("stopped")
            case "deploy" if not self._standing.decision.missing:
                self._held = False
            case "approve" | "deploy":
                if self._panel.complete(click) and self._judge(Verdict.APPROVED, BUTTON):
                    self._held = click == "approve"
            case _:
                if self._panel.complete(click):
                    self._judge(Verdict.REJECTED, BUTTON)

    def _judge(self, verdict: Verdict, through: str, reason: str = "") -> bool:
        """Give a word; say whether it counts."""
        why = reason or self._panel.reason
        try:
            given = self._approvals.judge(self._preview.plan.id, verdict, why, through)
        except TempleError as error:
            self._panel.warn(error.message)
            return False
        self._looked_s = -LOOK_S
        if given.uncounted:
            self._panel.warn(f"your approval is recorded but does not count: {given.uncounted}")
        return not given.uncounted

    def _late(self, click: str) -> None:
        """Take a word after the cell has ended."""
        if self._panel.complete(click):
            verdict = Verdict.APPROVED if click == "approve" else Verdict.REJECTED
            if self._judge(verdict, BUTTON):
                self._panel.close(self._approvals.standing(self._preview), "run the cell again")

    def _ask(self) -> None:
        """Ask in the cell itself, where buttons do not reach a busy kernel, or no page shows them.

        A word from elsewhere ends the question: maybe nobody is there who could answer.
        """
        target = self._preview.plan.target
        self._panel.close(self._standing, "", f"answer below; or {self._how}, from anywhere else")
        from templedb_nb.notebook.button_events import PolledQuestion

        # The kernel takes what is typed into an older field as the answer to the newest question.
        own = f"{self._short} " if PolledQuestion.left_open else ""
        print(f"Buttons cannot reach a busy kernel here: answer below. {self._counts()}")
        print(f"  {own}deploy {target} WHY    approve it, and deploy")
        print(f"  {own}approve WHY, {own}reject WHY    record it, and stop")
        print("  (nothing)    look again now; an approval from elsewhere is noticed without it")
        given = PolledQuestion(self._decided).ask("Your answer: ")
        if given is None:
            # JupyterLab leaves its input field where it is.
            print("No answer is needed any more: the plan was decided elsewhere. Ignore the field.")
        said = (given or "").strip()
        if said and not said.startswith(own):
            print(f"Not taken: an earlier field may be open. Begin with the plan's id: {own}")
            return
        word, _, rest = said.removeprefix(own).strip().partition(" ")
        named, _, why = rest.partition(" ")
        match word:
            case "":
                self._looked_s = -LOOK_S
            case "deploy" if named == target and why.strip():
                self._judge(Verdict.APPROVED, PROMPT, why.strip())
            case "approve" | "reject" if rest.strip():
                verdict = Verdict.APPROVED if word == "approve" else Verdict.REJECTED
                if self._judge(verdict, PROMPT, rest.strip()) and word == "approve":
                    raise self._pending("approved, and not deployed")
            case "stop":
                raise self._pending("stopped")
            case _:
                print("Unknown answer. Type one of these words and a reason.")  # it may be a secret

    def _decided(self) -> bool:
        """Return whether the gate has to look again: it raises what cannot be read."""
        try:
            found = self._approvals.standing(self._preview).decision
        except TempleError:
            return True
        return found.veto is not None or not found.missing

    def _counts(self) -> str:
        found = self._standing.decision
        there = f"{len(found.counted)} of {many(found.needed, 'approval')}"
        me = f"Whoever answers here speaks as {self._standing.me}, unverified."
        return f"The plan has {there}. {own_word(self._standing) if self._standing.mine else me}"

    def _pending(self, what: str) -> ApprovalPending:
        hint = "run the cell again"
        if self._standing.decision.missing:
            hint = f"{self._how}, then {hint}"
        plan = f"plan {self._short} for {self._preview.plan.target}"
        # The card may be gone (Clear Output), and the error's line is all that is left.
        message = f"{plan}: {what}; {STOPPED}. To go on: {hint}"
        self._panel.close(self._standing, f"{what}; {STOPPED}", hint)
        pending = ApprovalPending(message, hint=hint)
        pending.told = True
        return pending


class Panel:
    """The buttons of a gate, between what they would let pass and how that stands."""

    def __init__(self, preview: Preview) -> None:
        """Be about *preview*; nothing is shown yet."""
        from templedb_nb.notebook.button_events import ButtonEvents

        self._preview = preview
        self.clicks = ButtonEvents()
        self._guarded = preview.plan.policy.protected
        self._widgets: list[Any] = []
        self._box: Any = None
        self._output = LiveOutput()
        self._card: Any = None
        self._told = ""
        self._record: dict[str, Any] = {}
        self._standing: ApprovalStanding | None = None
        self._ready = False
        self._deploys = True

    def show(self, standing: ApprovalStanding, *, deploys: bool) -> None:
        """Show the plan and, below it, the buttons and how it stands."""
        from IPython.display import display
        from ipywidgets import HTML, Text, VBox

        self._deploys = deploys
        self._card = display(plan_bundle(self._preview), raw=True, display_id=True)
        target = self._preview.plan.target
        wide = {"description_width": "initial"}
        self._reason = Text(description="Reason", style=wide)
        self._name = Text(description=f"Type {target} to approve", style=wide)
        self._why, self._whose, self._does, self._warning = HTML(), HTML(), HTML(), HTML()
        self._deploy = self.clicks.button("Approve and deploy", "deploy", "success")
        self._approve = self.clicks.button("Approve", "approve")
        self._reject = self.clicks.button("Reject", "reject", "danger", "Forbid this plan")
        stop = self.clicks.button(
            "Stop waiting", "stop", "", "End this cell; the plan stays pending"
        )
        named = _row([self.clicks.hear(self._name), self._whose])
        named.layout.display = None if self._guarded else "none"
        for each in (self._deploy, stop):
            each.layout.display = None if deploys else "none"
        buttons = [self._deploy, self._approve, self._reject, stop]
        texts = [self._why, self._whose, self._does, self._warning]
        self._widgets = [self._reason, self._name, *buttons, *texts]
        for each in (self._reason, self._name):
            each.observe(lambda _: self._able(), "value")
        reason = _row([self.clicks.hear(self._reason), self._why])
        last = [_row(buttons), self._does, self._warning, self.clicks.pulse]
        self._box = VBox([reason, named, *last])
        # Before they are seen: a word that reached the busy shell would hold back all later ones.
        self.clicks.listen(self._widgets)
        self._output = LiveOutput(self._box)
        self._output.show(standing_bundle(standing, self._preview, waits=deploys))
        self.tell(standing, held=False)

    def look(self, waited_s: float) -> None:
        """Show all of it anew where a page has cleared the cell's outputs."""
        from IPython.display import display

        if self._box is not None and self.clicks.cleared(waited_s):
            self._card = display(plan_bundle(self._preview), raw=True, display_id=True)
            self._output.show_again()

    @property
    def reason(self) -> str:
        """Return why, as it was typed."""
        return str(self._reason.value).strip()

    @property
    def _named(self) -> bool:
        """Return whether the target's name is typed, where it has to be."""
        return not self._guarded or str(self._name.value).strip() == self._preview.plan.target

    def complete(self, click: str) -> bool:
        """Return whether everything is typed that the click needs: buttons may lag behind."""
        return bool(self.reason) and (click == "reject" or self._named)

    def warn(self, text: str) -> None:
        """Show what stands in the way of a click, or of an answer where the buttons are gone."""
        if self._box is None:
            print(text)
        else:
            self._warning.value = warned(text)

    def tell(self, standing: ApprovalStanding, *, held: bool) -> None:
        """Show how the plan stands; *held* if it may run and waits for Deploy."""
        if self._box is None:
            return
        told = standing_bundle(standing, self._preview, held=held, waits=self._deploys)
        if told["text/html"] != self._told:
            self._told = told["text/html"]
            self._warning.value = ""
            self._output.draw(told)
        self._standing, self._ready = standing, held and not standing.decision.missing
        self._deploy.description = "Deploy" if self._ready else "Approve and deploy"
        does = DOES if self._deploys else DOES_LATER
        self._does.value = beside_field(DOES_DEPLOY if self._ready else does)
        self._able()

    def _able(self) -> None:
        """Let those buttons be pressed that can act now, and say at its field what is missing."""
        if self._box is None or self._standing is None:
            return
        words = self.complete("approve") and not self._standing.mine
        self._deploy.disabled = not (self._ready or words)
        self._approve.disabled = self._ready or not words
        self._reject.disabled = not self.reason
        why = "" if self.reason else "← why; it is recorded for good"
        typed = str(self._name.value).strip()
        whose = f"← this is not {self._preview.plan.target}" if typed and not self._named else ""
        self._why.value, self._whose.value = beside_field(why), beside_field(whose)

    def close(self, standing: ApprovalStanding, last: str, hint: str = "") -> None:
        """Take the buttons away, and leave a record that needs none."""
        if not self._output.shown:
            return
        record = settled_bundle(standing, self._preview, last, hint)
        if record != self._record:
            self._output.close(record)
        self._record = record
        if standing.decision.veto:
            decided = replace(self._preview, decision=standing.decision)
            self._card.update(plan_bundle(decided), raw=True)
        if self._box is not None:
            for each in (*self._widgets, self.clicks, self._box):
                each.close()
            self._box = None


def _row(children: list[Any]) -> Any:
    from ipywidgets import HBox

    row = HBox(children)
    row.layout.flex_flow = "row wrap"
    return row
