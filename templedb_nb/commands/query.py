"""Questions in SQL to a target's own database."""

from __future__ import annotations

from typing import Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, on_target, pass_call, words


@click.command(cls=Command, takes_cell=True)
@words("[PROJECT] [SQL]")
@on_target
@click.option("--database", metavar="NAME", shell_complete=completion.databases,
              help="The variable of the database, if the target has several.")  # fmt: skip
@click.option("--expect", metavar="WHAT", shell_complete=completion.expectations,
              help="Fail unless the answer is: true, empty, rows>=3, a value.")  # fmt: skip
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE",
              help="The value of %(NAME)s in the query; repeatable.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, metavar="N",
              help="How many rows to read.")  # fmt: skip
@click.option("--timeout", default="30s", show_default=True, metavar="TIME",
              help="How long the query may take: 90s, 5m.")  # fmt: skip
@click.option("--csv", is_flag=True, help="Print the rows as CSV.")
@pass_call
def query(
    call: Call, /, slug: str | None, sql: str | None, target: str | None, database: str | None,
    expect: str | None, params: tuple[str, ...], **read: Any,
) -> Any:  # fmt: skip
    """Query a target's database with SQL, read-only.

    One statement runs in a read-only transaction that is rolled back; a DuckDB file is opened
    read-only. No lock is taken. Without SQL, the query is read from standard input, or in a
    notebook from the cell. With --expect, the query is a check: another answer is an error (exit
    code 10).

    \b
    Examples:
      templedb query shop "SELECT count(*) FROM orders" --target staging
      templedb query "SELECT count(*) FROM orders WHERE total IS NULL" --expect 0
      templedb query "SELECT * FROM users WHERE id = %(id)s" --param id=7 --csv
      templedb query --target production --expect empty < orphans.sql
    """
    from dataclasses import replace

    from templedb_nb.core.sql.query import question
    from templedb_nb.core.values.points_in_time import wait_s
    from templedb_nb.core.values.query_expectation import expectation
    from templedb_nb.model.history import Csv

    asked = question(call.body(sql), _values(params))
    asked = replace(asked, limit=read["limit"], timeout_s=wait_s(read["timeout"]))
    wanted = expectation(expect) if expect is not None else None
    answer = call.app.queries.answer(call.choice(slug, target), asked, database, wanted)
    if answer.more and (call.notebook or read["csv"]):
        call.output.tell(f"these are the first {len(answer.rows):,} rows: --limit N reads more")
    return Csv(answer=answer) if read["csv"] else answer


def _values(params: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in params:
        name, equals, value = each.partition("=")
        if not equals or not name.isidentifier():
            raise click.UsageError(f"--param {each!r} is not NAME=VALUE")
        found[name] = value
    return found
