"""Whatever comes in, what goes out is a value or an error of ours: bounded runs of random input."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from templedb_nb.app.deploy.bundles import read_bundle
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.config import document as config
from templedb_nb.core.config import project_file
from templedb_nb.core.config.overlay import overlaid
from templedb_nb.core.lint.effects import impact
from templedb_nb.core.lint.linter import Pending, lint
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.core.sql.lexer import split
from templedb_nb.errors import TempleError
from templedb_nb.files.document import parse_document, parse_env
from templedb_nb.model.layout import Layout, Reading
from templedb_nb.runbook.notebook import Notebook
from templedb_nb.store import journal

WORDS = st.sampled_from(
    """SELECT INSERT INTO CREATE TABLE INDEX CONCURRENTLY ALTER ADD COLUMN TYPE VALUE DROP BEGIN COMMIT ROLLBACK
    SAVEPOINT DO CALL COPY FROM stdin ; \\. ( ) [ ] , . :: $$ $a$ ' '' " E' U&" -- /* */ \n \\c \\set :name
    ${x} password 'x' postgres://u:p@h/d 1 1.5e 0x a "b c" ROLE OPTIONS WITH RECURSIVE AS LATERAL JOIN ON USING
    FOR UPDATE OF DETACH PARTITION REINDEX VACUUM SET TRANSACTION ISOLATION LEVEL CONNECTION dblink('x')
    --\ttempledb:down -- templedb:no-transaction -- templedb:nolint -- +goose\tUp -- migrate:up --changeset\ta:b
    NULL IF NOT EXISTS é 中 \ufeff \x00 \r""".replace("\t", " ").split(" ")
)
SQL = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=60).map(" ".join)
JSON: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)  # fmt: skip
KEYS = ["name", "order", "file_patterns", "deploy_command", "pre_deploy", "env", "timeout", "kind", "database",
        "depends_on", "required_env_vars", "retries", "layout", "placeholders", "executor", "mutates", "health_check"]  # fmt: skip
GROUPS = st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6), max_size=4)
FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@given(SQL)
@FEW
def test_sql_is_read_linted_and_redacted_when_it_is_any_text(text: str) -> None:
    pieces = split(text)
    impact(pieces.statements, together=True, locking=True)
    redacted(text)
    marks(text)
    script = read_script(text.encode("utf-8", "surrogatepass"))
    lint([Pending(file="a.sql", database="D", script=script)], {})
    compatibility(script)


@given(st.binary(max_size=200))
@FEW
def test_script_has_problems_at_worst_when_it_is_any_bytes(raw: bytes) -> None:
    read_script(raw)


@given(SQL, st.sampled_from([each for each in Layout if each is not Layout.AUTO]))
@FEW
def test_sql_is_read_in_every_layout_when_it_is_any_text(text: str, layout: Layout) -> None:
    read_script(text.encode("utf-8", "surrogatepass"), Reading(layout=layout, part="b::a"))


@given(st.one_of(GROUPS.map(lambda groups: {"groups": groups}), JSON))
@FEW
def test_document_is_read_as_a_config_or_complained_of_when_it_is_anything(document: Any) -> None:
    config.parse(document)
    project_file.parse(document, "app")  # type: ignore[arg-type]


@given(GROUPS, JSON)
@FEW
def test_overlay_changes_a_config_or_is_refused_when_it_is_any_document(
    groups: Any, document: Any
) -> None:
    found, _ = config.parse({"groups": groups})
    with suppress(TempleError):
        overlaid(found, document)


@given(st.text(max_size=120), st.sampled_from(["a.json", "a.yaml", "a.toml", "-", "a"]))
@FEW
def test_text_is_read_as_a_document_or_refused_when_it_is_anything(text: str, name: str) -> None:
    for read in (parse_document, parse_env):
        with suppress(TempleError):
            read(text, name)


@given(st.one_of(st.binary(max_size=100), JSON.map(lambda each: json.dumps(each).encode())))
@FEW
def test_notebook_is_read_or_refused_when_its_file_holds_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("n") / "n.ipynb"
    for body in (raw, b'{"nbformat": 4, "cells": [' + raw + b"]}", b'{"nbformat": 4, "metadata": ' + raw + b', "cells": []}'):  # fmt: skip
        path.write_bytes(body)
        with suppress(TempleError):
            book = Notebook.read(path)
            book.clear()
            assert book.digest


def zipped(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return out.getvalue()


BUNDLES = st.one_of(
    st.binary(max_size=100),
    JSON.map(lambda each: zipped({"bundle.json": json.dumps(each).encode()})),
    JSON.map(
        lambda each: zipped({"bundle.json": json.dumps({"format": 1, "preview": each}).encode()})
    ),
    st.binary(max_size=60).map(lambda raw: zipped({"bundle.json": raw, "blobs/x": raw})),
)


@given(BUNDLES)
@FEW
def test_bundle_is_refused_when_its_file_holds_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("b") / "plan.templedb"
    path.write_bytes(raw)
    with pytest.raises(TempleError):
        read_bundle(path)


EVENT = {"v": 1, "seq": 1, "at": "2026-01-01T00:00:00+00:00", "elapsed_ms": 0, "run": "r"}
LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        JSON.map(lambda each: json.dumps(each).encode()),
        JSON.map(lambda each: json.dumps({**EVENT, "event": each}).encode()),
        JSON.map(lambda each: json.dumps({**EVENT, "event": {"kind": "step_started", "step": each}}).encode()),
    ),
    max_size=5,
)  # fmt: skip


@given(LINES)
@FEW
def test_journal_is_read_or_refused_when_its_file_holds_any_lines(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("j") / "r.jsonl"
    path.write_bytes(b"\n".join(parts) + b"\n")
    with suppress(TempleError):
        journal.lines(path)
