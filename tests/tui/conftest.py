from __future__ import annotations

import pytest

from tests.conftest import MIGRATIONS, Terminal


@pytest.fixture
def duck(terminal: Terminal) -> Terminal:
    """A project with two targets that are DuckDB files; production is protected."""
    terminal.file("app/migrations/001_users.sql", "CREATE TABLE users (id int PRIMARY KEY);\n")
    terminal.file("app/migrations/002_orders.sql", "CREATE TABLE orders (id int);\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    for name, guard in (("staging", ()), ("production", ("--protected",))):
        terminal("target", "add", "app", name, *guard)
        address = f"duckdb:{terminal.home}/{name}.duckdb"
        terminal("env", "set", "app", "DATABASE_URL", address, "--target", name, "--plain")
    return terminal
