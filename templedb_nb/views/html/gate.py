"""How a plan stands with those who may approve it: below its card, as long as a cell waits."""

from __future__ import annotations

from typing import Any

from templedb_nb.model.approval import Approval, ApprovalStanding, Verdict
from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import short
from templedb_nb.views.format import many, moment
from templedb_nb.views.html.card import Tone, card, toned, when, with_commands
from templedb_nb.views.html.markup import Child, Html, tag


def standing_bundle(
    value: ApprovalStanding, preview: Preview, *, held: bool = False
) -> dict[str, Any]:
    """Return the pictures of a gate that is shut; *held* if only the word to deploy is missing."""
    lines = _lines(value, preview, held=held)
    return {
        "text/plain": "\n".join(lines),
        "text/html": card(Tone.LOUD, *_paragraphs(lines, value, opened=held)),
    }


def settled_bundle(value: ApprovalStanding, preview: Preview, last: str) -> dict[str, Any]:
    """Return the record that a gate leaves; *last* says how the wait ended."""
    found = value.decision
    plan = f"Plan {short(preview.plan.id)} for {preview.plan.target}"
    told = f"{plan}: {last}" if last else f"{plan} waits for approval"
    said = (*found.counted, *([found.veto] if found.veto else []))
    rows = [tag("p", told), *(_word(each) for each in said)]
    lines = [told, *(f"{_what(each)}, {moment(each.given_at)}: {each.reason}" for each in said)]
    tone = Tone.BAD if found.veto else Tone.LOUD if found.missing else Tone.GOOD
    return {"text/plain": "\n".join(lines), "text/html": card(tone, *rows)}


def warned(text: str) -> Html:
    """Return what stands in the way of a click, as nobody can overlook."""
    return tag("p", _mark(Tone.BAD, "✗"), text, role="alert")


def _lines(value: ApprovalStanding, preview: Preview, *, held: bool) -> list[str]:
    found, target = value.decision, preview.plan.target
    count = f"{len(found.counted)} of {many(found.needed, 'approval')}"
    plan = f"plan {short(preview.plan.id)} for {target}"
    if held and not found.missing:
        return [f"Approved: {plan} may run. Press Deploy to start."]
    lines = [f"Waiting: {plan} has {count}.", *found.problems]
    lines.append(f"You are {value.me}; this name is not verified.")
    if value.mine:
        lines.append(own_word(value))
    sign = " --sign" if preview.plan.policy.signed else ""
    lines.append(f"From elsewhere: templedb approve {short(preview.plan.id)} --reason WHY{sign}")
    return lines


def own_word(value: ApprovalStanding) -> str:
    """Say why an approval of who asks would not count."""
    return f"Your own approval would not count: {value.mine.rpartition(': ')[2]}."


def _paragraphs(lines: list[str], value: ApprovalStanding, *, opened: bool) -> list[Child]:
    first, *rest = lines
    tone, mark = (Tone.GOOD, "✓") if opened else (Tone.LOUD, "◷")
    rows: list[Child] = [tag("p", tag("strong", _mark(tone, mark), first))]
    rows += [tag("p", f"Approved {each.by}, ", when(each.given_at), f": {each.reason}")
             for each in value.decision.counted]  # fmt: skip
    return [*rows, *(tag("p", toned(Tone.QUIET, with_commands(each))) for each in rest)]


def _what(each: Approval) -> str:
    return f"{each.verdict} {each.by} through {each.through}"


def _word(each: Approval) -> Html:
    mark = (Tone.GOOD, "✓") if each.verdict is Verdict.APPROVED else (Tone.BAD, "✗")
    return tag("p", _mark(*mark), f"{_what(each)}, ", when(each.given_at), f": {each.reason}")


def _mark(tone: Tone, mark: str) -> Html:
    return toned(tone, tag("span", f"{mark} ", aria_hidden="true"))
