"""Each layout, on a folder with its traps: recognised, in order, transactions, ways back.

`docs/reference/layouts.md` has a row for each, and names these tests as its proof.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.engine.observe import ReadCache, Reader
from templedb_nb.model.config import DeployConfig, Group, GroupKind
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import Layout, address
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Mode

PAGE = Path(__file__).parents[3] / "docs/reference/layouts.md"
ONE, INDEX = "CREATE TABLE t (id int);\n", "CREATE INDEX CONCURRENTLY i ON t (id);\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of a tool; `order` are the keys as they run, `alone` those without a transaction."""

    files: Mapping[str, str]
    order: str
    alone: str = ""
    back: str = ""
    pattern: str = "m/**/*.sql"


FOLDERS = {
    "plain": Folder(
        files={
            "m/001_a.sql": ONE, "m/002_b.sql": INDEX, "m/002_b.down.sql": "SELECT 1;",
            "m/003_c.sql": "SELECT 1;\n-- templedb:down\nSELECT 2;",
            "m/004_d.sql": "-- templedb:no-transaction\nSELECT 1;", "m/down/001_a.sql": "SELECT 1;",
        },
        order="m/001_a.sql m/002_b.sql m/003_c.sql m/004_d.sql",
        alone="m/002_b.sql m/004_d.sql", back="m/001_a.sql m/002_b.sql m/003_c.sql",
    ),
    "golang-migrate": Folder(
        files={
            "m/9_a.up.sql": ONE, "m/9_a.down.sql": "SELECT 1;", "m/10_b.up.sql": INDEX,
            "m/notes.sql": "SELECT 1;", "m/11_c.down.sql": "SELECT 1;",
        },
        order="9 10", alone="10", back="9",
    ),
    "dbmate": Folder(
        files={
            "m/20260101_a.sql": f"-- migrate:up\n{ONE}-- migrate:down\nDROP TABLE t;\n",
            "m/20260102_b.sql": "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\n",
        },
        order="20260101 20260102", alone="20260102", back="20260101 20260102",
    ),
    "goose": Folder(
        files={
            "m/9_a.sql": f"-- +goose Up\n{ONE}-- +goose Down\nDROP TABLE t;\n",
            "m/10_b.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n",
        },
        order="9 10", alone="10", back="9",
    ),
    "flyway": Folder(
        files={
            "m/V9__a.sql": ONE, "m/V10__b.sql": "SELECT 1;", "m/R__v.sql": "SELECT 1;",
            "m/V10__b.sql.conf": "executeInTransaction=false", "m/U9__a.sql": "DROP TABLE t;",
            "m/sub/V9_1__c.sql": "SELECT 1;", "m/beforeMigrate.sql": "SELECT 1;",
        },
        order="9 9.1 10 R__v", alone="10", back="9",
    ),
    "prisma": Folder(
        files={
            "m/20260102_b/migration.sql": INDEX, "m/20260101_a/migration.sql": ONE,
            "m/migration_lock.toml": "", "m/fix_rows.sql": "SELECT 1;",
        },
        order="20260101_a 20260102_b", alone="20260102_b",
    ),
    "supabase": Folder(
        files={
            "supabase/migrations/20260102000000_b.sql": INDEX,
            "supabase/migrations/20260101000000_a.sql": ONE,
        },
        order="20260101000000 20260102000000", alone="20260102000000", pattern="supabase/**/*.sql",
    ),
    "sqlx": Folder(
        files={
            "m/9_a.up.sql": ONE, "m/9_a.down.sql": "DROP TABLE t;",
            "m/10_b.up.sql": "-- no-transaction\nSELECT 1;", "sqlx.toml": "",
        },
        order="9 10", alone="10", back="9",
    ),
    "diesel": Folder(
        files={
            "m/2026-01-02-000000_b/up.sql": "SELECT 1;", "m/2026-01-01-000000_a/up.sql": ONE,
            "m/2026-01-01-000000_a/down.sql": "DROP TABLE t;",
            "m/2026-01-02-000000_b/metadata.toml": "run_in_transaction = false",
            "m/fix_rows.sql": "SELECT 1;",
        },
        order="20260101000000 20260102000000", alone="20260102000000", back="20260101000000",
    ),
    "atlas": Folder(
        files={
            "m/20260102_b.sql": "-- atlas:txmode none\n\nSELECT 1;", "m/20260101_a.sql": ONE,
            "m/atlas.sum": "h1:x=\n",
        },
        order="20260101 20260102", alone="20260102",
    ),
    "graphile-migrate": Folder(
        files={
            "m/committed/000002.sql": "--! Previous: sha1:a\n--! Hash: sha1:b\n--! no-transaction\n\nSELECT 1;",
            "m/committed/000001.sql": "--! Previous: -\n--! Hash: sha1:a\n\nSELECT 1;",
            "m/current.sql": "SELECT 1;",
        },
        order="1 2", alone="2",
    ),
    "postgrator": Folder(
        files={
            "m/9.do.a.sql": ONE, "m/9.undo.a.sql": "DROP TABLE t;", "m/10.do.b.sql": INDEX,
        },
        order="9 10", alone="10", back="9",
    ),
    "refinery": Folder(
        files={"m/V9__a.sql": ONE, "m/V10__b.sql": INDEX, "Cargo.toml": ""},
        order="9 10", alone="10",
    ),
    "yoyo": Folder(
        files={
            "m/a.sql": "-- depends: b\nSELECT 1;", "m/b.sql": "-- transactional: false\nSELECT 1;",
            "m/a.rollback.sql": "SELECT 1;", "yoyo.ini": "",
        },
        order="b a", alone="b", back="a",
    ),
    "sqitch": Folder(
        files={
            "m/sqitch.plan": "%project=x\n\nb 2026-01-01T00:00:00Z A <a@b.c>\na [b] 2026-01-02T00:00:00Z A <a@b.c>\n",
            "m/deploy/a.sql": ONE, "m/deploy/b.sql": INDEX, "m/revert/a.sql": "DROP TABLE t;",
            "m/verify/a.sql": "SELECT 1;",
        },
        order="b a", alone="b", back="a", pattern="m/deploy/*.sql",
    ),
    "liquibase": Folder(
        files={
            "m/1.sql": (
                f"--liquibase formatted sql\n--changeset x:9\n{ONE}--rollback DROP TABLE t;\n"
                "--changeset x:10 runInTransaction:false\nSELECT 1;\n"
            ),
        },
        order="m/1.sql::9::x m/1.sql::10::x", alone="m/1.sql::10::x", back="m/1.sql::9::x",
    ),
    "tern": Folder(
        files={
            "m/001_a.sql": f"{ONE}---- create above / drop below ----\nDROP TABLE t;\n",
            "m/002_b.sql": "---- tern: disable-tx ----\nSELECT 1;\n",
        },
        order="1 2", alone="2", back="1",
    ),
    "alembic": Folder(
        files={
            "m/versions/b_.py": "revision = 'b'\ndown_revision = 'a'\n",
            "m/versions/z_.py": "revision = 'a'\ndown_revision = None\n",
            "m/script.py.mako": "",
        },
        order="a b", pattern="m/versions/*.py",
    ),
}  # fmt: skip


