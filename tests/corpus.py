"""Folders of migrations in the style of other tools, and what psql makes of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import CORPORA, Database, Terminal

FOLDERS = {
    "golang-migrate": "db/migrations",
    "dbmate": "db/migrations",
    "goose": "migrations",
    "flyway": "src/main/resources/db/migration",
    "prisma": "prisma/migrations",
    "supabase": "supabase/migrations",
    "sqlx": "migrations",
    "diesel": "migrations",
    "atlas": "migrations",
    "graphile-migrate": "migrations",
    "postgrator": "migrations",
    "refinery": "migrations",
    "yoyo": "migrations",
    "sqitch": "db",
    "tern": "migrations",
    "liquibase": "db/changelog",
}
NO_WAY_BACK = frozenset({"prisma", "supabase", "atlas", "graphile-migrate", "refinery"})
_MARK = re.compile(r"--\s*(?:migrate:|\+goose\s+)(up|down)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Corpus:
    """A project of one tool, copied to where a test may change it."""

    tool: str
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / FOLDERS[self.tool]

    def ups(self) -> Iterator[tuple[str, bytes]]:
        """Yield what goes up, file by file in the tool's own order, told without our code."""
        for path in self._ordered():
            name = path.name
            if name == "down.sql" or ".down." in name or ".undo." in name or "rollback" in name:
                continue
            if self.tool == "flyway" and re.match(r"U\d", name):
                continue
            for body in self._ups(path.read_bytes()):
                yield str(path.relative_to(self.root)), body

    def _ups(self, body: bytes) -> list[bytes]:
        if self.tool == "tern":
            return [body.partition(b"---- create above / drop below ----")[0]]
        if self.tool == "liquibase":
            return re.split(rb"(?m)^--changeset[^\n]*\n", body)[1:]
        return [self._up(body)]

    def _ordered(self) -> Sequence[Path]:
        if self.tool == "sqitch":
            lines = (self.folder / "sqitch.plan").read_text().splitlines()
            named = [line.split()[0] for line in lines if line and line[0] not in "%@"]
            named[named.index("notes")] = "notes@v2"
            return [self.folder / "deploy" / f"{name}.sql" for name in named]
        files = [p for p in self.folder.rglob("*.sql") if p.name not in _NOT_RUN]
        if self.tool == "yoyo":  # the first by name waits for the last
            return sorted(files, key=lambda p: (p.name.startswith("0000."), p.name))
        return sorted(files, key=self._place)

    def _place(self, path: Path) -> tuple[object, ...]:
        if self.tool in {"prisma", "diesel"}:
            return (path.parent.name,)
        if self.tool in {"atlas", "graphile-migrate"}:
            return (path.name,)
        if path.name.startswith("R__"):
            return (1, path.name)
        numbers = re.split(r"__|_(?!\d)|\.(?!\d)", path.name.lstrip("VU"))[0]
        return (0, [int(each) for each in re.split(r"[._]", numbers)])

    def _up(self, body: bytes) -> bytes:
        if self.tool == "flyway":
            return body.replace(b"${prefix}", b"my")
        if self.tool not in {"dbmate", "goose"}:
            return body
        lines, on = [], False
        for line in body.decode("utf-8-sig").splitlines(keepends=True):
            if found := _MARK.match(line):
                on = found[1].lower() == "up"
            elif on:
                lines.append(line)
        return "".join(lines).encode()


_NOT_RUN = frozenset({"afterMigrate.sql", "current.sql"})


def copied(tool: str, place: Path) -> Corpus:
    """Return a copy of a tool's corpus."""
    shutil.copytree(CORPORA / tool, place)
    return Corpus(tool=tool, root=place)


def by_psql(files: Iterator[tuple[str, bytes]], pg: Database, scratch: Path) -> None:
    """Run each file by a psql of its own, which stops at the first error."""
    for number, (path, body) in enumerate(files):
        file = scratch / f"{number}.sql"
        file.write_bytes(body)
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", pg.dsn, "-f", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{path}: {done.stderr}"


def dumped(pg: Database, *without: str) -> str:
    """Return a database's schema and rows as pg_dump writes them, without what is not of them."""
    left_out = [f"--exclude-schema={name}" for name in ("templedb",)]
    left_out += [f"--exclude-table={name}" for name in without]
    done = subprocess.run(
        ["pg_dump", "--no-owner", "--no-acl", *left_out, "-d", pg.dsn],
        capture_output=True,
        text=True,
        check=True,
    )
    kept = (line for line in done.stdout.splitlines() if not _NOISE.match(line))
    return "\n".join(line for line in kept if line)


_NOISE = re.compile(r"--|SET |SELECT pg_catalog\.set_config|\\(?:un)?restrict")


def deployed(terminal: Terminal, corpus: Corpus, pg: Database, **group: object) -> None:
    """Import a corpus as project *app*, with one group for its folder, and a target."""
    terminal("project", "import", str(corpus.root), "--slug", "app")
    place = FOLDERS[corpus.tool]
    terminal.config({"name": "migrations", "file_patterns": [f"{place}/**/*.sql"], **group})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", "staging")
