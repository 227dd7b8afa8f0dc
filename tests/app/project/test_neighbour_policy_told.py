"""Whoever changes a target hears which policies of other projects its runs obey all the same."""

from __future__ import annotations

from tests.app.recovery.test_restored_tables import another_state
from tests.conftest import Shop


def test_target_update_names_the_other_project_when_no_reason_is_given(shop: Shop) -> None:
    shop.terminal("target", "update", "app", "staging", "--protected", "--reason", "production")
    shop.run(code=20)
    made = shop.terminal("sql", "SELECT id FROM plans ORDER BY made_at DESC", "--json")
    shop.approve(made.json[-1]["rows"][0][0])
    shop.run()
    another_state(shop)
    shop.terminal.file("second/migrations/001_s.sql", "CREATE TABLE s (id int);\n")
    shop.terminal("project", "import", "second")
    shop.terminal("deploy", "init", "second")
    shop.terminal("target", "add", "second", "prod")
    shop.terminal("env", "set", "second", "DATABASE_URL", shop.pg.dsn, "--target", "prod")
    said = shop.terminal("target", "update", "second", "prod", "--no-protected").text
    assert "runs obey the policy of project app, too: protected: no -> yes" in said
