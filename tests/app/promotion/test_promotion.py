"""Promotion: what one target got, the next gets; and what must be true before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from templedb_nb.api import Temple, frame
from templedb_nb.core.promotion.choice import away
from templedb_nb.core.promotion.gates import SourceFacts, SourceHealth, gates
from templedb_nb.errors import PlanRefused, UsageProblem
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.lifecycle import PromotionGates
from templedb_nb.model.past_run import PastRun
from tests import postgres
from tests.app.recovery.test_died import killed
from tests.conftest import MIGRATIONS, Database, Said, Terminal, databases
from tests.runbook.test_runbook import notebook

LIFECYCLE = ["staging", "production"]


@dataclass
class Shop:
    """A project with a staging and a production target, whose config is checked in."""

    terminal: Terminal
    urls: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def deployed(self, target: str) -> list[str]:
        """Return what the commands have deployed to a target, in order."""
        out = self.terminal.home / f"{target}.out"
        return out.read_text().splitlines() if out.exists() else []

    def write(self, **more: Any) -> None:
        """Write the config, with *more* keys from now on."""
        self.config |= more
        command = f"cat version.txt >> {self.terminal.home}/$TEMPLEDB_TARGET.out"
        groups = [MIGRATIONS, {"name": "web", "deploy_command": command}]
        targets: dict[str, Any] = {name: {} for name in self.urls}
        document = {"groups": groups, "lifecycle": LIFECYCLE, "targets": targets} | self.config
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    def version(self, name: str, **migrations: str) -> None:
        self.terminal.file("app/version.txt", f"{name}\n")
        for file, sql in migrations.items():
            self.terminal.file(f"app/migrations/{file}.sql", sql)

    def deploy(self, target: str, *words: str, code: int | None = 0) -> Said:
        return self.terminal("deploy", "run", "app", "--target", target, *words, code=code)

    def promote(self, *words: str, code: int | None = 0) -> Said:
        return self.terminal("promote", "app", *words, code=code)

    def fresh(self, name: str) -> None:
        """Go on with another, empty state, as another machine would."""
        self.terminal.set(TEMPLEDB_STATE=str(self.terminal.home / name / "state.duckdb"))
        self.terminal("project", "import", "app")
        self.addresses()

    def addresses(self) -> None:
        for target, url in self.urls.items():
            self.terminal("env", "set", "app", "DATABASE_URL", url, "--target", target)

    def runs(self, target: str) -> list[dict[str, Any]]:
        """Return the runs on a target, newest first."""
        said = self.terminal("deploy", "history", "app", "--target", target, "--json")
        rows: list[dict[str, Any]] = said.json[-1]["rows"]
        return rows


def start(terminal: Terminal, staging: str, production: str) -> Shop:
    """Return a shop whose first version is on staging."""
    shop = Shop(terminal, urls={"staging": staging, "production": production})
    shop.write()
    shop.version("v1", m001="CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    shop.addresses()
    shop.deploy("staging")
    return shop


@pytest.fixture
def quick(terminal: Terminal) -> Shop:
    """Return the shop with two DuckDB files as its targets."""
    home = terminal.home
    return start(terminal, f"duckdb://{home}/staging.duckdb", f"duckdb://{home}/production.duckdb")


@pytest.fixture
def other_pg(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


@pytest.fixture(params=["postgres", "duckdb"])
def shop(request: pytest.FixtureRequest, terminal: Terminal) -> Shop:
    """Return the shop with two databases of either kind."""
    if request.param == "duckdb":
        found: Shop = request.getfixturevalue("quick")
        return found
    pg: Database = request.getfixturevalue("pg")
    other: Database = request.getfixturevalue("other_pg")
    return start(terminal, pg.dsn, other.dsn)


# --- what is promoted -----------------------------------------------------------------------------


def test_promotion_brings_what_staging_got_when_the_folder_has_moved_on(shop: Shop) -> None:
    shop.version("v2", m002="CREATE TABLE b (id int);\n")
    said = shop.promote("--from", "staging", "--to", "production")
    assert "succeeded" in said.out
    assert shop.deployed("production") == ["v1"]
    status = shop.terminal("migration", "status", "app", "--target", "production", "--json").json
    states = {row["file"]: row["state"] for row in status[-1]["rows"]}
    assert states == {"migrations/m001.sql": "applied", "migrations/m002.sql": "pending"}
    run, source = shop.runs("production")[0], shop.runs("staging")[0]
    assert (run["run_kind"], run["parent_run"]) == ("promote", source["run"])


def test_lifecycle_names_the_targets_when_the_command_does_not(quick: Shop) -> None:
    quick.promote()
    assert quick.deployed("production") == ["v1"]
    assert (
        "does not lead from production to staging"
        in quick.promote("--from", "production", "--to", "staging", code=64).err
    )


@pytest.mark.parametrize(
    ("lifecycle", "words", "told"),
    [
        ([], (), "name both targets: --from, --to"),
        ([], ("--from", "staging"), "--to"),
        (["staging", ["production", "demo"]], ("--from", "staging"), "production, demo"),
        ({"staging": "demo"}, ("--to", "production"), "the lifecycle does not name it"),
        ({"staging": "demo"}, ("--from", "staging", "--to", "production"), "staging -> demo"),
        (LIFECYCLE, ("--from", "staging", "--to", "staging"), "to itself"),
        (LIFECYCLE, ("--from", "qa", "--to", "production"), "does not lead from qa"),
    ],
)
def test_promotion_is_refused_when_the_lifecycle_leaves_it_open(
    quick: Shop, lifecycle: Any, words: tuple[str, ...], told: str
) -> None:
    quick.write(lifecycle=lifecycle or None)
    said = quick.promote(*words, code=64)
    assert told in said.err
    assert quick.deployed("production") == []


@pytest.mark.parametrize(
    ("lifecycle", "told"),
    [
        (["staging"], "two targets or more"),
        (["a", "b", "a"], "leads from a back to a"),
        ({"a": ["b"], "b": ["a"]}, "leads from a back to a"),
        (["a", []], "must name a target"),
        ({"a": ["b", "b"]}, "twice behind a"),
        ([1, "b"], "must be a text"),
        ("staging", "must be a list"),
    ],
)
def test_config_names_the_fault_when_the_lifecycle_is_wrong(
    quick: Shop, lifecycle: Any, told: str
) -> None:
    quick.write(lifecycle=lifecycle)
    quick.terminal("project", "sync", "app")
    said = quick.terminal("deploy", "config", "app", "--validate", code=None)
    assert told in said.all


def test_promotion_gates_are_refused_when_their_target_is_misspelt(quick: Shop) -> None:
    quick.write(promotion={"prodcution": {"min_soak": "2h"}})
    said = quick.promote(code=78)
    assert "promotion.prodcution: is not in the lifecycle; did you mean production?" in said.err
    assert quick.deployed("production") == []


def test_promotion_skips_a_run_when_the_run_failed(quick: Shop) -> None:
    quick.version("v2", m002="CREATE TABEL b (id int);\n")
    quick.deploy("staging", code=10)
    quick.promote()
    assert quick.deployed("production") == ["v1"], "the failed run changed nothing"
    failed = quick.runs("staging")[0]["run"][:13]
    said = quick.promote("--run", failed, code=64)
    assert "did not succeed: failed" in said.err


def test_promotion_is_refused_when_no_run_is_named_and_the_last_run_is_half_done(
    quick: Shop,
) -> None:
    broken = [MIGRATIONS, {"name": "web", "deploy_command": "false"}]
    quick.write(groups=broken)
    quick.version("v2", m002="CREATE TABLE b (id int);\n")
    quick.deploy("staging", code=12)
    said = quick.promote(code=64)
    assert "did not succeed" in said.err
    assert "--run RUN" in said.err
    assert quick.deployed("production") == []


def test_promotion_takes_the_run_in_place_when_a_later_run_was_rolled_back(shop: Shop) -> None:
    shop.version("v2")
    shop.deploy("staging")
    second = shop.runs("staging")[0]["run"][:13]
    shop.terminal("deploy", "rollback", "app", "--target", "staging")
    said = shop.promote("--run", second, code=64)
    assert "was rolled back by run" in said.err
    shop.promote()
    assert shop.deployed("production") == ["v1"]
    assert shop.runs("production")[0]["parent_run"] == shop.runs("staging")[-1]["run"]


def test_promotion_takes_an_earlier_deployment_when_its_run_or_release_is_named(
    quick: Shop,
) -> None:
    first = quick.runs("staging")[0]["run"][:13]
    quick.version("v2")
    quick.deploy("staging")
    assert "release 1" in quick.promote("--run", "1", "--dry-run").out
    quick.promote("--run", first)
    assert quick.deployed("production") == ["v1"]
    quick.promote("--run", "2")
    assert quick.deployed("production") == ["v1", "v2"]
    assert (
        "no deployment on staging has the run or release '99'"
        in quick.promote("--run", "99", code=64).err
    )


def test_promotion_is_refused_when_the_source_was_never_deployed(quick: Shop) -> None:
    said = quick.promote("--from", "production", "--to", "staging", code=64)
    assert "does not lead" in said.err
    quick.write(lifecycle={"production": "staging"})
    said = quick.promote(code=64)
    assert "production has no deployment to promote" in said.err


def test_promotion_works_when_a_fresh_state_has_only_the_ledgers(shop: Shop) -> None:
    source = shop.runs("staging")[0]["run"]
    shop.fresh("elsewhere")
    shop.promote()
    assert shop.deployed("production") == ["v1"]
    assert shop.runs("production")[0]["parent_run"] == source


def test_promotion_names_the_places_it_searched_when_a_fresh_state_lacks_the_files(
    quick: Shop,
) -> None:
    bundle = quick.terminal.home / "release.plan"
    quick.terminal("deploy", "plan", "app", "--target", "staging", "--out", str(bundle))
    quick.version("v2")
    quick.fresh("elsewhere")
    said = quick.promote(code=69)
    assert "cannot promote run" in said.err
    assert "its files (tree" in said.err
    assert "--bundle FILE" in said.err
    quick.promote("--bundle", str(bundle))
    assert quick.deployed("production") == ["v1"]


def test_promotion_bundle_measures_the_gates_again_when_run_elsewhere(quick: Shop) -> None:
    bundle = quick.terminal.home / "promotion.plan"
    quick.promote("--out", str(bundle))
    assert quick.deployed("production") == []
    quick.fresh("elsewhere")
    quick.terminal("deploy", "run", "--plan", str(bundle))
    assert quick.deployed("production") == ["v1"]
    other = quick.terminal.home / "late.plan"
    quick.version("v2")
    quick.deploy("staging")
    quick.promote("--out", str(other))
    quick.terminal("deploy", "rollback", "app", "--target", "staging")
    said = quick.terminal("deploy", "run", "--plan", str(other), code=64)
    assert "was rolled back" in said.err
    assert quick.deployed("production") == ["v1"]


def test_approved_promotion_is_refused_when_the_run_was_rolled_back_since(quick: Shop) -> None:
    targets = {"staging": {}, "production": {"protected": True, "self_approval": True}}
    quick.write(targets=targets)
    quick.version("v2")
    quick.deploy("staging")
    quick.promote(code=20)
    plan = plan_of(quick.promote("--dry-run"))
    quick.terminal("approve", plan, "--reason", "reviewed")
    quick.terminal("deploy", "rollback", "app", "--target", "staging")
    said = quick.terminal("deploy", "run", "--plan", plan, code=64)
    assert "was rolled back" in said.err
    assert quick.deployed("production") == []


def test_promotion_runs_by_its_plan_when_approved(quick: Shop) -> None:
    targets = {"staging": {}, "production": {"protected": True, "self_approval": True}}
    quick.write(targets=targets)
    quick.deploy("staging")
    plan = plan_of(quick.promote("--dry-run"))
    quick.terminal("approve", plan, "--reason", "reviewed")
    quick.terminal("deploy", "run", "--plan", plan)
    assert quick.deployed("production") == ["v1"]
    assert quick.runs("production")[0]["run_kind"] == "promote"


def plan_of(said: Said) -> str:
    found = re.search(r"^plan ([0-9a-f]+):", said.out, re.MULTILINE)
    assert found
    return found[1]


# --- the recipe -----------------------------------------------------------------------------------


def changed_recipe(quick: Shop) -> None:
    command = f"cat version.txt >> {quick.terminal.home}/$TEMPLEDB_TARGET.out; echo new"
    quick.write(groups=[MIGRATIONS, {"name": "web", "deploy_command": command}])


def test_promotion_is_refused_and_shows_the_difference_when_the_recipe_changed(quick: Shop) -> None:
    changed_recipe(quick)
    said = quick.promote("--dry-run", code=78)
    assert "the recipe has changed since that run" in said.out
    assert re.search(r"^\s+\+.*echo new", said.out, re.MULTILINE)
    said = quick.promote(code=78)
    assert "--accept-recipe-change" in said.err
    assert "--keep-recipe" in said.err
    assert quick.deployed("production") == []


def test_promotion_uses_the_current_or_the_kept_recipe_when_the_matching_option_is_given(
    quick: Shop,
) -> None:
    changed_recipe(quick)
    kept = quick.promote("--keep-recipe", "--dry-run", "--json").json[-1]["draft"]["plan"]
    taken = quick.promote("--accept-recipe-change", "--dry-run", "--json").json[-1]["draft"]["plan"]
    assert not kept["promotion"]["recipe_changed"]
    assert taken["promotion"]["recipe_changed"]
    commands = [
        [step.get("command", "") for group in plan["groups"] for step in group["steps"]]
        for plan in (kept, taken)
    ]
    assert "echo new" not in commands[0][-1]
    assert "echo new" in commands[1][-1]
    said = quick.promote("--accept-recipe-change")
    logged = quick.terminal("deploy", "logs", quick.runs("production")[0]["run"][:13])
    assert "succeeded" in said.out
    assert "new" in logged.out


def test_promotion_plan_is_refused_when_the_config_moves_past_the_accepted_recipe(
    quick: Shop,
) -> None:
    changed_recipe(quick)
    quick.promote("--accept-recipe-change", "--dry-run")
    plan = plan_of(quick.promote("--accept-recipe-change", "--dry-run"))
    quick.write(groups=[MIGRATIONS, {"name": "web", "deploy_command": "echo newest"}])
    quick.terminal("project", "sync", "app")
    said = quick.terminal("deploy", "run", "--plan", plan, code=22)
    assert "the recipe that this promotion accepted" in said.err
    assert quick.deployed("production") == []


def test_recipe_difference_masks_secrets_when_the_config_contains_them(quick: Shop) -> None:
    leaks = ("hunter2", "horse-battery", "Xk3pQ9vW7zB2", "url-pass")
    command = f"PGPASSWORD={leaks[1]} curl -u me:{leaks[2]} https://u:{leaks[3]}@host/"
    web = {"name": "web", "env": {"API_KEY": leaks[0], "MODE": "loud"}, "deploy_command": command}
    quick.write(groups=[MIGRATIONS, web])
    bundle = quick.terminal.home / "kept.plan"
    said = quick.promote("--keep-recipe", "--out", str(bundle))
    plain = quick.promote("--keep-recipe", "--dry-run", "--json")
    assert '+        "API_KEY": "***"' in said.out
    assert '"MODE": "loud"' in said.out
    assert "PGPASSWORD=*** curl -u me:***" in said.out
    assert not [each for each in leaks if each in said.all + plain.all]


def test_recipe_is_unchanged_when_only_lifecycle_and_gates_changed(quick: Shop) -> None:
    quick.write(promotion={"production": {"min_targets": 1}}, lifecycle={"staging": "production"})
    quick.promote()
    assert quick.deployed("production") == ["v1"]


def test_promotion_is_a_usage_error_when_its_options_contradict(quick: Shop) -> None:
    for words, told in (
        (("--accept-recipe-change", "--keep-recipe"), "exclude one another"),
        (("--accept-only-in-to", "x"), "needs --reason"),
        (("--reason", "x"), "goes with --accept-only-in-to"),
        (("--override-window", "night"), "requires --reason"),
        (("--with-artifacts",), "goes with --out"),
    ):
        assert told in quick.promote(*words, code=64).err


# --- what both targets have -----------------------------------------------------------------------


def only_in_production(shop: Shop) -> None:
    """Bring both to v1, and a fix by hand to production alone."""
    shop.promote()
    shop.version("v1 fixed", m003="CREATE TABLE fix (id int);\n")
    shop.deploy("production")
    (shop.terminal.home / "app/migrations/m003.sql").unlink()
    shop.version("v2", m002="CREATE TABLE b (id int);\n", m004="CREATE TABLE d (id int);\n")
    shop.deploy("staging")


def test_promotion_is_refused_when_only_production_has_a_migration(shop: Shop) -> None:
    only_in_production(shop)
    said = shop.promote(code=78)
    assert "m003.sql: is applied on production, and not on staging" in said.err
    assert "--accept-only-in-to migrations/m003.sql --reason WHY" in said.err


def test_accepted_migration_is_part_of_the_plan_when_only_production_has_it(shop: Shop) -> None:
    only_in_production(shop)
    words = ("--accept-only-in-to", "*m003.sql", "--reason", "the same fix comes with v3")
    first = shop.promote(*words, "--dry-run")
    other = shop.promote(*words[:-1], "another reason", "--dry-run")
    assert plan_of(first) != plan_of(other)
    assert "accepted, although only the target has it" in first.out
    shop.promote(*words)
    assert shop.deployed("production")[-1] == "v2"
    said = shop.promote("--accept-only-in-to", "m999.sql", "--reason", "x", code=78)
    assert "no migration that only this target has applied matches m999.sql" in said.err


def test_promotion_succeeds_when_production_has_older_history(quick: Shop) -> None:
    """What is older than every file of the release was there before the targets had one history."""
    quick.version("v0", a000="CREATE TABLE old (id int);\n")
    quick.deploy("production")
    (quick.terminal.home / "app/migrations/a000.sql").unlink()
    quick.version("v1")
    quick.deploy("staging")
    said = quick.promote()
    assert "succeeded" in said.out
    told = quick.promote("--dry-run").out
    assert "a000.sql: is applied on production, and not on staging: it is older" in told


def test_promotion_is_refused_when_a_migration_has_another_text_on_production(shop: Shop) -> None:
    shop.version("v1", m001="CREATE TABLE a (id int, more int);\n")
    shop.deploy("production")
    shop.version("v1", m001="CREATE TABLE a (id int);\n")
    said = shop.promote(code=78)
    assert "m001.sql: production and staging have applied different texts of it" in said.err
    assert shop.deployed("production") == ["v1"]


@pytest.mark.parametrize("word", ["mark-applied", "baseline"])
def test_marked_rows_are_compared_by_text_when_marked_applied_or_baselined(
    quick: Shop, word: str
) -> None:
    words = {
        "mark-applied": ("mark-applied", "app", "migrations/m001.sql"),
        "baseline": ("baseline", "app", "--through", "migrations/m001.sql"),
    }[word]
    quick.version("v1", m001="CREATE TABLE a (id int, more int);\n")
    quick.terminal("project", "sync", "app")
    quick.terminal("migration", *words, "--target", "production", "--reason", "was there")
    quick.version("v1", m001="CREATE TABLE a (id int);\n")
    said = quick.promote(code=78)
    assert "different texts" in said.err


def test_promotion_leaves_a_file_out_when_staging_left_it_out(quick: Shop) -> None:
    quick.write(groups=[
        MIGRATIONS,
        {"name": "more", "kind": "migrations", "file_patterns": ["more/*.sql"]},
    ])  # fmt: skip
    quick.terminal.file("app/more/m100.sql", "CREATE TABLE extra (id int);\n")
    quick.deploy("staging", "--skip-group", "more")
    said = quick.promote("--dry-run")
    assert "more/m100.sql: it is not applied on staging" in said.out
    quick.promote()
    status = quick.terminal("migration", "status", "app", "--target", "production", "--json").json
    states = {row["file"]: row["state"] for row in status[-1]["rows"]}
    assert states["more/m100.sql"] == "pending"


def test_promotion_reads_a_database_when_only_the_recipe_of_the_run_has_it(quick: Shop) -> None:
    """A recipe of a run says which databases it needs, and today's may need others."""
    home, reports = quick.terminal.home, "REPORTS_URL"
    more = {**MIGRATIONS, "name": "more", "database": reports, "file_patterns": ["more/*.sql"]}
    quick.write(groups=[MIGRATIONS, more])
    quick.terminal.file("app/more/m100.sql", "CREATE TABLE extra (id int);\n")
    for name in quick.urls:
        url = f"duckdb://{home}/{name}-reports.duckdb"
        quick.terminal("env", "set", "app", reports, url, "--target", name)
    quick.deploy("staging")
    quick.write(groups=[MIGRATIONS, {**more, "database": "OTHER_URL"}])
    said = quick.promote("--accept-recipe-change", code=78)
    assert "target staging cannot be read: OTHER_URL has no value" in said.err
    quick.write(groups=[MIGRATIONS])
    said = quick.promote("--keep-recipe")
    assert "2 migrations applied" in said.out
    again = quick.promote("--keep-recipe", "--dry-run")
    assert "more/m100.sql" not in again.out


