"""Several projects in one database: the strictest policy holds for all, and exemptions from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from templedb_nb.core.approval.policy_changes import updated
from templedb_nb.model.ledger import Exemption, Ledger, Neighbour
from templedb_nb.model.target import FindingLevel, OrderPolicy, Policy, Target, TargetName
from tests.conftest import MIGRATIONS, Database, Said, Shop, databases


@dataclass
class Pair:
    """Two projects with one database, on laptops of their own: `app` is protected there."""

    shop: Shop
    address: str
    folder: Path

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        if self.address.startswith("duckdb:"):
            with duckdb.connect(self.address.removeprefix("duckdb:")) as file:
                return file.execute(sql).fetchall()
        return self.shop.pg.query(sql)

    def laptop(self, name: str) -> None:
        self.shop.terminal.set(TEMPLEDB_STATE=str(self.folder / name / "state.duckdb"))

    def add(self, slug: str, target: str = "live", *words: str) -> None:
        """Import a project on this laptop, with a target that has the same database."""
        terminal = self.shop.terminal
        terminal.file(f"{slug}/migrations/001_{slug}.sql", f"CREATE TABLE {slug}_rows (id int);")
        terminal("project", "import", slug)
        terminal.config(MIGRATIONS, project=slug)
        terminal("target", "add", slug, target, *words)
        where = ("DATABASE_URL", self.address, "--target", target)
        terminal("env", "set", slug, *where, *self.plain)

    @property
    def plain(self) -> tuple[str, ...]:
        return ("--plain",) if self.address.startswith("duckdb:") else ()

    def run(self, slug: str, *words: str, code: int = 0) -> Said:
        return self.shop.terminal("deploy", "run", slug, *words, code=code)

    def waiting(self, said: Said) -> str:
        return said.err.split("templedb approve ")[1].split()[0]

    def approved(self, *words: str, by: str = "emil") -> Said:
        """Do what wants an approval, with one."""
        plan = self.waiting(self.shop.terminal(*words, code=20))
        self.shop.approve(plan, by=by)
        return self.shop.terminal(*words)

    def tables(self) -> set[str]:
        found = self.query("SELECT table_name FROM information_schema.tables")
        return {name for (name,) in found}

    def events(self, what: str) -> list[tuple[str, str]]:
        """Return the project and the detail of each event of that kind."""
        return self.query(
            f"SELECT project, CAST(detail AS VARCHAR) FROM templedb.event WHERE what = '{what}'"
            " ORDER BY id"
        )


@pytest.fixture(params=["postgres", "duckdb"])
def pair(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Pair:
    address = shop.pg.dsn if request.param == "postgres" else f"duckdb:{tmp_path}/shared.duckdb"
    made = Pair(shop=shop, address=address, folder=tmp_path)
    shop.terminal("env", "set", "app", "DATABASE_URL", address, "--target", "staging", *made.plain)
    shop.terminal("target", "update", "app", "staging", "--protected")
    made.approved("deploy", "run", "app")
    return made


@pytest.fixture
def second(pair: Pair) -> Pair:
    """Another project has come, from another laptop."""
    pair.laptop("reports")
    pair.add("reports")
    return pair


def test_second_project_obeys_the_policy_when_the_first_is_protected(second: Pair) -> None:
    said = second.run("reports", code=20)
    assert "project app has a policy in this database" in said.all
    assert "protected: no -> yes" in said.all
    assert "templedb target exempt reports live --from app" in said.all
    assert "1 approval, not by the author of the plan" in said.err
    assert "reports_rows" not in second.tables()
    second.shop.approve(second.waiting(said), by="rosa")
    assert "they made the plan" in second.run("reports", code=20).err
    second.shop.approve(second.waiting(said))
    assert "1 migration applied" in second.run("reports").out
    assert second.query("SELECT k FROM templedb.meta WHERE k LIKE 'policy/%'") == [("policy/app",)]


@pytest.mark.parametrize(
    "how", [("mark-applied", "reports", "001_reports"), ("baseline", "reports", "--through", "001")]
)
def test_ledger_mark_needs_an_approval_when_a_neighbour_is_protected(
    second: Pair, how: tuple[str, ...]
) -> None:
    words = ("migration", *how, "--reason", "by hand")
    assert "1 approval" in second.shop.terminal(*words, code=20).err
    second.approved(*words)


def test_migration_down_needs_an_approval_when_a_neighbour_is_protected(second: Pair) -> None:
    second.shop.terminal.file(
        "reports/migrations/001_reports.sql",
        "CREATE TABLE reports_rows (id int);\n-- templedb:down\nDROP TABLE reports_rows;\n",
    )
    second.approved("deploy", "run", "reports")
    down = ("migration", "down", "reports", "--steps", "1", "--reason", "a drill")
    assert "1 approval" in second.shop.terminal(*down, code=20).err
    assert "reports_rows" in second.tables()


def test_neighbour_policy_holds_when_the_project_takes_another_name_or_target(pair: Pair) -> None:
    """A guessed slug, another target, another name in the ledger: the database is the same."""
    pair.laptop("other")
    terminal = pair.shop.terminal
    pair.add("shop2")
    pair.run("shop2", code=20)
    terminal("project", "sync", "shop2", "--known-as", "shop3")
    pair.run("shop2", code=20)
    terminal("project", "sync", "shop2", "--known-as", "app")
    pair.run("shop2", code=20)
    terminal("target", "add", "shop2", "too")
    terminal("env", "set", "shop2", "DATABASE_URL", pair.address, "--target", "too", *pair.plain)
    pair.run("shop2", "--target", "too", code=20)
    assert "shop2_rows" not in pair.tables()


def test_plan_is_stale_when_a_neighbour_raises_its_policy_after_planning(pair: Pair) -> None:
    lower = ("target", "update", "app", "staging", "--no-protected", "--reason", "a drill")
    pair.shop.terminal(*lower)
    first = pair.shop.terminal.environ["TEMPLEDB_STATE"]
    pair.laptop("reports")
    pair.add("reports")
    pair.shop.terminal("deploy", "plan", "reports", "--out", "reports.plan")
    pair.shop.terminal.set(TEMPLEDB_STATE=first)
    assert (
        "its ledger has this policy now"
        in pair.shop.terminal("target", "update", "app", "staging", "--protected").out
    )
    pair.laptop("ci")
    pair.shop.terminal.set(DATABASE_URL=pair.address)
    said = pair.shop.terminal("deploy", "run", "--plan", "reports.plan", code=22)
    assert "what the target requires" in said.err
    assert "reports_rows" not in pair.tables()


def test_second_project_needs_no_approval_when_the_first_lowers_its_policy(second: Pair) -> None:
    second.approved("deploy", "run", "reports")
    second.laptop("third")
    second.add("app", "staging")
    second.shop.terminal(
        "target", "update", "app", "staging", "--no-protected", "--reason", "a drill"
    )
    second.run("app")
    second.laptop("reports")
    second.shop.terminal.file("reports/migrations/002.sql", "CREATE TABLE later (id int);")
    assert "1 migration applied" in second.run("reports").out


# --- exemptions -----------------------------------------------------------------------------------

EXEMPT = ("target", "exempt", "reports", "live", "--from", "app", "--reason", "its own schema")


def test_project_deploys_to_a_shared_database_when_its_exemption_is_approved(second: Pair) -> None:
    said = second.shop.terminal(*EXEMPT, code=20)
    assert "has no approval" in said.err
    plan = second.waiting(said)
    assert "they made the plan" in second.shop.approve(plan, by="rosa").out
    second.shop.terminal(*EXEMPT, code=20)
    second.shop.approve(plan)
    assert "be exempt from the policy of project app" in second.shop.terminal(*EXEMPT).out
    ((project, detail),) = second.events("exempt")
    assert project == "reports"
    for told in ('"from"', '"app"', '"approved_by"', '"emil"', '"rosa"', "its own schema"):
        assert told in detail
    said = second.run("reports")
    assert "1 migration applied" in said.out
    note = "exempt from the policy of project app, approved by emil: its own schema"
    assert note in second.run("reports", "--dry-run").out
    second.laptop("fresh")
    second.add("reports")
    second.shop.terminal.file("reports/migrations/002.sql", "CREATE TABLE later (id int);")
    second.run("reports")
    second.add("invoices")
    second.run("invoices", code=20)


def test_exemption_does_not_cover_the_policy_when_it_became_stricter_afterwards(
    second: Pair,
) -> None:
    second.approved(*EXEMPT)
    second.run("reports")
    second.laptop("first")
    second.add("app", "staging")
    second.shop.terminal("target", "update", "app", "staging", "--approvals", "2")
    second.laptop("reports")
    second.shop.terminal.file("reports/migrations/002.sql", "CREATE TABLE later (id int);")
    said = second.run("reports", code=20)
    assert "which became stricter after the exemption" in said.all
    assert "2 approvals" in said.err
    assert "later" not in second.tables()


def test_policy_holds_again_when_the_exemption_is_ended(second: Pair) -> None:
    second.approved(*EXEMPT)
    second.shop.terminal(*EXEMPT, "--ends")
    ((project, _),) = second.events("no-exempt")
    assert project == "reports"
    second.run("reports", code=20)
    assert "has no exemption" in second.shop.terminal(*EXEMPT, "--ends", code=64).err


def test_exemption_is_refused_when_the_named_project_has_no_policy(second: Pair) -> None:
    nobody = ("target", "exempt", "reports", "live", "--from", "nobody", "--reason", "x")
    said = second.shop.terminal(*nobody, code=64).err
    assert "obeys no policy of nobody" in said
    assert "app" in said


def test_neighbour_policy_still_holds_when_the_own_policy_is_lowered(second: Pair) -> None:
    words = ("target", "update", "reports", "live", "--no-protected", "--reason", "mine alone")
    assert "runs obey the policy of project app, too" in second.shop.terminal(*words).out
    second.run("reports", code=20)


# --- what a fresh state does not know --------------------------------------------------------------


def test_target_update_asks_the_ledger_when_a_fresh_state_lowers_the_policy(pair: Pair) -> None:
    terminal = pair.shop.terminal
    terminal("target", "update", "app", "staging", "--approvers", "emil, ana", "--lint", "block")
    pair.laptop("fresh")
    pair.add("app", "staging")
    said = terminal("target", "update", "app", "staging", "--no-protected", code=64).err
    assert "this lowers what staging requires" in said
    assert "protected: yes -> no" in said
    assert "give the reason: --reason WHY" in said
    before = len(pair.events("policy"))
    why = ("--reason", "nobody uses it")
    said = terminal("target", "update", "app", "staging", "--no-protected", *why).out
    assert "its ledger has this policy now, with your reason" in said
    events = pair.events("policy")[before:]
    assert [project for project, _ in events] == ["app"]
    assert "nobody uses it" in events[0][1]
    ((kept,),) = pair.query("SELECT v FROM templedb.meta WHERE k = 'policy/app'")
    assert '"protected": false' in kept
    assert '"lint": "block"' in kept, "what is not named stays"
    assert '"emil"' in kept


def test_target_update_needs_no_reason_when_it_lowers_nothing(pair: Pair) -> None:
    terminal = pair.shop.terminal
    terminal("target", "update", "app", "staging", "--provider", "somebody")
    terminal("target", "update", "app", "staging", "--protected")
    assert pair.events("policy") == []
    terminal("target", "update", "app", "staging", "--approvals", "2")
    assert len(pair.events("policy")) == 1


def test_target_update_that_may_lower_is_refused_when_the_ledger_is_unreachable(shop: Shop) -> None:
    gone = shop.pg.dsn.replace(f"/{shop.pg.name}", "/gone")
    shop.terminal("env", "set", "app", "DATABASE_URL", gone, "--target", "staging")
    shop.terminal("target", "update", "app", "staging", "--no-protected", code=69)
    said = shop.terminal("target", "update", "app", "staging", "--protected").out
    assert "the ledger could not be read" in said


# --- freezes, several databases, values -------------------------------------------------------------


def test_freeze_of_a_neighbour_holds_when_its_policy_is_obeyed(second: Pair) -> None:
    second.laptop("first")
    second.add("app", "staging")
    freeze = ("lock", "acquire", "app", "--target", "staging", "--reason", "an audit")
    second.shop.terminal(*freeze)
    second.laptop("reports")
    said = second.run("reports", code=23)
    assert "is frozen for project app by rosa" in said.err
    second.laptop("first")
    second.shop.terminal("lock", "release", "app", "--target", "staging", "--reason", "done")
    second.laptop("reports")
    second.approved(*EXEMPT)
    second.laptop("first")
    second.shop.terminal(*freeze)
    second.laptop("reports")
    said = second.run("reports")
    assert "project app is frozen there" in said.all


@pytest.fixture
def warehouse(shop: Shop) -> Iterator[Database]:
    yield from databases(shop.pg.server)


def test_strictest_policy_holds_for_the_whole_plan_when_a_plan_has_several_databases(
    shop: Shop, warehouse: Database, tmp_path: Path
) -> None:
    terminal = shop.terminal
    terminal("target", "update", "app", "staging", "--protected")
    terminal("env", "set", "app", "DATABASE_URL", warehouse.dsn, "--target", "staging")
    pair = Pair(shop=shop, address=warehouse.dsn, folder=tmp_path)
    pair.approved("deploy", "run", "app")
    pair.laptop("reports")
    terminal.file("reports/migrations/001.sql", "CREATE TABLE one (id int);")
    terminal.file("reports/warehouse/001.sql", "CREATE TABLE two (id int);")
    terminal("project", "import", "reports")
    other = {"name": "w", "file_patterns": ["warehouse/*.sql"], "database": "WAREHOUSE_URL"}
    terminal.config(MIGRATIONS, other, project="reports")
    terminal("target", "add", "reports", "live")
    terminal("env", "set", "reports", "DATABASE_URL", shop.pg.dsn, "--target", "live")
    terminal("env", "set", "reports", "WAREHOUSE_URL", warehouse.dsn, "--target", "live")
    pair.run("reports", code=20)
    assert shop.pg.tables() == []
    exempt = ("target", "exempt", "reports", "live", "--reason", "a schema of its own")
    pair.approved(*exempt)
    pair.run("reports")
    assert shop.pg.tables() == ["one"]


def test_plan_stays_the_same_when_a_neighbour_has_no_policy(shop: Shop, tmp_path: Path) -> None:
    alone = shop.terminal("deploy", "plan", "app", "--json").json[-1]["content_hash"]
    pair = Pair(shop=shop, address=shop.pg.dsn, folder=tmp_path)
    pair.add("reports")
    pair.run("reports")
    said = shop.terminal("deploy", "plan", "app", "--json")
    assert said.json[-1]["content_hash"] == alone
    assert "project reports" not in said.out


STRICT = Policy(
    protected=True, order_policy=OrderPolicy.LINEAR, approvals=2, approvers=("ana", "emil"),
    self_approval=False, approval_expires_s=60, signed=True, signers=("ana k x",), lint=FindingLevel.BLOCK,
    drift=FindingLevel.BLOCK,
)  # fmt: skip


def test_neighbour_demands_hold_only_when_no_exemption_covers_them() -> None:
    bound = Ledger(neighbours=(Neighbour(project="a", policy=STRICT),))
    assert Policy().stricter(bound.demands) == STRICT
    given = Exemption(policy=STRICT, by="rosa", reason="x", run="r")
    free = Ledger(neighbours=(Neighbour(project="a", policy=STRICT, exemption=given),))
    assert free.demands is None
    both = Ledger(policy=Policy(approvals=1), neighbours=free.neighbours)
    assert both.demands == Policy(approvals=1)


def test_policy_changes_only_in_the_named_fields_when_a_target_is_updated() -> None:
    bare = Target(name=TargetName("t"))
    lower = updated(STRICT, bare, {"protected"})
    assert (lower.protected, lower.self_approval) == (False, True)
    assert lower.order_policy is OrderPolicy.NON_LINEAR
    assert (lower.approvals, lower.approvers, lower.lint) == (
        2,
        ("ana", "emil"),
        FindingLevel.BLOCK,
    )
    raised = updated(Policy(), Target(name=TargetName("t"), protected=True), {"protected"})
    assert raised == Policy.of(Target(name=TargetName("t"), protected=True))