def digest(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).hexdigest())


def entry(path: str, text: str) -> FileEntry:
    return FileEntry(path=path, blob=digest(text), size=len(text), executable=False)


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_is_read_as_its_tool_does_when_it_is_of(name: str) -> None:
    folder = FOLDERS[name]
    bodies = {digest(text): text.encode() for text in folder.files.values()}

    def read(wanted: Iterable[Digest]) -> Mapping[Digest, bytes]:
        return {each: bodies[each] for each in wanted}

    group = Group(name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=(folder.pattern,))
    files = [entry(path, text) for path, text in sorted(folder.files.items())]
    seen = Reader(read, ReadCache()).observe(
        DeployConfig(groups=(group,)), files, {}, all_scripts=True
    )
    (found,) = seen.migrations
    scripts = {p.key: seen.scripts[address(file.blob, p.reading)] for p, file in found.placed}
    downs = {placed.key for placed in found.arranged.files if placed.down}
    assert {str(layout) for _, layout in found.arranged.layouts} == {name}
    assert " ".join(scripts) == folder.order
    assert " ".join(k for k, s in scripts.items() if s.mode is Mode.STATEMENTS) == folder.alone
    assert " ".join(k for k, s in scripts.items() if s.down or k in downs) == folder.back


def test_each_layout_has_a_folder_and_a_row_when_the_page_is_read() -> None:
    layouts = {str(each) for each in Layout} - {"auto"}
    assert set(FOLDERS) == layouts
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row for row in rows}
    assert set(told) == layouts
    for name, row in told.items():
        assert f"[{name}]" in row[-2], name


def test_each_row_names_the_tools_table_when_its_history_is_imported() -> None:
    page = PAGE.read_text()
    for tool in TOOLS.values():
        if tool.layout is not Layout.PLAIN:
            (row,) = (line for line in page.splitlines() if line.startswith(f"| `{tool.layout}`"))
            assert any(f"`{table}`" in row for table in tool.tables), (tool.title, tool.tables)


def test_proofs_exist_when_the_page_names_them() -> None:
    named = re.findall(r"`(tests/\S+?\.py)`[^|\n;]*?`(test_\w+)", PAGE.read_text())
    assert len(named) > len("proofs")
    for path, test in named:
        assert f"def {test}(" in (PAGE.parents[2] / path).read_text(), test
