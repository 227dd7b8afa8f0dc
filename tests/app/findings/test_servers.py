"""What a real server cannot do is found by the plan, before anything runs."""

from __future__ import annotations

from tests.conftest import Shop


def test_run_is_refused_when_the_server_lacks_an_extension(shop: Shop) -> None:
    shop.migration("003_geo.sql", "CREATE EXTENSION IF NOT EXISTS no_such_extension;\n")
    said = shop.run(code=78).err
    assert "003_geo.sql:1: extension no_such_extension is not available on this server" in said
    assert "users" not in shop.pg.tables()


def test_run_is_refused_when_a_role_exists_on_the_server(shop: Shop) -> None:
    ((me,),) = shop.pg.query("SELECT current_user::text")
    shop.migration("003_role.sql", f'CREATE ROLE "{me}";\n')
    assert f"role {me} exists on this server already" in shop.run(code=78).err
    assert "users" not in shop.pg.tables()


def test_run_goes_on_when_the_server_offers_the_extension(shop: Shop) -> None:
    shop.migration("003_lang.sql", "CREATE EXTENSION IF NOT EXISTS plpgsql;\n")
    shop.run()
