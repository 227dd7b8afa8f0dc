"""Locks by name, from what a catalog has: never less than measured, and few more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from templedb_nb.core.lint.effects import impact, seen
from templedb_nb.core.lint.locks.named_locks import MOST, Neighbours, beside
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.effect import LockMode
from templedb_nb.model.relatives import ForeignKey, NamedRelation, Relatives
from tests.effects.measure import MODES
from tests.effects.record import Record

TABLES = frozenset("rpmvf")
_RANKS = {lock: rank for rank, lock in enumerate(LockMode)}
_MEASURED = {mode: rank for rank, mode in enumerate(MODES, start=1)}
_ROWS = _RANKS[LockMode.ROW_EXCLUSIVE]
"""Row locks and weaker ones: foreign keys and triggers take them, and keep nobody waiting."""


def around(graph: dict[str, Any]) -> Relatives:
    """Return what a stage of the record would have in its catalog."""
    kinds = graph["kinds"]
    pairs = [tuple(each) for each in graph["parents"]]
    keys = [*graph["references"], *graph.get("needs", [])]
    return Relatives(
        named=tuple(
            NamedRelation(schema="public", name=name, title=name, visible=True)
            for name, kind in kinds.items()
            if kind in TABLES | {"i", "I"}
        ),
        partitions=tuple((a, b) for a, b in pairs if kinds[b] in "pI"),
        children=tuple((a, b) for a, b in pairs if kinds[b] not in "pI"),
        defaults=tuple((a, b) for a, b in graph["default"]),
        keys=tuple(ForeignKey(table=a, referenced=b) for a, b in keys),
        tables=tuple((a, b) for a, b in graph["table"] if kinds[a] in "iI"),
        reads=tuple((a, b) for a, b in graph["reads"]),
    )


def compared() -> Iterator[tuple[str, str, str, dict[str, int], dict[str, int], set[str]]]:
    """Yield what is told, and what was measured, of each statement that is told wholly by name."""
    record = Record.read()
    near = {kind: Neighbours(around(graph)) for kind, graph in record.graphs.items()}
    for row in record.rows():
        (statement,) = split(row.sql).statements
        found, here = seen(statement.tokens), near[row.kind]
        here.changed.clear()  # each statement is alone
        others, left, _ = beside(found, statement.tokens, here, ())
        if left or any(not name.key for name, _ in found.locked):
            continue
        kinds = record.graphs[row.kind]["kinds"]
        told: dict[str, int] = {}
        for name, lock in found.locked:
            title = here.title(name) or name.key[-1]
            title = here.table(title) if found.beside == "the table of" else title
            told[title] = max(told.get(title, 0), _RANKS[lock])
        named = set(told)
        for each in others:
            told[each.name] = max(told.get(each.name, 0), _RANKS[each.lock])
        for server, text in row.on.items():
            if not text.startswith("!"):
                locks = (each.partition(":") for each in text.split("|")[0].split())
                real = {name: _MEASURED[mode] for mode, _, name in locks}
                yield (
                    row.kind,
                    row.sql,
                    server,
                    told,
                    {n: m for n, m in real.items() if kinds.get(n) in TABLES},
                    named,
                )


def test_no_named_lock_is_less_than_measured() -> None:
    less, count = [], 0
    for kind, sql, server, told, real, _ in compared():
        count += 1
        less += [
            (kind, sql, server, name, told, real)
            for name, rank in real.items()
            if rank > _ROWS and told.get(name, 0) < rank
        ]
    assert less == []
    assert count > 20_000


def test_few_relations_are_named_that_are_not_locked() -> None:
    """The record knows no columns: with them, keys of other columns are left out, too."""
    named = wrong = 0
    for _, _, _, told, real, written in compared():
        others = [name for name in told if name not in written and told[name] > _ROWS]
        named += len(others)
        wrong += sum(name not in real for name in others)
    assert named > 5000
    assert wrong < named / 4


PARTED = Relatives(
    named=(
        NamedRelation(schema="public", name="orders", title="orders", visible=True),
        NamedRelation(schema="old", name="orders", title="old.orders", visible=False),
    ),
    partitions=tuple((f"orders_{n:02}", "orders") for n in range(30)),
    keys=(
        ForeignKey(
            table="orders",
            referenced="customers",
            name="orders_customer",
            columns=("customer",),
            referenced_columns=("id",),
        ),
    ),
    triggers=(("orders", "audit", "UPDATE"),),
)


def told(sql: str, found: Relatives = PARTED) -> tuple[list[str], str]:
    statements = split(sql).statements
    effects = impact(statements, together=True, locking=True, near=Neighbours(found)).effects
    return [each.title for each in effects[-1].touched], effects[-1].note


def test_many_partitions_are_counted_behind_the_first_ones() -> None:
    titles, _ = told("ALTER TABLE orders ADD note text")
    assert titles[:2] == ["orders", "partition orders_00"]
    assert titles[-1] == f"{30 - MOST} more partitions"
    assert len(titles) == MOST + 2


def test_last_partition_is_named_where_it_would_be_counted_alone() -> None:
    parts = tuple((f"orders_{n:02}", "orders") for n in range(MOST + 1))
    titles, _ = told("ALTER TABLE orders ADD note text", replace(PARTED, partitions=parts))
    assert titles == ["orders", *(f"partition {part}" for part, _ in parts)]


def test_table_that_inherits_is_called_a_child_and_what_a_view_reads_underlies_it() -> None:
    names = [
        NamedRelation(schema="public", name=name, title=name, visible=True)
        for name in ("animals", "newest")
    ]
    found = Relatives(
        named=tuple(names), children=(("cats", "animals"),), reads=(("newest", "orders"),)
    )
    assert told("ALTER TABLE animals ADD x int", found)[0] == ["animals", "child table cats"]
    assert told("LOCK TABLE newest", found)[0] == ["newest", "underlying relation orders"]


@pytest.mark.parametrize(
    ("sql", "locked"),
    [
        ("ALTER TABLE ONLY orders DROP customer", True),
        ("ALTER TABLE ONLY orders DROP COLUMN IF EXISTS customer", True),
        ("ALTER TABLE ONLY orders DROP note", False),
        ("ALTER TABLE ONLY orders DROP CONSTRAINT orders_customer", True),
        ("ALTER TABLE ONLY orders DROP CONSTRAINT IF EXISTS orders_check", False),
        ("ALTER TABLE ONLY orders ALTER customer TYPE bigint", True),
        ("ALTER TABLE ONLY orders ALTER COLUMN note TYPE bigint", False),
        ('ALTER TABLE ONLY orders VALIDATE CONSTRAINT "orders_customer"', True),
        ("ALTER TABLE ONLY orders ALTER CONSTRAINT orders_check DEFERRABLE", False),
    ],
)
def test_referenced_table_is_named_where_the_column_or_constraint_is_of_the_key(
    sql: str, *, locked: bool
) -> None:
    titles, note = told(sql)
    assert ("referenced table customers" in titles) is locked
    assert "if there are any" not in note


def test_trigger_is_named_whose_function_nobody_reads() -> None:
    assert "fires audit" in told("UPDATE orders SET note = 'x'")[1]
    assert "fires" not in told("DELETE FROM orders")[1]


def test_relation_is_told_by_words_where_its_name_does_not_decide() -> None:
    path = "SET LOCAL search_path TO old, public;\n"
    assert told(f"{path}ALTER TABLE orders ADD x int")[0] == ["orders"]
    assert told("ALTER TABLE old.orders ADD x int")[0] == ["old.orders"]
    new = "CREATE TABLE fresh (id int REFERENCES orders);\nALTER TABLE fresh DROP id;\n"
    assert "also locked, if there are any" in told(new)[1]


@pytest.mark.parametrize(
    "before",
    [
        "ALTER TABLE orders ADD FOREIGN KEY (place) REFERENCES customers;",
        "ALTER TABLE orders ADD place int REFERENCES customers;",
        "ALTER TABLE orders RENAME TO orders_before; ALTER TABLE orders_new RENAME TO orders;",
        "ALTER TABLE orders ATTACH PARTITION customers DEFAULT;",
    ],
)
def test_what_the_catalog_had_not_yet_is_told_by_words(before: str) -> None:
    drop = "ALTER TABLE orders DROP place;"
    assert "if there are any" not in told(drop)[1]
    named = [
        *PARTED.named,
        NamedRelation(schema="public", name="customers", title="customers", visible=True),
    ]
    found = replace(PARTED, named=tuple(named))
    assert (
        "also locked, if there are any: tables that its foreign keys"
        in told(f"{before}\n{drop}", found)[1]
    )
    near = Neighbours(found)
    for text in (before, drop):  # two files
        last = impact(split(text).statements, together=True, locking=True, near=near).effects[-1]
    assert "also locked, if there are any" in last.note