def test_downgrade_deploys_the_groups_of_the_older_recipe_when_the_config_has_other_groups(
    quick: Shop,
) -> None:
    quick.version("v2")
    quick.write(groups=[MIGRATIONS, {"name": "api", "deploy_command": "true"}])
    quick.deploy("staging")
    quick.promote()
    quick.promote("--run", "1", "--keep-recipe", "--downgrade")
    assert quick.deployed("production") == ["v1"]


def test_promotion_is_refused_when_a_group_was_left_out_on_staging(quick: Shop) -> None:
    quick.version("v2", m002="CREATE TABLE b (id int);\n")
    quick.deploy("staging", "--skip-group", "web")
    said = quick.promote(code=78)
    assert "web: this group was left out on staging" in said.err
    assert "--skip-group web" in said.err
    bundle = quick.terminal.home / "half.plan"
    quick.promote("--skip-group", "web", "--out", str(bundle))
    quick.terminal("deploy", "run", "--plan", str(bundle))
    assert quick.deployed("production") == []
    quick.deploy("staging")
    quick.promote()
    assert quick.deployed("production") == ["v2"]


def test_pending_migrations_run_in_the_order_of_staging_when_it_differs_from_their_names(
    quick: Shop,
) -> None:
    quick.version("v2", m003="CREATE TABLE c (id int);\n")
    quick.deploy("staging")
    quick.version("v3", m002="CREATE TABLE b (id int);\n")
    quick.deploy("staging")
    plan = quick.promote("--dry-run", "--json").json[-1]["draft"]["plan"]
    files = [step["file"][-8:-4] for step in plan["groups"][0]["steps"]]
    assert files == ["m001", "m003", "m002"]
    quick.promote()
    assert quick.deployed("production") == ["v3"]


