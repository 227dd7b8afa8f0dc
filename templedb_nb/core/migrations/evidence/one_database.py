"""Whether several folders of one program are of one database: asked where nothing says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from templedb_nb.core.migrations.evidence import folder_words, series
from templedb_nb.core.migrations.evidence.taking import TakenFolder
from templedb_nb.model.layout import Layout

_LISTED, _FEW = 12, 4
_EACH = "if each of them is of its own database"


def doubts(cluster: Sequence[TakenFolder]) -> Iterator[str]:
    """Yield why folders that could be of one database may be of several."""
    yield from _environments(cluster)
    yield from between(cluster)


def lists(cluster: Sequence[TakenFolder]) -> Iterator[str]:
    """Yield the lists that say nothing of the other folders: a group has one order file."""
    for each in cluster if len(cluster) > 1 else ():
        if each.order_file:
            yield f"{each.order_file} gives the order of {each.folder}/ alone"


def order_file(cluster: Sequence[TakenFolder]) -> str:
    """Return the list that gives the order of a group, which has one such file."""
    return cluster[0].order_file if len(cluster) == 1 else ""


def _environments(cluster: Sequence[TakenFolder]) -> Iterator[str]:
    """Yield which folders of a database are for one environment by their names."""
    named = [each.folder for each in cluster if folder_words.of_environment(each.folder)]
    if named and len(cluster) > 1:
        some = named[:_LISTED]
        are = "is for one environment by its name" if len(named) == 1 else "are for environments"
        yield f"{', '.join(some)} {are}: name the folders that the database gets"


def between(cluster: Sequence[TakenFolder]) -> Iterator[str]:
    """Yield which folders have versions between each other's: two databases, or one order."""
    if {each.in_style for each in cluster} == {Layout.FLYWAY}:  # by version over all of them
        return
    for own, other in combinations(cluster, 2):
        alike = own.dated is other.dated
        if alike and own.goes_past(other) and not own.reaches_into(other):
            yield (
                f"{own.folder}/ sorts before {other.folder}/, but its versions come after: nothing"
                " says whether they are of one database, and in which order"
            )
        if own.reaches_into(other):
            yield (
                f"{own.folder}/ and {other.folder}/ have versions between each other's: nothing"
                " says whether they are of one database, and in which order"
            )


def answers(
    clusters: Sequence[Sequence[TakenFolder]], unsure: Sequence[TakenFolder]
) -> Iterator[str]:
    """Yield the options for a database each, and for one.

    *unsure* are the folders whose order is open: each may hold several series.
    """
    for each in unsure:
        if len(each.bases) > 1:
            yield f"{_options(each.bases)} --each, {_EACH}"
    for own in clusters:
        if any(between(own)):
            several = sorted(own, key=lambda each: [*map(series.natural, each.versions)])
            options = _options([each.folder for each in several])
            yield f"{options} --each, {_EACH}"
            yield f"{options}, for one database in this order"


def _options(folders: Sequence[str]) -> str:
    """Return the options that name *folders*, or how that is written where they are many."""
    few = folders if len(folders) <= _FEW else ("FOLDER", "FOLDER", "…")
    return "".join(f" --folder {each}" if each != "…" else " …" for each in few)
