"""What squawk says is left out where the server refuses what it advises, or no client could notice."""

from __future__ import annotations

import pytest

from templedb_nb.core.lint.linter import LintFindings, merged
from templedb_nb.model.lint import SQUAWK, Complaint
from tests.conftest import Shop

DETACHES = "require-concurrent-partition-detach"
PARTS = """
CREATE TABLE {0} (day int) PARTITION BY LIST (day);
CREATE TABLE {0}_1 PARTITION OF {0} FOR VALUES IN (1);
"""


def rows(shop: Shop) -> set[tuple[str, int]]:
    found = shop.terminal("migration", "lint", "app", "--target", "staging", "--json").json[-1]
    return {(each["rule"], each["line"]) for each in found["rows"] if each["source"] == SQUAWK}


def test_concurrent_detach_is_advised_only_where_no_default_partition_forbids_it(
    shop: Shop,
) -> None:
    shop.run()
    shop.pg.query(PARTS.format("weeks"))
    shop.pg.query(PARTS.format("days"))
    shop.pg.query("CREATE TABLE days_rest PARTITION OF days DEFAULT")
    shop.migration(
        "003.sql",
        "ALTER TABLE days DETACH PARTITION days_1;\nALTER TABLE days DETACH PARTITION days_rest;\n"
        "ALTER TABLE weeks DETACH PARTITION weeks_1;\n",
    )
    ((version,),) = shop.pg.query("SELECT current_setting('server_version_num')::int / 10000")
    assert rows(shop) == ({(DETACHES, 3)} if version >= 14 else set())


@pytest.mark.parametrize(("version", "told"), [(0, True), (13, False), (14, True), (18, True)])
def test_concurrent_detach_is_advised_only_for_servers_that_know_it(
    version: int, *, told: bool
) -> None:
    linted = LintFindings(complaints=(), new={"1.sql": ()}, beside_default={})
    said = Complaint(
        rule=DETACHES, file="1.sql", line=1, column=1, message="detaches", source=SQUAWK
    )
    assert merged(linted, [said], {"1.sql": version}) == ((said,) if told else ())


def test_names_that_no_client_uses_and_the_order_of_an_enum_are_no_risks(shop: Shop) -> None:
    shop.run()
    shop.pg.query("CREATE TYPE mood AS ENUM ('old')")
    shop.migration(
        "003.sql",
        "ALTER TRIGGER tr ON users RENAME TO x;\nALTER POLICY pol ON users RENAME TO x;\n"
        "ALTER TYPE mood ADD VALUE 'calm';\nALTER TABLE users RENAME CONSTRAINT a TO b;\n",
    )
    assert rows(shop) == {("renaming-object", 4)}