def test_repeatable_migration_runs_again_when_it_changed(quick: Shop) -> None:
    quick.version(
        "v2", r_view="-- templedb:repeatable\nCREATE OR REPLACE VIEW w AS SELECT 1 AS x;\n"
    )
    quick.deploy("staging")
    quick.promote()
    quick.version(
        "v3", r_view="-- templedb:repeatable\nCREATE OR REPLACE VIEW w AS SELECT 2 AS x;\n"
    )
    quick.deploy("staging")
    said = quick.promote()
    assert "1 migration applied" in said.out


def test_repeatable_migration_is_promoted_in_its_older_text_when_an_earlier_run_is_named(
    quick: Shop,
) -> None:
    view = "-- templedb:repeatable\nCREATE OR REPLACE VIEW w AS SELECT {} AS x;\n"
    quick.version("v2", r_view=view.format(1))
    quick.deploy("staging")
    quick.version("v3", r_view=view.format(2))
    quick.deploy("staging")
    quick.promote("--run", "2")
    assert quick.deployed("production") == ["v2"]


def test_promotion_is_refused_when_a_late_fix_on_production_has_an_early_name(quick: Shop) -> None:
    quick.promote()
    quick.version("fixed", a000="CREATE TABLE fix (id int);\n")
    quick.deploy("production")
    (quick.terminal.home / "app/migrations/a000.sql").unlink()
    quick.version("v2", m002="CREATE TABLE b (id int);\n")
    quick.deploy("staging")
    said = quick.promote(code=78)
    assert "a000.sql: is applied on production, and not on staging (deploy it" in said.err


