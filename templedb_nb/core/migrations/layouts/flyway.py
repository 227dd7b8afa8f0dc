"""Flyway: ``V1_2__name.sql`` by version, part by part; then ``R__name.sql`` whenever it changes.

``U1_2__name.sql`` rolls a version back. ``B5__name.sql`` stands for all up to 5, where those files
are gone. Java migrations are opaque, and callbacks do not run.
"""

from __future__ import annotations

import re
from dataclasses import replace

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placed,
    Placements,
    complaint,
    last,
    left_out,
    twice,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.core.sql.lexer import tokens
from templedb_nb.core.sql.line_index import LineIndex, Spans
from templedb_nb.core.sql.tokens import TokenKind
from templedb_nb.model.finding import Finding
from templedb_nb.model.layout import Layout, Reading

NAME = re.compile(
    r"(?:(?P<kind>[VUB])(?P<version>\d++(?:[._]\d++)*+)|(?P<again>R))__(?P<title>.*)\.sql"
)
CALLBACK = re.compile(r"(?:before|after|create)[A-Z](?:\w*+|(?>\w*?__).*)\.sql")
CODE = re.compile(
    r"(?:V(?P<version>\d++(?:[._]\d++)*+)|(?P<again>R))__(?P<title>.*)\."
    r"(?:java|kt|groovy|scala|class)"
)
_LANGUAGES = ("java", "kotlin", "groovy", "scala")
_PLACEHOLDER = re.compile(r"\$\{(?P<name>[^}\n]{1,200})\}")
_SETTING = re.compile(
    r"^[ \t]*+(?:flyway\.)?(?P<key>\w++)[ \t]*+=[ \t]*+(?P<value>\S*+)[ \t]*+$", re.MULTILINE
)


def version(words: str) -> tuple[int, ...]:
    """Return what a version is sorted by; ``1``, ``01`` and ``1.0`` are equal."""
    numbers = [int(each) for each in re.split(r"[._]", words)]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def key_of(words: str) -> str:
    """Return the key of a version as a file name or Flyway's table has it."""
    return ".".join(str(each) for each in version(words))


def repeatable_key(description: str) -> str:
    """Return the key of what runs whenever it changes."""
    return f"R__{description.replace('_', ' ').strip()}"


def place(folder: MigrationFolder) -> Placements:
    """Return versions in their order, then what runs again by description."""
    findings: list[Finding] = []
    versions: list[tuple[tuple[int, ...], Placed]] = []
    again: list[Placed] = []
    undo: dict[str, str] = {}
    bases: list[tuple[tuple[int, ...], Placed]] = []
    for path in (*folder.files, *_programs(folder)):
        found = NAME.fullmatch(last(path)) or CODE.fullmatch(last(path))
        if found is None:
            findings.append(_stranger(path))
            continue
        made = _placed(folder, path, found)
        kind = found.groupdict().get("kind") or "V"
        if found["again"]:
            again.append(made)
        elif kind == "U":
            undo[key_of(found["version"])] = path
        else:
            (bases if kind == "B" else versions).append((version(found["version"]), made))
    findings += _base(versions, bases)
    placed = [replace(p, down=undo.get(p.key, "")) for _, p in sorted(versions, key=_by_version)]
    placed += sorted(again, key=lambda each: each.key)
    findings += twice(placed)
    return Placements(files=tuple(placed), downs=tuple(undo.values()), findings=tuple(findings))


def _programs(folder: MigrationFolder) -> list[str]:
    """Return the programs of a location: those in the folder, and where its package's code lies.

    ``src/main/resources/db/migration`` and ``src/main/java/db/migration`` are one location.
    """
    homes = [folder.base]
    above, resources, below = f"/{folder.base}/".rpartition("/resources/")
    if resources:
        homes += [f"{above}/{word}/{below}".strip("/") for word in _LANGUAGES]
    found = (replace(folder, base=home).beside(CODE, below=True) for home in homes)
    return sorted({path for own in found for path in own})


