"""Targets in numbers: files of them, labels, selectors, and addresses from a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from templedb_nb.store.duckdb.settings import Settings
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Shop, Terminal

TENANTS = (
    "name,region,tier,slug\nacme,eu,gold,acme_db\nbeta,us,free,beta_db\ngamma,eu,free,gamma_db\n"
)


@pytest.fixture
def tenants(terminal: Terminal) -> Terminal:
    terminal.files(**{"migrations__001.sql": "CREATE TABLE t (id int);\n"})
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal.file("tenants.csv", TENANTS)
    return terminal


def named(terminal: Terminal, *words: str) -> list[str]:
    listed = terminal("target", "list", "app", *words, "--json").json[-1]
    return [each["name"] for each in listed["rows"]]


def everything(terminal: Terminal) -> Any:
    listed = terminal("target", "list", "app", "--json").json
    return listed, terminal("env", "list", "app", "--json").json


def test_import_tells_and_stores_nothing_when_it_is_a_dry_run(tenants: Terminal) -> None:
    told = tenants("target", "import", "app", "tenants.csv", "--dry-run")
    assert "would change targets of app: 3 new" in told.out
    assert named(tenants) == []
    assert "changed targets of app: 3 new" in tenants("target", "import", "app", "tenants.csv").out
    assert named(tenants) == ["acme", "beta", "gamma"]


def test_import_changes_nothing_when_it_is_repeated(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    before = everything(tenants)
    said = tenants("target", "import", "app", "tenants.csv")
    assert "changes no target of app: 3 as before" in said.out
    assert everything(tenants) == before


def test_bad_file_loses_nothing_and_tells_every_problem(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    before = everything(tenants)
    bad = "name,region,tier\nacme,us,gold\nnew,eu,free\nnew,eu,free\nbeta,us\n"
    said = tenants("target", "import", "app", "-", "--remove-gone", stdin=bad, code=78)
    assert "standard input:4: new: is there twice, first in line 3" in said.err
    assert "standard input:5: has 2 cells, but the header 3" in said.err
    assert everything(tenants) == before


def test_gone_targets_stay_until_they_are_to_be_removed(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    tenants("target", "add", "app", "control")
    tenants("env", "set", "app", "DATABASE_URL", "env:BETA", "--target", "beta")
    tenants("env", "set", "app", "DATABASE_URL", "env:GAMMA", "--target", "gamma")
    tenants.file("eu.csv", "name,tier\nacme,silver\n")
    said = tenants("target", "import", "app", "eu.csv")
    assert "1 changed, 2 gone" in said.out
    assert "~ acme: tier: gold → silver" in said.out
    assert "2 that the file does not name stay" in said.out
    words = ("target", "import", "app", "eu.csv", "--where", "region=eu", "--remove-gone")
    tenants(*words, "--dry-run")
    assert named(tenants) == ["acme", "beta", "control", "gamma"]
    told = tenants(*words, "--json").json[-1]
    assert [(e["target"], e["change"]) for e in told["rows"]] == [("gamma", "removed")]
    assert named(tenants) == ["acme", "beta", "control"]
    kept = tenants("env", "list", "app", "--json").json[-1]
    assert [each["target"] for each in kept["rows"]] == ["beta"]


def test_selector_lists_the_targets_that_it_selects(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    assert named(tenants, "--where", "region=eu and tier!=free") == ["acme"]
    assert named(tenants, "--where", "not region in (us)") == ["acme", "gamma"]
    said = tenants("target", "list", "app", "--where", "regoin=eu", code=64)
    assert "no target has a label regoin; did you mean region?" in said.err
    said = tenants("target", "list", "app", "--where", "region=eu and", code=64)
    assert "at character 14" in said.err


def test_labels_are_set_and_removed_all_or_none(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    tenants("target", "label", "app", "acme", "tier-", "plan=2026=new", "region=us", "host=db1")
    shown = tenants("target", "show", "app", "acme", "--json").json[-1]
    assert shown["target"]["labels"] == {"plan": "2026=new", "slug": "acme_db"}
    assert (shown["target"]["region"], shown["target"]["host"]) == ("us", "db1")
    assert "plan=2026=new, slug=acme_db" in tenants("target", "list", "app").out
    said = tenants("target", "label", "acme", "plan=x", "Bad=1", "tier-", "slug", code=64)
    assert all(each in said.err for each in ("Bad: ", "tier: the target has no", "slug: write"))
    assert tenants("target", "show", "app", "acme", "--json").json[-1] == shown
    assert "LABEL is missing" in tenants("target", "label", "app", "acme", code=64).err


def test_every_target_is_deployed_to_its_own_file_by_one_template(tenants: Terminal) -> None:
    tenants("target", "import", "app", "tenants.csv")
    tenants("target", "add", "app", "control")
    place = tenants.home / "db"
    place.mkdir()
    tenants("env", "set", "app", "DATABASE_URL", f"template:duckdb:{place}/{{slug}}.duckdb")
    for name in ("acme", "beta"):
        tenants("deploy", "run", "app", "--target", name)
    assert sorted(each.name for each in place.glob("*.duckdb")) == [
        "acme_db.duckdb",
        "beta_db.duckdb",
    ]
    said = tenants("deploy", "run", "app", "--target", "control", code=None)
    assert said.code != 0
    assert "no label slug" in said.all
    tenants(
        "env", "set", "app", "DATABASE_URL", f"duckdb:{place}/own.duckdb", "--target", "control"
    )
    tenants("deploy", "run", "app", "--target", "control")
    assert (place / "own.duckdb").exists()


def test_password_of_a_template_is_masked_and_the_plan_travels(shop: Shop) -> None:
    terminal, given = shop.terminal, psycopg.conninfo.conninfo_to_dict(shop.pg.dsn)
    where = f"{given['host']}:{given['port']}"
    terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    terminal("env", "set", "app", "DB_PASSWORD", stdin=HARD_PASSWORD)
    template = "template:postgresql://{user}:{DB_PASSWORD}@{host}/{slug}"
    terminal("env", "set", "app", "DATABASE_URL", template)
    labels = (f"user={shop.pg.role}", f"slug={shop.pg.name}", f"host={where}")
    terminal("target", "label", "app", "staging", *labels)
    shop.migration(
        "003_told.sql", f"DO $$ BEGIN RAISE NOTICE '%', '{quote(HARD_PASSWORD, safe='')}'; END $$;"
    )
    terminal("deploy", "plan", "app", "--out", "release.plan")
    ran = terminal("deploy", "run", "--plan", "release.plan")
    logged = terminal("deploy", "logs", "last")
    assert "***[DB_PASSWORD]" in logged.out
    assert len(shop.pg.applied()) == 3
    shop.migration("004_fails.sql", "SELECT 1/0;")
    said = shop.run(code=None)
    assert said.code != 0
    forms = (HARD_PASSWORD, quote(HARD_PASSWORD, safe=""))
    assert not [form for form in forms if form in ran.all + logged.all + said.all]
    written = [
        each for each in terminal.state.parent.rglob("*") if each.suffix in {".jsonl", ".log"}
    ]
    assert not [each for each in written if any(f.encode() in each.read_bytes() for f in forms)]


def test_template_is_refused_when_it_has_a_password_or_leads_nowhere(tenants: Terminal) -> None:
    bad = "template:postgresql://app:hunter22@h/{slug}"
    said = tenants("env", "set", "app", "DATABASE_URL", bad, code=78)
    assert "put a variable in its place" in said.err
    assert "hunter22" not in said.all
    said = tenants("env", "set", "app", "DATABASE_URL", "template:mysql://h/{slug}", code=78)
    assert "is not a database address" in said.err
    said = tenants("env", "set", "app", "ONE", "template:x{TWO}")
    tenants("env", "set", "app", "TWO", "template:{ONE}")
    tenants("env", "set", "app", "DATABASE_URL", "template:duckdb:{ONE}")
    tenants("target", "add", "app", "here")
    said = tenants("deploy", "plan", "app", code=None)
    assert "the template of DATABASE_URL names another one, ONE" in said.all


def test_checked_in_file_has_labels_and_a_template(terminal: Terminal) -> None:
    place = terminal.home / "db"
    place.mkdir()
    text = {
        "groups": [MIGRATIONS],
        "targets": {"acme": {"region": "eu", "labels": {"slug": "a_1"}}},
        "variables": {"DATABASE_URL": "template:duckdb:{FOLDER}/{slug}.duckdb"},
    }
    terminal.files(**{"templedb.yaml": json.dumps(text), "migrations__001.sql": "SELECT 1;\n"})
    terminal("project", "import", "app")
    terminal.set(FOLDER=str(place))
    assert named(terminal, "--where", "slug=a_1 and region=eu") == ["acme"]
    terminal("deploy", "run", "app")
    assert (place / "a_1.duckdb").exists()
    assert "templedb.yaml" in terminal("target", "label", "app", "acme", "x=1", code=78).err
    text["targets"] = {"acme": {"labels": {"host": "h", "In Valid": "x"}}}
    text["variables"] = {"DATABASE_URL": "template:postgresql://u:hunter22@h/{slug"}
    terminal.files(**{"templedb.yaml": json.dumps(text)})
    terminal("project", "sync", "app")
    said = terminal("deploy", "config", "app", "--validate", code=None)
    assert all(
        each in said.all for each in ("labels.host", "labels.In Valid", "a brace is not closed")
    )


def test_variables_are_read_once_for_all_targets_when_the_next_step_is_told(
    tenants: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"tenant-{n},eu\n" for n in range(50))
    tenants.file("many.csv", f"name,region\n{rows}")
    tenants("target", "import", "app", "many.csv")
    calls: list[object] = []
    real = Settings.variables

    def counted(self: Settings, *words: Any) -> Any:
        calls.append(words)
        return real(self, *words)

    monkeypatch.setattr(Settings, "variables", counted)
    said = tenants("env", "set", "app", "DATABASE_URL", "env:ANY")
    assert "next: templedb deploy run app --target NAME" in said.out
    assert len(calls) <= 2


def test_frame_of_an_import_has_a_row_for_each_change(tenants: Terminal) -> None:
    from templedb_nb.app.container import Container
    from templedb_nb.app.fleet.target_imports import ImportOptions
    from templedb_nb.views.frames import frame

    app = Container.open(Path(tenants.environ["TEMPLEDB_STATE"]))
    with app.state.transaction():
        project = app.projects.pick("app")
        made = app.target_imports.carry_out(project, TENANTS, "t.csv", ImportOptions())
    shown = frame(made)
    assert shown is not None
    assert list(shown["change"]) == ["new"] * 3
    assert list(shown["line"]) == [2, 3, 4]
