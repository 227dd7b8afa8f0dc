"""Where in a file DuckDB found an error."""

from __future__ import annotations

import pytest

from tests.conftest import Terminal

LONG = ", ".join(str(number) for number in range(400))


@pytest.mark.parametrize(
    "line",
    [
        "SELECT nope;",
        "\t\tSELECT\tnope;",
        "SELECT '漢字', nope;",
        "\tSELECT '漢字',\t'漢', nope;",
        f"SELECT {LONG}, nope, {LONG};",
        f"\tSELECT '漢', {LONG}, nope;",
        "INSERT INTO t SELECT nope;",
    ],
)
@pytest.mark.parametrize("before", ["", "CREATE TABLE t (id int);\n", "/* 漢\t */ "])
def test_caret_is_below_the_name_that_duckdb_does_not_know(
    terminal: Terminal, before: str, line: str
) -> None:
    if "INTO t" in line and "TABLE t" not in before:
        before = f"CREATE TABLE t (id int); {before}"
    terminal.file("app/migrations/001.sql", f"{before}{line}\n")
    terminal.file(
        "app/templedb.yaml",
        'groups: [{name: m, file_patterns: ["migrations/*.sql"]}]\ntargets: {local: {}}\n',
    )
    terminal("project", "import", "app")
    address = f"duckdb://{terminal.home}/local.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", address, "--target", "local", "--plain")
    said = terminal("deploy", "run", "app", code=10)
    lines = (said.out + said.err).splitlines()
    (at,) = (number for number, each in enumerate(lines) if each.strip(" |") == "^")
    shown, column = lines[at - 1], lines[at].index("^")
    wide = sum(each in "漢字" for each in shown[:column])
    assert shown[column - wide :].startswith("nope")
