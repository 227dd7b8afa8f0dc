"""From where to where a release goes: by the words of a person, or by the lifecycle."""

from __future__ import annotations

import re
from collections.abc import Sequence

from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import InvalidConfig, UsageProblem
from templedb_nb.model.finding import Finding, errors
from templedb_nb.model.lifecycle import Lifecycle

_WAY = re.compile(r"\b(?:lifecycle|promotion)\b")


def stages(lifecycle: Lifecycle, source: str | None, target: str | None) -> tuple[str, str]:
    """Return from where to where a release goes, or raise with what the lifecycle allows."""
    if source is None and target is None and len(lifecycle.next_of) == 1:
        source = lifecycle.next_of[0][0]
    if source is None and target is not None:
        source = _only(lifecycle.before(target), "--from", f"to {target}")
    elif target is None and source is not None:
        target = _only(lifecycle.after(source), "--to", f"from {source}")
    if source is None or target is None:
        hint = f"the lifecycle: {_told(lifecycle)}" if lifecycle else "templedb target list"
        raise UsageProblem("name both targets: --from, --to",
                           hint=hint)  # fmt: skip
    if source == target:
        raise UsageProblem(f"a release cannot be promoted from {typed(source)} to itself")
    if lifecycle and target not in lifecycle.after(source):
        message = f"the lifecycle does not lead from {typed(source)} to {typed(target)}"
        raise UsageProblem(message, hint=f"the lifecycle: {_told(lifecycle)}")
    return source, target


def refuse_wrong_stages(findings: Sequence[Finding]) -> None:
    """Raise with everything that is wrong with today's lifecycle and its gates."""
    own = [each for each in errors(tuple(findings)) if _WAY.search(each.where)]
    if own:
        message = "the lifecycle or its gates are wrong; nothing was planned"
        hint = "templedb deploy config --validate"
        raise InvalidConfig(message, problems=[str(each) for each in own], hint=hint)


def _only(found: Sequence[str], option: str, where: str) -> str:
    if len(found) == 1:
        return found[0]
    what = f"it may be {', '.join(found)}" if found else "the lifecycle does not name it"
    raise UsageProblem(f"the promotion {where} needs its other target ({option}): {what}")


def _told(lifecycle: Lifecycle) -> str:
    return "; ".join(f"{origin} -> {', '.join(ends)}" for origin, ends in lifecycle.next_of)
