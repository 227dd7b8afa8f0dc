"""Flyway's several locations: one series of versions, whatever folder a file lies in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.core.migrations.layouts import flyway
from templedb_nb.core.migrations.layouts.placing import Placed
from templedb_nb.model.layout import Layout


def by_version(placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """Return the migrations of a group, those of all of Flyway's folders in one order.

    Folders that have a version in common are not one series: they keep the order of the patterns.
    """
    own = [p for p in placed if p.reading and p.reading.layout is Layout.FLYWAY]
    bases = list(dict.fromkeys(each.base for each in own))
    if len(bases) <= 1 or len({each.key for each in own}) < len(own):
        return tuple(placed)
    once = [each for each in own if not _again(each)]
    once.sort(key=lambda each: flyway.version(each.key))
    again = sorted((each for each in own if _again(each)), key=lambda each: each.key)
    series = iter(replace(p, base=bases[0], home=p.folder) for p in (*once, *again))
    mine = {id(each) for each in own}
    first = next(n for n, each in enumerate(placed) if id(each) in mine)
    before = [each for each in placed[:first] if id(each) not in mine]
    behind = [each for each in placed[first:] if id(each) not in mine]
    return (*before, *series, *behind)


def _again(placed: Placed) -> bool:
    return bool(placed.reading and placed.reading.repeatable)
