"""What a target's policy becomes when somebody changes what is said of the target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from datetime import timedelta

from templedb_nb.model.ledger import Neighbour
from templedb_nb.model.target import Policy, Target
from templedb_nb.model.window import Windows

NAMES = frozenset(each.name for each in fields(Policy))
_FOLLOWS = {
    "protected": ("order_policy", "approvals", "self_approval"),
    "signed": ("approvals",),
}
"""What a target demands by itself because it is protected, or signed."""


def updated(there: Policy, changed: Target, named: Collection[str]) -> Policy:
    """Return *there* with the *named* fields as *changed* has them; what is not named stays.

    What only followed from a field that is named follows from its new value.
    """
    now = Policy.of(changed)
    alone = Target(name=changed.name, protected=there.protected, signed=there.signed)
    followed = Policy.of(alone)
    names = set(named) & NAMES
    for each in _FOLLOWS.keys() & names:
        names |= {f for f in _FOLLOWS[each] if getattr(there, f) == getattr(followed, f)}
    return replace(there, **{name: getattr(now, name) for name in names})


def lowers(policy: Policy, there: Policy) -> bool:
    """Return whether *policy* lets something pass that *there* does not."""
    return policy != policy.stricter(there)


def could_lower(changed: Target, named: Collection[str]) -> bool:
    """Return whether a named field demands nothing: whatever a ledger holds, it raises nothing."""
    now, nothing = Policy.of(changed), Policy()
    return any(getattr(now, name) == getattr(nothing, name) for name in set(named) & NAMES)


def changes(was: Policy, now: Policy) -> tuple[str, ...]:
    """Return each difference between two policies, as people read it."""
    told = []
    for name in (each.name for each in fields(Policy)):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            word = name.replace("_", " ").removesuffix(" s")
            told.append(f"{word}: {_told(name, before)} -> {_told(name, after)}")
    return tuple(told)


def _told(name: str, value: object) -> str:
    if name == "approval_expires_s":
        return str(timedelta(seconds=value)) if isinstance(value, int) and value else "never"
    if name == "signers" and isinstance(value, tuple):
        return ", ".join(each.split(" ", 1)[0] for each in value) or "nobody"
    if isinstance(value, Windows):
        return "; ".join(map(str, value.rules)) or "none"
    if isinstance(value, tuple):
        return ", ".join(value) or "anybody"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def adds(own: Policy, neighbour: Neighbour) -> tuple[str, ...]:
    """Return what the neighbour's policy demands of the project beyond *own*."""
    binding = neighbour.binding
    return () if binding is None else changes(own, own.stricter(binding))