def _by_version(pair: tuple[tuple[int, ...], Placed]) -> tuple[tuple[int, ...], str]:
    return pair[0], pair[1].path


def _placed(folder: MigrationFolder, path: str, found: re.Match[str]) -> Placed:
    key = repeatable_key(found["title"]) if found["again"] else key_of(found["version"])
    if not path.endswith(".sql"):
        opaque = "is a program, which only Flyway can run"
        reading = Reading(layout=Layout.FLYWAY, opaque=opaque)
    else:
        reading = _reading(folder, path, again=bool(found["again"]))
    return Placed(path=path, key=key, reading=reading, base=folder.base)


def _reading(folder: MigrationFolder, path: str, *, again: bool) -> Reading:
    beside = folder.look.beside.get(f"{path}.conf", "")
    settings = {found["key"]: found["value"].lower() for found in _SETTING.finditer(beside)}
    alone = settings.get("executeInTransaction") == "false"
    return Reading(
        layout=Layout.FLYWAY,
        no_transaction=f"{last(path)}.conf: executeInTransaction=false" if alone else "",
        repeatable=again,
        literal=settings.get("placeholderReplacement") == "false",
        values=folder.values,
    )


def _stranger(path: str) -> Finding:
    if CALLBACK.fullmatch(last(path)):
        message = "is a Flyway callback, which is not run"
        mend = "put what it does into a migration or a post_deploy hook"
        return left_out(path, message, mend)
    return left_out(path, "has a name that Flyway does not accept: it is left out", "V2__NAME.sql")


def _base(
    versions: list[tuple[tuple[int, ...], Placed]], bases: list[tuple[tuple[int, ...], Placed]]
) -> list[Finding]:
    """Take the newest baseline in, where the files that it stands for are gone."""
    if not bases:
        return []
    newest, made = max(bases, key=_by_version)
    findings = [
        left_out(each.path, f"is a baseline, but {made.path} is a later one: it is left out")
        for _, each in sorted(bases, key=_by_version)[:-1]
    ]
    before = [each for number, each in versions if number <= newest]
    if before:
        message = (
            f"is a baseline, but the migrations that it replaces are here, such as {before[0].path}"
        )
        return [*findings, left_out(made.path, f"{message}: it is left out")]
    versions.append((newest, made))
    return findings


def parts(text: str, reading: Reading) -> Parts:
    """Return the text with the values of its placeholders; one without a value is a problem."""
    if reading.literal or "${" not in text:
        return Parts(up=text)
    values = dict(reading.values)
    problems = []
    wanted = [found for found in _PLACEHOLDER.finditer(text) if found["name"] not in values]
    comments, lines = Spans(_comments(text) if wanted else []), LineIndex(text)
    for found in wanted:
        if found.start() not in comments:
            line = lines.line(found.start())
            message = f"the placeholder {found[0]} has no value"
            mend = f'set it in its group: placeholders: {{"{found["name"]}": …}}'
            problems.append(Remark(message=message, line=line, mend=mend))
    whole = _PLACEHOLDER.sub(lambda found: values.get(found["name"], found[0]), text)
    return Parts(up=whole, text=whole, problems=tuple(problems))


def _comments(text: str) -> list[tuple[int, int]]:
    """Return where the comments are that hold something like a placeholder."""
    found = (token for token in tokens(text) if token.kind is TokenKind.COMMENT)
    return [(t.start, t.start + len(t.text)) for t in found if "${" in t.text]


def collisions(folder: MigrationFolder) -> list[Finding]:
    """Return a finding for a name that two Rust tools and Flyway read differently."""
    crate = next((each for each in sorted(folder.there) if last(each) == "Cargo.toml"), None)
    undo = next((each for each in folder.files if last(each).startswith("U")), None)
    if crate is None or undo is None:
        return []
    message = f"{undo} rolls back for Flyway, and goes forward for refinery ({crate} is there)"
    return [complaint(folder.base, message, "name the layout of its group: layout: flyway")]
