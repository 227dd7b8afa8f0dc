"""What became of a ledger that only templedb may change: pure comparisons of what it held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.status import Ledgers
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger_part import summary
from templedb_nb.model.plan import Plan
from templedb_nb.model.witness import Key, Witness

TABLES = ("meta", "migration", "event", "run", "command", "approval", "lock", "object", "slot")
"""The ledger's own tables; what else stands in schema templedb is not ours."""
TOUCHED = "touched templedb's own ledger"
GONE = "ended its transaction without a COMMIT"
"""What psql says where the row that it wrote before the file is not there behind it."""
HINT = (
    "do not touch the schema of the ledger: AND schemaname <> 'templedb' in a loop over all"
    " tables or schemas, a list of names instead of DROP OWNED"
)
RESTORE = (
    "nothing else ran, and what the ledger said is kept:"
    " templedb migration restore-ledger --reason WHY"
)
MOST = 5
"""So many rows are named one by one."""
GROWS = ("event", "run", "command", "approval")
_FIXED = ("format", "target_uuid", "system")


def touched_by(what: str, found: Sequence[str]) -> str:
    """Return the message for something that changed the ledger."""
    return f"{what} {TOUCHED}: {'; '.join(found)}"


def damage(before: Witness, now: Witness, *, own: Collection[Key] = ()) -> tuple[str, ...]:
    """Return what the ledger lost or what was edited in it; rows of *own* may be other ones.

    Other projects, and people, may write the same ledger meanwhile: they add, and never remove.
    """
    if missing := [name for name in TABLES if name in before.shapes and name not in now.shapes]:
        return tuple(f"table templedb.{name} is gone" for name in missing)
    return (
        *reshaped(before, now),
        *_migrations(before, now, own),
        *_others(before, now),
        *_facts(before, now),
    )


def reshaped(before: Witness, now: Witness) -> Iterable[str]:
    """Yield the tables that have other columns, keys, triggers, rules or rights than before.

    A right that this role did not have before takes nothing away.
    """
    for name, shape in before.shapes.items():
        other = now.shapes.get(name)
        if other is not None and other != shape:
            was, now_ = set(shape.split("\n")), set(other.split("\n"))
            new = {line for line in now_ - was if not line.startswith("rights ")}
            about = dict.fromkeys(line.split(" ", 1)[0] for line in sorted((was - now_) | new))
            if about:
                yield f"templedb.{name} has other {', '.join(about)} than before"


def gone(before: Collection[Key], now: Collection[Key]) -> Iterable[str]:
    """Tell which rows of migrations are not there any more."""
    lost = sorted(set(before) - set(now))
    if lost:
        yield f"{rows(len(lost))} of templedb.migration gone ({named(key for _, key in lost)})"


def on_missing_parts(plan: Plan, ledgers: Ledgers) -> Iterable[Finding]:
    """Return what the ledger's tables lost: an error where no run can do without it."""
    for name, ledger in sorted(ledgers.items()):
        if not ledger.missing or plan.repairs:
            continue
        where = f"target {plan.target} ({name})"
        mend = f"templedb migration restore-ledger --target {plan.target} --reason WHY"
        told = f"has a damaged ledger: {summary(ledger.missing)}"
        if any(each.needed for each in ledger.missing):
            yield problem(where, told, mend, topic=Topic.LEDGER)
        else:
            yield Finding(
                severity=Severity.WARNING, topic=Topic.LEDGER, message=told, where=where, mend=mend
            )


def _migrations(before: Witness, now: Witness, own: Collection[Key]) -> Iterable[str]:
    kept = {key for key in before.migrations if key not in now.migrations}
    prints = set(now.migrations.values())
    renamed = {key for key in kept if before.migrations[key] in prints}
    yield from gone(before.migrations.keys() - renamed - set(own), now.migrations)
    edited = sorted(
        key
        for key, told in before.migrations.items()
        if key in now.migrations and now.migrations[key] != told and key not in own
    )
    if edited:
        told = named(key for _, key in edited)
        yield f"{rows(len(edited))} of templedb.migration edited ({told})"


def _others(before: Witness, now: Witness) -> Iterable[str]:
    for name in GROWS:
        lost = before.counts.get(name, 0) - now.counts.get(name, 0)
        if lost > 0:
            yield f"{rows(lost)} of templedb.{name} gone"
    edited = [
        each
        for each, told in before.approvals.items()
        if each in now.approvals and now.approvals[each] != told
    ]
    if edited:
        yield f"{rows(len(edited))} of templedb.approval edited"
    spoken = now.counts.get("event", 0) > before.counts.get("event", 0)
    if before.running and not now.running and now.counts.get("run") == before.counts.get("run"):
        yield "the row of this run in templedb.run edited"
    if before.locked and not now.locked and not spoken:
        yield "the row of this run in templedb.lock gone"


def _facts(before: Witness, now: Witness) -> Iterable[str]:
    """Tell which facts are other ones; a policy may be changed by a person, who leaves an event."""
    spoken = now.counts.get("event", 0) > before.counts.get("event", 0)
    for name, told in before.facts.items():
        kept = name in _FIXED or (name.startswith(("policy/", "shadow/")) and not spoken)
        if kept and now.facts.get(name) != told:
            yield f"{name} in templedb.meta {'edited' if name in now.facts else 'gone'}"


def rows(count: int) -> str:
    """Count rows, with the verb that follows."""
    return "1 row" if count == 1 else f"{count} rows"


def named(keys: Iterable[str]) -> str:
    """Name the first few, and count the others."""
    found = list(keys)
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return f"{', '.join(found[:MOST])}{more}"
