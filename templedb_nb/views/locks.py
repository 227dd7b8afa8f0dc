"""Whom a plan's migrations keep waiting, in words that every front end shares."""

from __future__ import annotations

from collections.abc import Iterable

from templedb_nb.model.effect import Blocks, Impact, LockMode, TableLock, ranked, stronger
from templedb_nb.model.plan import Preview
from templedb_nb.model.step import Migration, Mode, Step

NAMED = 3
CAVEAT = (
    "Told from the text alone, for PostgreSQL: what triggers, functions, views, partitions and "
    "foreign keys elsewhere lock beside that is not in it."
)
BY_NAME = (
    "Partitions, foreign keys and views are those of the target when the plan was made; what "
    "functions lock, those of triggers too, is not in it."
)


def caveat(value: Preview) -> str:
    """Say where the locks of a plan are from; nothing where it has none."""
    told = [each.impact for each in value.draft.scripts if each.impact.locks]
    if not told:
        return ""
    return BY_NAME if all(each.named for each in told) else CAVEAT


def of_plan(value: Preview) -> tuple[TableLock, ...]:
    """Return the strongest lock on each object over all migrations, the gravest first."""
    found: dict[str, TableLock] = {}
    for script in value.draft.scripts:
        for each in script.impact.locks:
            found[each.title] = stronger(found[each.title], each) if each.title in found else each
    return ranked(found.values())


def blocked(locks: Iterable[TableLock]) -> str:
    """Say whom locks keep waiting: ``blocks reads and writes of orders, writes to customers``."""
    by: dict[Blocks, list[TableLock]] = {each: [] for each in Blocks}
    for each in locks:
        by[each.blocks].append(each)
    told = []
    if by[Blocks.ALL]:
        told.append(f"reads and writes of {_named(by[Blocks.ALL])}")
    if by[Blocks.WRITES]:
        told.append(f"writes to {_named(by[Blocks.WRITES])}")
    said = f"blocks {'; '.join(told)}" if told else "blocks neither reads nor writes"
    unknown = "not everything that it locks is known"
    if by[Blocks.UNKNOWN]:
        return f"{said}; {unknown}" if told else unknown
    return said


def blocks(each: TableLock) -> str:
    """Say whom one lock keeps waiting, beside its name."""
    if each.new:
        return "nobody: new here"
    match each.blocks:
        case Blocks.ALL | Blocks.WRITES:
            return str(each.blocks)
        case Blocks.UNKNOWN:
            return "unknown"
        case _:
            return _ROWS if each.lock is LockMode.ROW_EXCLUSIVE else "neither reads nor writes"


_ROWS = "writes of the same rows"


def held(impact: Impact, step: Step) -> str:
    """Say which locks a migration holds at most, and how long; nothing where it holds none."""
    if not impact.locks:
        return ""
    strong = [each for each in impact.locks if each.blocks is not Blocks.NOTHING]
    told = [f"{each.lock} on {each.title}" if each.title else "locks unknown" for each in strong]
    if not told:
        return "No lock that keeps readers or writers of a table waiting."
    more = f" and {len(told) - 2 * NAMED} more" if len(told) > 2 * NAMED else ""
    listed = "; ".join(told[: 2 * NAMED])
    stepwise = isinstance(step, Migration) and step.mode is Mode.STATEMENTS
    until = "Each step until it commits" if stepwise else "Until it commits"
    return f"{until}: {listed}{more}."


def _named(locks: Iterable[TableLock]) -> str:
    """Name the first few; several of one sort that no text names are counted."""
    own, sorts = [], dict[str, list[TableLock]]()
    for each in locks:
        if each.beside in _OF_NAMES:
            own.append(each.title)
        else:
            sorts.setdefault(each.beside, []).append(each)
    more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
    counted = [
        f"{count} {sort}s" if (count := sum(each.count for each in alike)) > 1 else alike[0].title
        for sort, alike in sorts.items()
    ]
    return f"{', '.join((*own[:NAMED], *counted))}{more}"


_OF_NAMES = frozenset({"", "index", "the table of"})
"""What stands before names that the text of a statement has."""
