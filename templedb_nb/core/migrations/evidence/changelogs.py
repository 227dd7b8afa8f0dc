"""Liquibase's changelogs in XML, YAML and JSON, which are not read: which SQL files they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from templedb_nb.core.migrations.evidence import folder_words
from templedb_nb.core.migrations.layouts import liquibase
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.model.listings import Reason

_WORD = "databasechangelog"


def there(beside: Mapping[str, str]) -> list[str]:
    """Return the changelogs among the texts beside migrations, those for tests left out."""
    return sorted(
        path
        for path, text in beside.items()
        if liquibase.ROOT.fullmatch(last(path))
        and _WORD in text.lower()
        and not folder_words.not_meant(path)[0]
    )


def naming(files: Iterable[str], beside: Mapping[str, str]) -> str:
    """Return the changelog that names one of some SQL files; nothing if none does."""
    names = {last(path) for path in files}
    found = (path for path in there(beside) if any(name in beside[path] for name in names))
    return next(found, "")


def reasons(beside: Mapping[str, str], sql: Sequence[str]) -> Iterator[Reason]:
    """Yield what was seen of changelogs, and what would take their changes."""
    found = there(beside)
    if not found:
        return
    named = [last(path) for path in sql if any(last(path) in beside[each] for each in found)]
    names = f", which names {named[0]}{_more(named)}" if named else ""
    why = (
        f"a changelog of Liquibase's{names}: only Liquibase reads it. What is written as formatted"
        " SQL is taken: below --liquibase formatted sql, each change begins with --changeset"
        " AUTHOR:ID logicalFilePath:FILE, as databasechangelog has them"
    )
    yield Reason(what=f"{found[0]}{_more(found)}", why=why)


def _more(found: Sequence[str]) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""