def test_migrations_are_ordered_by_number_when_promotion_compares_their_age(quick: Shop) -> None:
    """By letters, V10 would be older than V1__a."""
    (quick.terminal.home / "app/migrations/m001.sql").unlink()
    quick.version("fixed", V10__fix="CREATE TABLE fix (id int);\n")
    quick.deploy("production")
    (quick.terminal.home / "app/migrations/V10__fix.sql").unlink()
    quick.version("v1", V1__a="CREATE TABLE b (id int);\n")
    quick.deploy("staging")
    said = quick.promote(code=78)
    assert "V10__fix.sql: is applied on production, and not on staging (deploy it" in said.err


# --- gates ----------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def facts(**more: Any) -> SourceFacts:
    run = PastRun(
        run="0" * 13,
        target="staging",
        outcome=Outcome.SUCCEEDED,
        finished_at=NOW - timedelta(minutes=30),
    )
    known: dict[str, Any] = {"run": run, "source": "staging", "in_place": True}
    return SourceFacts(**(known | more))


GOOD = SourceHealth(health=Measured.HEALTHY, run="1" * 13)
BAD = SourceHealth(health=Measured.UNHEALTHY, run="2" * 13, reason="503")


@pytest.mark.parametrize(
    ("wanted", "known", "failed"),
    [
        ({}, {}, set()),
        ({"min_soak_s": 1800}, {}, set()),
        ({"min_soak_s": 1801}, {}, {"minimal soak"}),
        ({}, {"checks": True}, {"healthy since"}),
        ({}, {"checks": True, "measured": (GOOD,)}, set()),
        ({}, {"checks": True, "measured": (GOOD, BAD)}, {"healthy since"}),
        ({}, {"checks": True, "measured": (BAD, GOOD)}, {"healthy since"}),
        ({}, {"checks": True, "now": GOOD}, set()),
        ({}, {"measured": (GOOD,), "now": SourceHealth(health=Measured.INCONCLUSIVE)},
         {"healthy since"}),
        ({"healthy": False}, {"checks": True, "measured": (BAD,)}, set()),
        ({"min_targets": 2}, {"deployed_on": ("staging",)}, {"targets"}),
        ({"min_targets": 2}, {"deployed_on": ("staging", "qa")}, set()),
    ],
)  # fmt: skip
def test_promotion_gates_fail_when_the_known_facts_do_not_meet_them(
    wanted: dict[str, Any], known: dict[str, Any], failed: set[str]
) -> None:
    found = gates(PromotionGates(**wanted), facts(**known), NOW)
    assert {each.name for each in found if not each.passed} == failed
    assert all(each.reason for each in found)


