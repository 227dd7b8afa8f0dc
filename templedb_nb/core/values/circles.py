"""Circles in what depends on what: found without recursion, in time that its size says."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def circle(after: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return one circle as a, b, a; empty if there is none. Names without an entry end a way."""
    clear: set[str] = set()
    for first in after:
        if first in clear:
            continue
        way = {first: iter(after[first])}
        while way:
            name = next(reversed(way))
            following = next(way[name], None)
            if following is None:
                del way[name]
                clear.add(name)
            elif following in way:
                names = [*way]
                return (*names[names.index(following) :], following)
            elif following in after and following not in clear:
                way[following] = iter(after[following])
    return ()
