"""What lies beside migrations, looks like one, and is none: other letters, symbolic links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from templedb_nb.core.config import globs
from templedb_nb.core.migrations.layouts.placing import last, left_out
from templedb_nb.model.finding import Finding

LINK = "is a symbolic link"


def by_case(
    patterns: Sequence[str], there: frozenset[str], taken: Iterable[str]
) -> Iterator[Finding]:
    """Yield a warning for each file that only its letters keep away from the patterns of a group.

    *taken* are the files that the patterns do take; two of them may be one file elsewhere.
    """
    own = frozenset(taken)
    small = [each.lower() for each in patterns]
    around = [path for path in _mixed(there) if path in own or _would_be_taken(path, small)]
    alike: dict[str, list[str]] = {}
    for path in sorted(own, key=_small_first):
        alike.setdefault(path.lower(), []).append(path)
    for path in around:
        same = alike.get(path.lower(), [path])[0]
        if same != path:
            message = f"differs from {same} in the case of its letters only"
            mend = "remove one of them: they are one file on some machines"
            yield left_out(path, message, mend)
        elif path not in own and path.lower().endswith(".sql") and not path.endswith(".sql"):
            message = "does not end in .sql in small letters: it is not a migration here"
            yield left_out(path, message, f"rename it to {last(path)[:-4]}.sql")
        elif path not in own:
            message = "differs from the patterns in the case of its letters: not a migration here"
            yield left_out(path, message, "rename it, or name it in file_patterns")


@lru_cache(maxsize=2)
def _mixed(there: frozenset[str]) -> Sequence[str]:
    """Return the paths that have capital letters, once for all groups of a release."""
    return sorted(path for path in there if path != path.lower())


def _would_be_taken(path: str, small: Sequence[str]) -> bool:
    """Return whether a group would take a file if letters were all of one case."""
    return any(own for _, own in globs.taken(small, [path.lower()]))


def _small_first(path: str) -> tuple[bool, str]:
    return path != path.lower(), path


def by_letters(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the SQL files of a project that some machines, or patterns, take for others or none.

    Each is followed by why.
    """
    first: dict[str, str] = {}
    found: list[str] = []
    own = (each for each in paths if each[-4:].lower() == ".sql")
    for path in sorted(own, key=_small_first):
        same = first.setdefault(path.lower(), path)
        if same != path:
            found.append(f"{path}: differs from {same} in the case of its letters only")
        elif not path.endswith(".sql"):
            found.append(f"{path}: does not end in .sql in small letters")
    return tuple(found)


def links(patterns: Iterable[Sequence[str]], skipped: Sequence[str]) -> Iterator[Finding]:
    """Yield a warning for each link that the patterns of a group would take, or go through.

    *skipped* are paths with the reason why they were not read.
    """
    found = [path for each in skipped for path, _, why in [each.partition(": ")] if LINK in why]
    told: set[str] = set()
    for own in patterns if found else ():
        below = [f"{path}/x.sql" for path in found]
        taken = {path for _, paths in globs.taken(own, [*found, *below]) for path in paths}
        taken |= {f"{path}/x.sql" for path in found for each in own if each.startswith(f"{path}/")}
        for path in found:
            if path not in told and not taken.isdisjoint({path, f"{path}/x.sql"}):
                told.add(path)
                mend = "replace it with what it leads to: links are not followed"
                yield left_out(path, f"{LINK}: nothing of it is deployed", mend)