def test_release_soaks_only_when_in_place() -> None:
    def run(number: int, tree: str, minutes: int, **more: Any) -> PastRun:
        at = NOW - timedelta(minutes=minutes)
        plain: dict[str, Any] = {"outcome": Outcome.SUCCEEDED, "started_at": at, "finished_at": at}
        return PastRun(run=str(number), target="staging", tree=tree, plan=str(number),
                       **(plain | more))  # fmt: skip

    first, second, back = run(1, "a", 90), run(2, "b", 80), run(3, "a", 30)
    refused = run(4, "c", 20, outcome=Outcome.FAILED, begun=False)
    assert away((refused, first), first, NOW) == timedelta()
    assert away((second, first), first, NOW) == timedelta(minutes=80)
    assert away((refused, back, second, first), first, NOW) == timedelta(minutes=50)
    known = facts(in_place=False, away=timedelta(minutes=25))
    (gate,) = (each for each in gates(PromotionGates(min_soak_s=600), known, NOW)
               if each.name == "minimal soak")  # fmt: skip
    assert not gate.passed
    assert "not in place there any more" in gate.reason


def test_promotion_is_refused_when_the_minimal_soak_has_not_passed(quick: Shop) -> None:
    quick.write(promotion={"production": {"min_soak": "2h"}})
    said = quick.promote(code=78)
    assert "gate 'minimal soak'" in said.err
    assert "it can be promoted at" in said.err
    assert quick.deployed("production") == []
    assert "NOT PASSED  minimal soak" in quick.promote("--dry-run", code=78).out


