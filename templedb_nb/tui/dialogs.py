"""Questions before something is recorded for good, and the keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from templedb_nb.model.approval import GivenApproval, Verdict
from templedb_nb.model.serialization import short
from templedb_nb.tui.cells import where
from templedb_nb.tui.source import Came, Saying
from templedb_nb.tui.values import ReadPlan

KEYS = """\
1 2 3 4       targets, waiting plans, running runs, history
Tab           the next part of the screen
↑ ↓ PgUp PgDn move; j and k, g and G do the same
Enter, click  open what is chosen
p             the plan that waits there, or that the run carried out
Escape        back, or end the filter
/             filter by words: a project, a target, an outcome
w             only targets that need attention
r             ask every target again
s             SQL of the step, or its output
f             follow the step that runs
a x           approve, or reject, on the page of a plan
q  Ctrl+C     leave; runs go on

✓ succeeded, done      ✗ failed          ? unknown, in doubt
▸ running              ◷ waits           ! a warning, needs attention
■ cancelled            ↩ rolled back     » skipped     ▲ protected
… not asked yet        ? could not be read

Times are UTC. Reading changes nothing; runs are started by
templedb deploy run, in another terminal."""


class KeysDialog(ModalScreen[None]):
    """Which keys there are, and what the signs mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Back")
    ]

    def compose(self) -> ComposeResult:
        """Show the keys."""
        with VerticalScroll(id="dialog"):
            yield Label("Keys and signs", classes="title")
            yield Static(KEYS, markup=False)
            yield Button("Back", id="back")

    def on_button_pressed(self) -> None:
        """Go back."""
        self.dismiss()


UNPROVEN = "the name is unverified: nobody can prove later who gave this word"

Send = Callable[[Saying, Came], None]
"""Records a word, and tells what became of it."""


class WordDialog(ModalScreen[GivenApproval | None]):
    """Asks why somebody approves or rejects a plan, and records it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, plan: ReadPlan, verdict: Verdict, send: Send) -> None:
        """Ask about *plan*; *send* records the word."""
        super().__init__()
        self._plan, self._verdict, self._send = plan, verdict, send
        policy = plan.preview.plan.policy
        self._approves = verdict is Verdict.APPROVED
        self._named = self._approves and policy.protected
        self._signs = policy.signed or bool(policy.signers)
        self._sent = False

    @property
    def _verb(self) -> str:
        return "Approve" if self._approves else "Reject"

    def compose(self) -> ComposeResult:
        """Show what is asked."""
        preview, target = self._plan.preview, self._plan.target
        with Vertical(id="dialog"):
            about = f"{self._verb} plan {short(preview.plan.id)}: {where(preview.slug, target)}"
            yield Label(about, classes="title", markup=False)
            yield Static(self._told(), markup=False)
            yield Input(placeholder="why; recorded for good", id="reason")
            if self._named:
                yield Input(placeholder=f"{target} is protected: type its name", id="name")
            if self._signs:
                told = "SSH key to sign with: a file; git = the key of git; empty = no signature"
                given = "git" if self._plan.preview.plan.policy.signed else ""
                yield Input(given, placeholder=told, id="key")
            yield Static("", id="warning", markup=False)
            with Horizontal(id="buttons"):
                yield Button(
                    self._verb, id="send", variant="success" if self._approves else "error"
                )
                yield Button("Back", id="back")

    def _told(self) -> str:
        standing = self._plan.standing
        lines = [f"You are {standing.me}."]
        signed = self._plan.preview.plan.policy.signed
        if not self._signs:
            lines = [f"You are {standing.me}; {UNPROVEN}."]
        if self._approves and signed:
            lines.append(f"{self._plan.target} counts only signed approvals: the key below signs.")
        if self._approves and standing.mine and not (signed and self._signs):
            lines.append(
                f"Your approval would be recorded, but it would not count: {standing.mine}"
            )
        if not self._approves:
            lines.append("A rejected plan may not run, whoever approves it, until you approve it.")
        return "\n".join(lines)

    def on_mount(self) -> None:
        """Let the reason be typed first."""
        self.query_one("#reason", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to what is empty; record it where nothing is."""
        fields = list(self.query(Input))
        later = fields[fields.index(event.input) + 1 :]
        if event.input.value.strip() and (empty := [f for f in later if not f.value.strip()]):
            empty[0].focus()
        else:
            self._record()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Record it, or go back."""
        if event.button.id == "send":
            self._record()
        else:
            self.dismiss(None)

    def action_leave(self) -> None:
        """Go back; nothing is recorded."""
        self.dismiss(None)

    def _record(self) -> None:
        if self._sent:
            return
        reason = self.query_one("#reason", Input).value.strip()
        if not reason:
            self._warn("write a reason first: it is recorded for good", "reason")
            return
        if self._named and self.query_one("#name", Input).value.strip() != self._plan.target:
            self._warn(f"{self._plan.target} is protected: type its name to approve", "name")
            return
        self._sent = True
        self._warn("recording …")
        said = Saying(
            plan=self._plan.preview.plan.id, verdict=self._verdict, reason=reason, key=self._key()
        )
        self._send(said, self._came)

    def _key(self) -> str | None:
        """Return the key to sign with: a file, '' for git's, None for no signature."""
        typed = self.query_one("#key", Input).value.strip() if self._signs else ""
        return None if not typed else "" if typed == "git" else typed

    def _came(self, given: GivenApproval | None, why: str) -> None:
        self._sent = False
        if not self.is_attached:
            return
        if given is None:
            self._warn(f"! {why}")
        else:
            self.dismiss(given)

    def _warn(self, text: str, field: str = "") -> None:
        self.query_one("#warning", Static).update(Text(text, style="bold"))
        if field:
            self.query_one(f"#{field}", Input).focus()
