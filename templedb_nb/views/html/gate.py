"""How a plan stands with those who may approve it: below its card, as long as a cell waits.

It says all that its buttons do, because a page that joins later, or is loaded again, has none.
"""

from __future__ import annotations

from typing import Any

from templedb_nb.model.approval import Approval, ApprovalStanding, Verdict
from templedb_nb.model.plan import Preview
from templedb_nb.model.serialization import short
from templedb_nb.views.format import many, moment
from templedb_nb.views.html import bundle
from templedb_nb.views.html.card import Tone, card, toned, when, with_commands
from templedb_nb.views.html.markup import Child, Html, tag
from templedb_nb.views.html.plan import plan_card
from templedb_nb.views.plans import approvals_told

AGAIN = "Without buttons (a page that was loaded again or joined later has none): interrupt the kernel, then run this cell again."  # noqa: E501 - one sentence
DOES = "Approve records your approval, and this cell waits for Deploy. Approve and deploy records it and deploys now."  # noqa: E501 - one line
DOES_LATER = "Approve records your approval; then run this cell again."
DOES_DEPLOY = "Deploy starts the run."


def plan_bundle(value: Preview) -> dict[str, Any]:
    """Return the pictures of a plan above its gate, which says how it stands."""
    return {**(bundle(value) or {}), "text/html": plan_card(value, at_gate=True)}


def standing_bundle(
    value: ApprovalStanding, preview: Preview, *, held: bool = False, waits: bool = True
) -> dict[str, Any]:
    """Return the pictures of a gate that is shut; *held* if only the word to deploy is missing.

    Where it *waits*, a cell does.
    """
    lines = _lines(value, preview, held=held)
    lines.append(AGAIN if waits else "After an approval, run this cell again.")
    return {
        "text/plain": "\n".join(lines),
        "text/html": card(
            Tone.GOOD if held and not value.decision.missing else Tone.LOUD,
            *_paragraphs(lines, value, opened=held and not value.decision.missing),
        ),
    }


def settled_bundle(
    value: ApprovalStanding, preview: Preview, last: str, hint: str = ""
) -> dict[str, Any]:
    """Return the record that a gate leaves; *last* says how the wait ended, *hint* what helps."""
    found = value.decision
    plan = f"Plan {short(preview.plan.id)} for {preview.plan.target}"
    told = f"{plan}: {last}" if last else f"{plan} waits for approval"
    said = (*found.counted, *([found.veto] if found.veto else []))
    rows = [tag("p", told), *(_word(each) for each in said)]
    rows += [tag("p", toned(Tone.QUIET, "What to do: ", with_commands(hint)))] if hint else []
    lines = [told, *(f"{_what(each)}, {moment(each.given_at)}: {each.reason}" for each in said)]
    lines += [f"hint: {hint}"] if hint else []
    tone = Tone.BAD if found.veto else Tone.LOUD if found.missing else Tone.GOOD
    return {"text/plain": "\n".join(lines), "text/html": card(tone, *rows)}


def warned(text: str) -> Html:
    """Return what stands in the way of a click, as nobody can overlook."""
    return card(Tone.BAD, tag("p", _mark(Tone.BAD, "✗"), text, role="alert"))


def beside_field(text: str) -> Html:
    """Return what a field still needs, beside it."""
    return tag("span", tag("em", text), class_="tdb-hint", style="opacity:.75")


def _lines(value: ApprovalStanding, preview: Preview, *, held: bool) -> list[str]:
    found, target = value.decision, preview.plan.target
    plan = f"plan {short(preview.plan.id)} for {target}"
    if held and not found.missing:
        return [f"Approved: {plan} may run. Press Deploy to start."]
    lines = [f"Waiting: {plan} has {len(found.counted)} of {many(found.needed, 'approval')}."]
    lines += [*found.problems, *_may(preview)]
    lines.append(_speaker(value, preview))
    how = f"templedb approve {short(preview.plan.id)} --reason WHY"
    if preview.plan.policy.signed:
        lines.append(f"From elsewhere: {how} --sign")
    else:
        lines.append(f"From elsewhere: {how} (with --sign, the name is proven)")
    return lines


def _may(preview: Preview) -> list[str]:
    """Return who may approve, without the count, which stands above."""
    _, _, rest = approvals_told(preview).partition(". ")
    return [rest] if rest else []


def _speaker(value: ApprovalStanding, preview: Preview) -> str:
    """Return who a click is recorded as: the kernel never learns who clicked."""
    who = f"Whoever clicks here speaks as {value.me}"
    if preview.plan.policy.signed:
        return f"{who}, unsigned: {preview.plan.target} counts only signed approvals."
    if value.mine:
        return f"{who}. {own_word(value)}"
    return f"{who}; the name is unverified: nobody can prove later who clicked."


def own_word(value: ApprovalStanding) -> str:
    """Say why an approval of the person whom a click speaks for would not count."""
    why = value.mine.removeprefix(f"the approval of {value.me} does not count: ")
    return f"An approval by {value.me} would not count: {why}."


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