def test_gates_of_the_run_hold_when_the_current_config_has_none(quick: Shop) -> None:
    quick.write(promotion={"production": {"min_soak": "2h"}})
    quick.deploy("staging")
    quick.write(promotion={})
    assert "minimal soak" in quick.promote(code=78).err


def test_release_health_is_measured_again_when_promoted(quick: Shop) -> None:
    home = quick.terminal.home
    check = {"type": "command", "command": f"test -e {home}/well", "interval": 1, "timeout": 5}
    command = f"cat version.txt >> {home}/$TEMPLEDB_TARGET.out"
    (home / "well").touch()
    quick.write(groups=[
        MIGRATIONS,
        {"name": "web", "deploy_command": command, "health_check": check},
    ])  # fmt: skip
    quick.deploy("staging")
    (home / "well").unlink()
    said = quick.promote(code=78)
    assert "just now: unhealthy" in said.err
    assert quick.deployed("production") == []
    (home / "well").touch()
    assert "healthy now" in quick.promote("--dry-run").out
    quick.promote()
    assert quick.deployed("production") == ["v1"]


def test_min_targets_gate_passes_only_when_enough_targets_have_the_release(quick: Shop) -> None:
    home = quick.terminal.home
    quick.urls["qa"] = f"duckdb://{home}/qa.duckdb"
    stages = {"staging": "production", "qa": "production"}
    quick.write(lifecycle=stages, promotion={"production": {"min_targets": 2}})
    quick.terminal("project", "sync", "app")
    quick.addresses()
    quick.deploy("staging")
    said = quick.promote("--from", "staging", code=78)
    assert "deployed on 1 of 2 targets: staging" in said.err
    quick.deploy("qa")
    quick.promote("--from", "staging")
    assert quick.deployed("production") == ["v1"]


# --- downgrades, rollbacks, crashes ---------------------------------------------------------------


def test_promotion_needs_downgrade_when_a_newer_release_is_in_place(shop: Shop) -> None:
    shop.version("v2")
    shop.deploy("staging")
    shop.promote()
    said = shop.promote("--run", "1", code=78)
    assert "a newer release is in place: release 2" in said.err
    assert "--downgrade" in said.err
    said = shop.promote("--run", "1", "--downgrade", "--dry-run")
    assert "DOWNGRADE" in said.out
    shop.promote("--run", "1", "--downgrade")
    assert shop.deployed("production") == ["v2", "v1"]
    assert shop.runs("production")[0]["run_kind"] == "rollback"
    assert "nothing newer than run" in shop.promote("--run", "2", "--downgrade", code=64).err


def test_promotion_says_that_the_newer_release_is_unknown_when_the_state_is_fresh(
    quick: Shop,
) -> None:
    quick.version("v2")
    quick.deploy("production")
    quick.version("v1")
    assert "a newer release is in place: release 2" in quick.promote(code=78).err
    quick.fresh("elsewhere")
    assert "it may be newer than the promoted one" in quick.promote("--dry-run").out


def test_promotion_plan_is_refused_when_a_newer_release_came_after_planning(quick: Shop) -> None:
    """What was planned when nothing newer was there does not go back behind what came since."""
    quick.version("v2")
    quick.deploy("staging")
    bundle = quick.terminal.home / "v2.plan"
    quick.promote("--out", str(bundle))
    quick.version("v3")
    quick.deploy("staging")
    quick.promote()
    said = quick.terminal("deploy", "run", "--plan", str(bundle), code=None)
    assert said.code != 0
    assert "a newer release is in place: release 3" in said.err
    assert "--downgrade" in said.err
    assert quick.deployed("production") == ["v3"]


def test_promotion_succeeds_again_when_the_first_was_rolled_back(shop: Shop) -> None:
    shop.promote()
    shop.version("v2", m002="CREATE TABLE b (id int);\n")
    shop.deploy("staging")
    shop.promote()
    shop.terminal("deploy", "rollback", "app", "--target", "production")
    shop.promote()
    assert shop.deployed("production") == ["v1", "v2", "v1", "v2"]
    kinds = [row["run_kind"] for row in shop.runs("production")]
    assert kinds == ["promote", "rollback", "promote", "promote"]


def test_promotion_is_rolled_back_when_it_fails_and_the_config_says_rollback(quick: Shop) -> None:
    home = quick.terminal.home
    command = f"cat version.txt >> {home}/$TEMPLEDB_TARGET.out"
    quick.promote()
    hooks = {"post_deploy": [{"command": f"test -e {home}/$TEMPLEDB_TARGET.ok", "critical": True}]}
    (home / "staging.ok").touch()
    web = {"name": "web", "deploy_command": command} | hooks
    quick.write(groups=[MIGRATIONS, web], on_failure="rollback")
    quick.version("v2")
    quick.deploy("staging")
    quick.promote(code=11)
    assert quick.deployed("production") == ["v1", "v2", "v1"]


PASSED = (
    "ledger.made", "run.before-lock", "run.locked", "run.begun", "step.started", "apply.begun",
    "apply.ran", "apply.commit-sent", "apply.committed", "step.done", "command.recorded",
    "command.ran", "command.closed", "run.before-end", "run.ended",
)  # fmt: skip
"""The fail points that a promotion passes."""


def twice_deployed(shop: Shop) -> None:
    shop.version("v2", m002="CREATE TABLE b (id int);\n")
    shop.deploy("staging")


