"""Two variables that lead to one database."""

from __future__ import annotations

from tests.conftest import Shop


def test_run_is_refused_when_two_variables_lead_to_one_database_and_keys_collide(
    shop: Shop,
) -> None:
    for folder in ("a", "b"):
        text = f"CREATE TABLE of_{folder} (id int);"
        shop.terminal.file(f"app/{folder}/1_x.up.sql", text)
    shop.config(
        {"name": "a", "file_patterns": ["a/*.sql"]},
        {"name": "b", "file_patterns": ["b/*.sql"], "database": "B_DATABASE_URL"},
    )
    shop.terminal("env", "set", "app", "B_DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.run("--skip-group", "b")
    said = shop.run(code=78).err
    assert "B_DATABASE_URL is the same database as DATABASE_URL" in said
    assert shop.pg.tables() == ["of_a"]


def test_first_run_stops_at_its_own_lock_when_two_variables_lead_to_one_database(
    shop: Shop,
) -> None:
    for folder in ("a", "b"):
        shop.terminal.file(f"app/{folder}/1_x.up.sql", f"CREATE TABLE of_{folder} (id int);")
    shop.config(
        {"name": "a", "file_patterns": ["a/*.sql"]},
        {"name": "b", "file_patterns": ["b/*.sql"], "database": "B_DATABASE_URL"},
    )
    shop.terminal("env", "set", "app", "B_DATABASE_URL", shop.pg.dsn, "--target", "staging")
    assert "templedb lock show" in shop.run(code=None).err
    assert shop.pg.tables() == []
