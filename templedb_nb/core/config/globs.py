"""Patterns that choose files of a project: relative, with ``/``, matched case by case.

``*`` and ``?`` stay within one segment of a path; ``**``, alone in its segment, stands for any
number of folders; ``[ab]``, ``[a-z]`` and ``[!ab]`` stand for one character that is not ``/``.
Everything else is itself, a leading dot and ``{a,b}`` too; ``[*]`` is a literal star. In a list of
patterns, one that begins with ``!`` takes away from all others, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

EXCEPT = "!"
_ANY_FOLDERS = "**"
_CLASS = re.compile(r"\[(?P<negated>!?+)(?P<members>\][^\]/]{0,255}|[^\]/]{1,255})\]", re.DOTALL)
_RANGE = re.compile(r"(?P<low>.)-(?P<high>.)|(?P<one>.)", re.DOTALL)
_PART = re.compile(rf"(?P<class>{_CLASS.pattern})|(?P<star>\*)|(?P<one>\?)|(?P<self>.)", re.DOTALL)


def complaints(pattern: str) -> tuple[str, ...]:
    """Return what is wrong with *pattern*, each in words that follow its name; () if it is fit."""
    return tuple(_complaints(pattern))


def match(pattern: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of *paths* that match, in the given order; an unfit pattern matches none."""
    fits = _compiled(pattern).fullmatch
    return tuple(path for path in paths if fits(path))


def excludes(pattern: str) -> bool:
    """Return whether a pattern of a list takes files away."""
    return pattern.startswith(EXCEPT)


def including(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns of a list that take files in."""
    return tuple(each for each in patterns if not excludes(each))


def taken(patterns: Sequence[str], paths: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each pattern that takes files in, with those of *paths* that it takes."""
    out = {
        path
        for each in patterns
        if excludes(each)
        for path in match(each.removeprefix(EXCEPT), paths)
    }
    left = [path for path in paths if path not in out] if out else paths
    for each in including(patterns):
        yield each, match(each, left)


def _complaints(pattern: str) -> Iterator[str]:
    if not pattern:
        yield "is empty"
        return
    if pattern.startswith("/"):
        yield "is absolute; patterns begin at the project's root"
    if "\\" in pattern:
        yield "has a backslash; separate folders with /, and write [*] for a literal star"
    if "\0" in pattern:
        yield "has a NUL character"
    segments = pattern.removeprefix("/").split("/")
    if "" in segments:
        yield "has an empty segment: a doubled or trailing /"
    for segment in dict.fromkeys(segments):
        yield from _complaints_of_segment(segment)


def _complaints_of_segment(segment: str) -> Iterator[str]:
    if segment in (".", ".."):
        yield f"has a segment {segment!r}"
        return
    if segment != _ANY_FOLDERS and _ANY_FOLDERS in _CLASS.sub("x", segment):
        yield f"has ** glued to other text in {segment!r}; ** must stand alone between slashes"
    if "[" in _CLASS.sub("", segment):
        yield f"has an unclosed [ in {segment!r}; [[] is a literal bracket"
    for found in _CLASS.finditer(segment):
        yield from _complaints_of_class(found)


def _complaints_of_class(found: re.Match[str]) -> Iterator[str]:
    if found["members"].startswith("^"):
        yield f"has {found[0]}; write [!…] for any other character"
    for each in _RANGE.finditer(found["members"]):
        if each["low"] and each["low"] > each["high"]:
            yield f"has the reversed range {each[0]} in {found[0]}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    if complaints(pattern):
        return re.compile(r"(?!)")
    return re.compile(_path(pattern), re.DOTALL)


def _path(pattern: str) -> str:
    """Translate a whole pattern.

    Between two ``**`` the first place where the segments fit is as good as any later one, so an
    atomic group takes it; a pattern of many stars then costs no more than one of few.
    """
    first, *others = _runs(pattern)
    if not others:
        return "/".join(first)
    *middle, last = others
    head = "".join(f"{segment}/" for segment in first)
    inner = "".join(f"(?>(?:[^/]+/)*?{'/'.join(run)}/)" for run in middle if run)
    return f"{head}{inner}(?:[^/]+/)*{'/'.join(last) or '[^/]+'}"


def _runs(pattern: str) -> list[list[str]]:
    """Return the translated segments that stand before, between and after each ``**``."""
    runs: list[list[str]] = [[]]
    for segment in pattern.split("/"):
        if segment == _ANY_FOLDERS:
            runs.append([])
        else:
            runs[-1].append(_segment(segment))
    return runs


def _segment(segment: str) -> str:
    """Translate one segment; between two stars, too, the first place that fits is taken."""
    pieces = [""]
    for part in _PART.finditer(segment):
        if part["star"]:
            pieces.append("")
        else:
            pieces[-1] += _part(part)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle) + "[^/]*" + last


def _part(part: re.Match[str]) -> str:
    if part["one"]:
        return "[^/]"
    if part["class"]:
        return _class(part)
    return re.escape(part["self"])


def _class(part: re.Match[str]) -> str:
    members = "".join(
        f"{re.escape(each['low'])}-{re.escape(each['high'])}" if each["low"] else re.escape(each[0])
        for each in _RANGE.finditer(part["members"])
    )
    return f"(?!/)[{'^' if part['negated'] else ''}{members}]"