def goes_on(shop: Shop, place: str) -> None:
    """Kill a promotion at a place; what the refusals name brings each thing once."""
    killed(shop.terminal, place, "promote", "app")
    words = ("deploy", "resume", "app", "--target", "production")
    resumed = shop.terminal(*words, code=None)
    if resumed.code == 13:  # a command's end was not seen: a person looks, and says what it did
        named = re.search("templedb run resolve ([0-9a-f-]+)", resumed.all)
        assert named, resumed.all
        shop.terminal("run", "resolve", named[1], "--reason", "looked at the file")
    assert resumed.code in {0, 13, 64}
    if not shop.deployed("production"):
        shop.promote()
    assert set(shop.deployed("production")) == {"v2"}
    assert shop.runs("production")[0]["run_kind"] == "promote"
    status = shop.terminal("migration", "status", "app", "--target", "production", "--json").json
    assert {row["state"] for row in status[-1]["rows"]} == {"applied"}


@pytest.mark.parametrize("place", ["run.begun", "step.done", "run.before-end"])
def test_promotion_brings_each_thing_once_when_killed_and_resumed(shop: Shop, place: str) -> None:
    twice_deployed(shop)
    goes_on(shop, place)
    assert shop.deployed("production") == ["v2"]


@pytest.mark.parametrize("place", sorted(PASSED))
def test_promotion_is_brought_to_its_end_when_killed_at_any_failpoint(
    request: pytest.FixtureRequest, place: str
) -> None:
    terminal: Terminal = request.getfixturevalue("terminal")
    pg: Database = request.getfixturevalue("pg")
    found = start(terminal, f"duckdb://{terminal.home}/staging.duckdb", pg.dsn)
    twice_deployed(found)
    goes_on(found, place)


def test_promotion_says_that_the_release_is_in_place_when_promoted_already(quick: Shop) -> None:
    quick.promote()
    assert "this release is in place already, by run" in quick.promote("--dry-run").out


# --- seeing it ------------------------------------------------------------------------------------


def test_releases_show_what_is_in_place_and_what_can_be_promoted_when_targets_differ(
    shop: Shop,
) -> None:
    shop.promote()
    shop.version("v2")
    shop.deploy("staging")
    table = Temple.open().releases("app")
    places = {(row.release, row.target): row for row in table.rows}
    assert places[2, "staging"].in_place
    assert places[2, "staging"].next_to == ("production",)
    assert places[1, "production"].in_place
    assert not places[1, "staging"].in_place
    assert places[1, "production"].started_by.startswith("rosa")
    found = frame(table)
    assert list(found["target"].astype(object)) == ["staging", "staging", "production"]
    told = shop.terminal("releases", "app").out
    assert "release 2 can be promoted to production" in told
    shop.promote()
    assert "can be promoted" not in shop.terminal("releases", "app").out


def test_release_is_in_place_since_its_first_run_when_deployed_repeatedly(quick: Shop) -> None:
    first = quick.runs("staging")[0]["run"]
    quick.deploy("staging")
    quick.deploy("staging")
    (row,) = Temple.open().releases("app").rows
    assert (row.run, row.in_place) == (first, True)
    quick.version("v2")
    quick.deploy("staging")
    quick.terminal("deploy", "rollback", "app", "--target", "staging")
    back = quick.runs("staging")[0]["run"]
    rows = {row.release: row for row in Temple.open().releases("app").rows}
    assert (rows[1].run, rows[1].in_place) == (back, True), "it came back by the rollback"
    assert "rolled back by run" in rows[2].note


def test_releases_come_from_the_ledgers_when_the_state_is_fresh(shop: Shop) -> None:
    shop.promote()
    shop.fresh("elsewhere")
    rows = shop.terminal("releases", "app", "--json").json[-1]["rows"]
    assert {(row["target"], row["in_place"]) for row in rows} == {
        ("staging", True),
        ("production", True),
    }


def test_releases_name_the_target_when_it_did_not_answer(quick: Shop) -> None:
    quick.terminal("env", "set", "app", "DATABASE_URL", "postgresql://127.0.0.1:1/none",
                   "--target", "production")  # fmt: skip
    said = quick.terminal("releases", "app")
    assert "production: known from this state only" in said.out


def test_api_promotes_only_when_the_gates_pass(quick: Shop) -> None:
    temple = Temple.open()
    preview = temple.promotion_plan("app", source="staging", to="production")
    assert preview.draft.promotion is not None
    assert preview.plan.promotion is not None
    assert temple.promote("app").outcome is Outcome.SUCCEEDED
    quick.write(promotion={"production": {"min_soak": 7200}})
    with pytest.raises(PlanRefused, match="may not run"):
        temple.promote("app")
    assert quick.deployed("production") == ["v1"]


def test_api_refuses_an_acceptance_when_no_reason_is_given(quick: Shop) -> None:
    temple = Temple.open()
    with pytest.raises(UsageProblem, match="give a reason"):
        temple.promotion_plan("app", accept_only_in_to=["m*"])
    with pytest.raises(UsageProblem, match="choose one of them"):
        temple.promote("app", accept_recipe_change=True, keep_recipe=True)
    assert quick.deployed("production") == []


# --- artifacts ------------------------------------------------------------------------------------


def building(shop: Shop, **more: Any) -> None:
    """Write a config whose build makes another file each time, and deploy it to staging."""
    home = shop.terminal.home
    build = "mkdir -p dist && date +%s%N > dist/made && head -c 64 /dev/urandom >> dist/made"
    web = {
        "name": "web",
        "build_command": f"echo built >> {home}/builds; {build}",
        "test_command": f"echo tested >> {home}/builds",
        "deploy_command": f"cp dist/made {home}/$TEMPLEDB_TARGET.made",
        "artifacts": [{"name": "site", "files": ["dist/**"]}],
    }
    shop.write(groups=[MIGRATIONS, web], **more)
    shop.deploy("staging")


