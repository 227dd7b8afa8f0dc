"""Deployment windows: when runs may begin on a target, and when not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias

from templedb_nb.model.dataclass import dataclass


class WindowEffect(StrEnum):
    """What a rule does to runs that would begin while it holds."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """From each time that `cron` names in `zone`, for so many seconds: runs may begin, or may not.

    The seconds are elapsed time: a clock that is put forward or back meanwhile does not change
    them. `name` is what overrides it; a rule without one cannot be overridden.
    """

    effect: WindowEffect
    cron: str
    duration_s: int
    zone: str
    reason: str
    name: str = ""

    def __str__(self) -> str:
        """Return the rule as ``--window`` takes it."""
        head = f"{self.name}: " if self.name else ""
        return f"{head}{self.timing} because {self.reason}"

    @property
    def timing(self) -> str:
        """Return what it does, and when."""
        return f"{self.effect} {self.cron} for {told_s(self.duration_s)} in {self.zone}"

    @property
    def known_as(self) -> str:
        """Return its name, or where it has none what it does and when."""
        return self.name or self.timing


Rules: TypeAlias = tuple[WindowRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The rules of one policy, or of several at once.

    No run begins while one of `denies` holds. Of each set in `allows` one rule at least must hold:
    every policy with rules that allow brings its own set, so that a run needs all of them to agree.
    """

    denies: Rules = ()
    allows: tuple[Rules, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[WindowRule]) -> Windows:
        """Return the windows of a policy that has those rules."""
        found = tuple(rules)
        denies = [each for each in found if each.effect is WindowEffect.DENY]
        allows = [each for each in found if each.effect is WindowEffect.ALLOW]
        return cls(denies=ordered(denies), allows=(ordered(allows),) if allows else ())

    @property
    def rules(self) -> Rules:
        """Return every rule once."""
        return ordered([*self.denies, *(each for some in self.allows for each in some)])

    def stricter(self, other: Windows) -> Windows:
        """Return windows that are open when both are, in a form that no order of joining changes.

        A set of rules that allow contains another: then the smaller one says all that both say.
        """
        sets = {*self.allows, *other.allows}
        least = [one for one in sets if not any({*each} < {*one} for each in sets)]
        return Windows(
            denies=ordered([*self.denies, *other.denies]),
            allows=tuple(sorted(least, key=lambda rules: [str(each) for each in rules])),
        )

    def without(self, names: Collection[str]) -> Windows:
        """Return the windows where the rules of those names let every run pass."""
        return Windows(
            denies=tuple(each for each in self.denies if each.name not in names),
            allows=tuple(some for some in self.allows if not {e.name for e in some} & {*names}),
        )


NO_WINDOWS = Windows()


def ordered(rules: Iterable[WindowRule]) -> Rules:
    """Return each of *rules* once, in an order that does not depend on how they were given."""
    return tuple(sorted(set(rules), key=str))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBlock:
    """Why no run may begin: a rule that denies it, or rules that allow it and do not hold.

    `until` is the end of that; nothing where none is in sight. `unreadable` says what is wrong with
    a rule that this machine cannot read.
    """

    rules: Rules
    until: datetime | None
    unreadable: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of which each overrides it."""
        return tuple(dict.fromkeys(each.name for each in self.rules if each.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """What windows say at one moment: whether a run may begin, and when that changes.

    `opens` is the next moment at which a run may begin, `closes` the next one from which none may;
    each is empty where it is now already, or where none is in sight.
    """

    now: datetime
    blocks: tuple[WindowBlock, ...] = ()
    opens: datetime | None = None
    closes: datetime | None = None

    @property
    def open(self) -> bool:
        """Return whether a run may begin."""
        return not self.blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOverride:
    """Which rules a person sets aside for one run, by their names, and why."""

    names: tuple[str, ...] = ()
    reason: str = ""


NO_OVERRIDE = WindowOverride()


class PassReason(StrEnum):
    """Why a run began although windows were closed."""

    OVERRIDE = "override"
    ROLLBACK = "rollback"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPassed:
    """The run begins although those deployment windows do not let it; `reason` is a person's."""

    kind: ClassVar[str] = "window_passed"
    windows: tuple[str, ...]
    because: PassReason
    reason: str = ""

    def __str__(self) -> str:
        """Return what happened, on one line."""
        rules = ", ".join(self.windows)
        match self.because:
            case PassReason.OVERRIDE:
                return f"window overridden: {rules}: {self.reason}"
            case PassReason.ROLLBACK:
                return f"window passed: {rules}: an automatic rollback waits for no window"
            case PassReason.RESUME:
                return f"window passed: {rules}: the run had begun before"


_UNITS = ((3600, "h"), (60, "m"), (1, "s"))


def told_s(seconds: int) -> str:
    """Return a duration as configs and people write it: 62h, 1h30m."""
    told = ""
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        told += f"{count}{unit}" if count else ""
    return told or "0s"