def test_production_gets_the_same_bytes_as_staging_when_artifacts_are_promoted(shop: Shop) -> None:
    building(shop)
    home = shop.terminal.home
    said = shop.promote()
    assert (home / "production.made").read_bytes() == (home / "staging.made").read_bytes()
    assert (home / "builds").read_text().split() == ["built", "tested"]
    assert "promoted artifact" in said.all


def test_artifacts_reach_a_fresh_state_when_they_have_a_store(quick: Shop) -> None:
    home = quick.terminal.home
    building(quick, artifacts_store=str(home / "store"))
    quick.fresh("elsewhere")
    quick.promote()
    assert (home / "production.made").read_bytes() == (home / "staging.made").read_bytes()
    assert (home / "builds").read_text().split() == ["built", "tested"]


def test_artifacts_travel_in_the_promotion_bundle_when_made_with_artifacts(quick: Shop) -> None:
    home = quick.terminal.home
    building(quick)
    bundle = home / "release.plan"
    quick.promote("--out", str(bundle), "--with-artifacts")
    quick.fresh("elsewhere")
    said = quick.promote(code=69)
    assert "artifacts of run" in said.err
    quick.terminal("deploy", "run", "--plan", str(bundle))
    assert (home / "production.made").read_bytes() == (home / "staging.made").read_bytes()


def test_promotion_warns_of_a_new_build_when_a_group_builds_without_artifacts(quick: Shop) -> None:
    quick.write(groups=[MIGRATIONS, {"name": "web", "build_command": "true"}])
    quick.deploy("staging")
    said = quick.promote("--dry-run")
    assert "web: builds again: what staging got and what production gets may differ" in said.out


def test_downgrade_places_the_artifacts_of_the_older_run_when_a_newer_run_was_promoted(
    quick: Shop,
) -> None:
    home = quick.terminal.home
    building(quick)
    first = (home / "staging.made").read_bytes()
    quick.version("v2")
    quick.deploy("staging")
    quick.promote()
    quick.promote("--run", "2", "--downgrade")
    assert (home / "production.made").read_bytes() == first
    assert (home / "builds").read_text().split() == ["built", "tested"] * 2


# --- windows --------------------------------------------------------------------------------------


def test_target_window_blocks_a_promotion_when_closed(quick: Shop) -> None:
    rule = {"cron": "* * * * *", "duration": "1h", "time_zone": "UTC", "reason": "the fair"}
    closed = {"deny": [rule | {"name": "fair"}]}
    quick.write(targets={"staging": {}, "production": {"windows": closed}})
    quick.deploy("staging")
    said = quick.promote(code=23)
    assert "fair" in said.err
    assert "NOT PASSED  windows: closed" in quick.promote("--dry-run").out
    assert quick.deployed("production") == []
    quick.promote("--override-window", "fair", "--reason", "a fix for the fair")
    assert quick.deployed("production") == ["v1"]


# --- runbooks -------------------------------------------------------------------------------------

PROMOTE = "%templedb promote app --to production"


def run_book(shop: Shop, *words: str, code: int = 0) -> Said:
    process = shop.terminal.process("runbook", "run", "book.ipynb", "-o", "out", *words)
    out, err = process.communicate(timeout=180)
    assert process.returncode == code, out + err
    return Said(process.returncode, out, err)


def test_runbook_promotes_again_when_the_first_promotion_was_rolled_back(shop: Shop) -> None:
    shop.promote()
    twice_deployed(shop)
    notebook(
        shop.terminal.home / "book.ipynb",
        "%load_ext templedb_nb",
        PROMOTE,
        "%templedb deploy rollback app --target production",
        "%templedb promote app --to production --dry-run",
        PROMOTE,
        "found = %templedb releases app\nassert list(found['release']) == [2, 2, 1, 1]",
    )
    run_book(shop)
    assert shop.deployed("production") == ["v1", "v2", "v1", "v2"]


def test_runbook_continues_a_broken_off_promotion_when_resumed(quick: Shop) -> None:
    home = quick.terminal.home
    command = f"cat version.txt >> {home}/$TEMPLEDB_TARGET.out"
    second = f"test $TEMPLEDB_TARGET = staging -o -e {home}/well"
    groups = [MIGRATIONS, {"name": "web", "deploy_command": command}]
    quick.write(groups=[*groups, {"name": "late", "deploy_command": second}])
    quick.deploy("staging")
    notebook(home / "book.ipynb", "%load_ext templedb_nb", PROMOTE)
    run_book(quick, code=12)
    (home / "well").touch()
    run_book(quick, "--resume")
    assert quick.deployed("production") == ["v1"], "the command that had ended is not run again"


def test_promotion_that_had_begun_is_resumed_when_staging_was_rolled_back_since(
    quick: Shop,
) -> None:
    home = quick.terminal.home
    quick.promote()
    ready = f"test $TEMPLEDB_TARGET = staging -o -e {home}/well"
    groups = [
        MIGRATIONS,
        {
            "name": "web",
            "deploy_command": f"{ready} && cat version.txt >> {home}/$TEMPLEDB_TARGET.out",
        },
    ]
    quick.write(groups=groups)
    quick.version("v2", m002="CREATE TABLE b (id int);\n")
    quick.deploy("staging")
    quick.promote(code=12)
    quick.terminal("deploy", "rollback", "app", "--target", "staging")
    quick.promote("--run", "2", code=64)
    (home / "well").touch()
    quick.terminal("deploy", "resume", "app", "--target", "production")
    assert quick.deployed("production") == ["v1", "v2"]


def test_error_names_each_run_once_when_the_given_word_names_no_run(quick: Shop) -> None:
    quick.version("v2")
    quick.deploy("staging")
    quick.terminal("deploy", "rollback", "app", "--target", "staging")
    said = quick.promote("--run", "0", code=64)
    told = [line for line in said.err.splitlines() if line.startswith("  - ")]
    assert len(told) == len(set(told))
