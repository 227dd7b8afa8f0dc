"""What waits: plans for approvals, over all targets; one approval of several; old pending files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from templedb_nb.api import Temple, frame
from templedb_nb.core.config.document import document, parse
from templedb_nb.core.migrations.waiting_files import waiting_files
from templedb_nb.model.approval import Approval, PlanBundle
from templedb_nb.model.config import PendingAlert
from templedb_nb.model.serialization import Digest, canonical, digest, from_plain, to_plain
from templedb_nb.model.waiting_files import WaitingFiles
from templedb_nb.store.duckdb.state_file import StateFile
from tests import postgres
from tests.conftest import MIGRATIONS, Database, Said, Terminal, databases

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@dataclass
class Town:
    """Two projects of one release, each with a protected target that keeps a ledger."""

    terminal: Terminal
    urls: dict[str, str]

    def start(self) -> Town:
        for name, url in self.urls.items():
            self.write(name, "001", f"CREATE TABLE {name}_a (id int);\n")
            self.terminal("project", "import", name)
            self.terminal.config(MIGRATIONS, project=name)
            self.terminal("target", "add", name, "live")
            self.terminal("env", "set", name, "DATABASE_URL", url, "--target", "live")
            self.terminal("deploy", "run", name)
            self.terminal("target", "update", name, "live", "--protected")
            self.write(name, "002", f"CREATE TABLE {name}_b (id int);\n")
        return self

    def write(self, project: str, number: str, sql: str) -> None:
        self.terminal.file(f"{project}/migrations/{number}.sql", sql)

    def plan(self, project: str, *words: str) -> str:
        said = self.terminal("deploy", "plan", project, "--json", *words)
        return str(said.json[-1]["plan_id"])

    def by(self, who: str, *words: str, code: int = 0) -> Said:
        before = self.terminal.environ["TEMPLEDB_USER"]
        self.terminal.set(TEMPLEDB_USER=who)
        try:
            return self.terminal(*words, code=code)
        finally:
            self.terminal.set(TEMPLEDB_USER=before)

    def approve(self, *plans: str, by: str = "emil", code: int = 0) -> Said:
        return self.by(by, "approve", *plans, "--reason", "release 2", code=code)

    def waiting(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = self.terminal("approvals", "--waiting", *words, "--json").json[-1]
        return found

    def names(self, *words: str) -> list[str]:
        return [row["plan"] for row in self.waiting(*words)["rows"]]

    def ledger(self, project: str, sql: str) -> list[Any]:
        url = self.urls[project]
        if url.startswith("duckdb://"):
            with duckdb.connect(url.removeprefix("duckdb://")) as connection:
                return connection.execute(sql).fetchall()
        import psycopg

        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def older(self, days: int, table: str = "releases", column: str = "made_at") -> None:
        """Let what the state has be that much older."""
        with StateFile(self.terminal.state).session() as session:
            session.execute(f"UPDATE {table} SET {column} = {column} - INTERVAL {days} DAY")


@pytest.fixture
def quick(terminal: Terminal) -> Town:
    home = terminal.home
    urls = {name: f"duckdb://{home}/{name}.duckdb" for name in ("app", "web")}
    return Town(terminal, urls).start()


@pytest.fixture
def other_pg(server: postgres.Server) -> Iterator[Database]:
    yield from databases(server)


@pytest.fixture(params=["postgres", "duckdb"])
def town(request: pytest.FixtureRequest, terminal: Terminal) -> Town:
    """Return the projects with two databases of either kind."""
    if request.param == "duckdb":
        found: Town = request.getfixturevalue("quick")
        return found
    pg: Database = request.getfixturevalue("pg")
    other: Database = request.getfixturevalue("other_pg")
    return Town(terminal, {"app": pg.dsn, "web": other.dsn}).start()


# --- what waits -----------------------------------------------------------------------------------


def test_waiting_list_is_empty_when_the_state_is_new(terminal: Terminal) -> None:
    terminal("state", "init")
    assert terminal("approvals", "--waiting").out == "no plan waits for approvals\n"


def test_plans_of_all_projects_wait_when_they_have_not_run(town: Town) -> None:
    one, other = town.plan("app"), town.plan("web")
    rows = town.waiting()["rows"]
    assert [row["plan"] for row in rows] == [one, other]
    row = rows[0]
    assert (row["slug"], row["target"], row["release"], row["run_kind"]) == (
        "app", "live", 2, "deploy",
    )  # fmt: skip
    assert (row["planned_by"], row["not_by"], row["needed"], row["missing"]) == (
        "rosa", "rosa", 1, 1,
    )  # fmt: skip
    assert town.names("web") == [other]
    said = town.terminal("approvals", "--waiting").out
    assert "1 approval, not by rosa" in said
    assert one[:12] in said
    town.approve(one)
    found = town.waiting()
    assert ([row["plan"] for row in found["rows"]], found["ready"]) == ([other], 1)
    town.terminal("deploy", "run", "app")
    assert (town.names(), town.waiting()["ready"]) == ([other], 0)


def test_waiting_plan_names_its_approvers_and_missing_approvals_when_partly_approved(
    quick: Town,
) -> None:
    words = ("--approvals", "3", "--approvers", "ana,emil,zoe", "--expires", "4h")
    quick.terminal("target", "update", "app", "live", *words, "--reason", "three of them")
    made = quick.plan("app")
    quick.approve(made)
    (row,) = quick.waiting("app")["rows"]
    assert (row["approvers"], row["missing"], row["approved_by"]) == (
        ["ana", "emil", "zoe"], 2, ["emil"],
    )  # fmt: skip
    with StateFile(quick.terminal.state).session() as session:
        ((at,),) = session.execute("SELECT given_at FROM approvals").fetchall()
    expected = at.replace(tzinfo=UTC) + timedelta(hours=4)
    assert datetime.fromisoformat(row["expires_at"]) == expected
    said = quick.terminal("approvals", "--waiting").out
    assert "2 approvals by ana, zoe" in said
    assert "approved by emil; the first expires at" in said


def test_waiting_plan_says_so_when_too_few_people_may_approve(quick: Town) -> None:
    words = ("--approvals", "2", "--approvers", "rosa,emil", "--reason", "two of them")
    quick.terminal("target", "update", "app", "live", *words)
    made = quick.plan("app")
    said = quick.terminal("approvals", "--waiting").out
    assert "2 approvals, but too few people may give them: emil" in said
    quick.approve(made)
    said = quick.terminal("approvals", "--waiting").out
    assert "1 approval, but too few people may give them: nobody" in said


def test_plan_does_not_wait_when_made_before_the_target_demanded_more(town: Town) -> None:
    old = town.plan("app")
    words = ("--approvals", "2", "--approvers", "emil,zoe", "--reason", "two of them")
    town.terminal("target", "update", "app", "live", *words)
    assert town.names("app") == []
    town.approve(old)
    assert town.waiting("app")["ready"] == 0
    new = town.plan("app")
    assert town.names("app") == [new]


def test_plan_is_left_out_and_counted_when_rejected(quick: Town) -> None:
    made = quick.plan("app")
    quick.by("ana", "reject", made, "--reason", "no index")
    found = quick.waiting()
    assert (found["rows"], found["rejected"]) == ([], 1)
    assert "1 plan is left out: rejected" in quick.terminal("approvals", "--waiting").out


def test_waiting_plan_is_superseded_when_a_newer_plan_waits(quick: Town) -> None:
    old = quick.plan("app")
    quick.write("app", "003", "CREATE TABLE app_c (id int);\n")
    new = quick.plan("app")
    rows = {row["plan"]: row for row in quick.waiting()["rows"]}
    assert rows[old]["superseded_by"] == new
    assert rows[new]["supersedes"] == [old]
    said = quick.terminal("approvals", "--waiting").out
    assert f"{old[:12]}: superseded by plan {new[:12]}" in said
    assert f"{new[:12]}: supersedes plan {old[:12]}" in said
    quick.approve(old, code=22)
    quick.approve(new)
    quick.terminal("deploy", "run", "app")
    assert quick.names() == []


def test_plan_does_not_wait_when_a_run_of_another_state_has_overtaken_the_plan(town: Town) -> None:
    made = town.plan("app")
    here = town.terminal.environ["TEMPLEDB_STATE"]
    town.terminal.set(TEMPLEDB_STATE=str(town.terminal.home / "ci" / "state.duckdb"))
    town.terminal("project", "import", "app")
    town.terminal.config(MIGRATIONS, project="app")
    town.terminal("target", "add", "app", "live", "--protected")
    town.terminal("env", "set", "app", "DATABASE_URL", town.urls["app"], "--target", "live")
    town.approve(town.plan("app"))
    found = town.waiting()
    assert (found["rows"], found["ready"]) == ([], 1)
    with_elsewhere = Path(here)
    town.terminal.set(TEMPLEDB_STATE=str(with_elsewhere))
    assert (town.names(), town.waiting()["ready"]) == ([], 1)
    town.terminal.set(TEMPLEDB_STATE=str(town.terminal.home / "ci" / "state.duckdb"))
    town.terminal("deploy", "run", "app")
    town.terminal.set(TEMPLEDB_STATE=here)
    found = town.waiting()
    assert (found["rows"], found["ready"]) == ([], 0)
    said = town.approve(made, town.plan("web"), code=22).err
    assert "cannot run any more" in said


def test_waiting_list_has_a_note_when_the_target_does_not_answer(quick: Town) -> None:
    made = quick.plan("app")
    quick.terminal("env", "unset", "app", "DATABASE_URL", "--target", "live")
    quick.terminal("env", "set", "app", "DATABASE_URL", "postgresql://127.0.0.1:1/gone", "--target", "live")  # fmt: skip
    found = quick.waiting()
    assert [row["plan"] for row in found["rows"]] == [made]
    assert found["notes"][0].startswith("app → live: known from this state only: ")
    assert "known from this state only" in quick.terminal("approvals", "--waiting").out


def test_plan_does_not_wait_when_its_target_is_gone(quick: Town) -> None:
    quick.plan("app")
    other = quick.plan("web")
    quick.terminal("target", "remove", "app", "live")
    assert quick.names() == [other]


def test_content_waits_again_when_it_is_planned_again_after_its_run(terminal: Terminal) -> None:
    """A plan of commands has the same content each time, and needs an approval each time."""
    terminal.files(**{"version.txt": "1"})
    terminal("project", "import", "app")
    terminal.config({"name": "web", "deploy_command": "true"})
    terminal("target", "add", "app", "live", "--protected")
    town = Town(terminal, {})
    first = town.plan("app")
    town.approve(first)
    terminal("deploy", "run", "app")
    assert town.names() == []
    again = town.plan("app")
    assert again != first
    assert town.names() == [again]


def test_waiting_plans_come_oldest_first_and_once_when_planned_again(quick: Town) -> None:
    made, other = quick.plan("web"), quick.plan("app")
    quick.older(3, "plans")
    assert quick.plan("web") == made
    rows = quick.waiting()["rows"]
    assert [row["plan"] for row in rows] == [made, other]
    since = datetime.fromisoformat(rows[0]["since"])
    assert datetime.now(UTC) - since > timedelta(days=2)


def test_waiting_frame_keeps_its_column_types_when_it_is_empty_or_filled(quick: Town) -> None:
    empty = frame(Temple.open().waiting())
    quick.plan("app")
    made = frame(Temple.open().waiting())
    assert empty is not None
    assert made is not None
    kinds = {name: str(kind) for name, kind in made.dtypes.items()}
    assert kinds["since"] == kinds["expires_at"] == "datetime64[us, UTC]"
    assert kinds["release"] == kinds["missing"] == kinds["waiting_days"] == "Int64"
    assert kinds["kind"] == kinds["project"] == kinds["target"] == "category"
    assert list(empty.columns) == list(made.columns)
    assert (made.attrs["rejected"], made.attrs["ready"], made.attrs["notes"]) == (0, 0, ())


def test_card_shows_the_plan_when_it_waits(quick: Town) -> None:
    from templedb_nb.views.html import bundle

    made = quick.plan("app")
    shown = bundle(Temple.open().waiting())
    assert shown is not None
    assert made[:12] in shown["text/html"]
    assert "not by rosa" in shown["text/html"].replace("&nbsp;", " ")
    assert made[:12] in shown["text/plain"]


def test_newest_plans_of_each_target_are_looked_at_when_there_are_very_many(quick: Town) -> None:
    made = quick.plan("app")
    with StateFile(quick.terminal.state).session() as session:
        session.execute(
            "INSERT INTO plans SELECT md5('p' || n), md5('c' || n), project, target, preview,"
            " made_at - INTERVAL (n) MINUTE, made_by, asked_at - INTERVAL (n) SECOND"
            " FROM plans, range(1, 61) r(n) WHERE id = ?",
            [made],
        )
        session.execute("UPDATE runs SET started_at = started_at - INTERVAL 1 DAY")
        session.execute("UPDATE plans SET asked_at = asked_at - INTERVAL 1 DAY WHERE id IN (SELECT plan FROM runs)")  # fmt: skip
    found = quick.waiting()
    assert made in [row["plan"] for row in found["rows"]]
    assert found["notes"] == ["41 older plans were not looked at"]


def test_waiting_plan_is_superseded_when_the_newer_plan_waits_for_nothing(quick: Town) -> None:
    old = quick.plan("app")
    (quick.terminal.home / "app" / "migrations" / "002.sql").unlink()
    new = quick.plan("app")
    (row,) = quick.waiting()["rows"]
    assert (row["plan"], row["superseded_by"]) == (old, new)
    quick.approve(old, code=22)


def test_other_projects_are_listed_when_a_project_has_a_broken_config(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    quick.terminal.file("app/templedb.yaml", '{"groups": [')
    quick.terminal("project", "sync", "app")
    found = quick.waiting()
    assert [row["plan"] for row in found["rows"]] == [one, other]
    (note,) = found["notes"]
    assert note.startswith("app → live: known from this state only: templedb.yaml")


def test_repeatable_migration_waits_when_its_new_text_has_not_run(quick: Town) -> None:
    town = quick
    views = "-- templedb:repeatable\nCREATE OR REPLACE VIEW v AS SELECT {} AS a;\n"
    town.write("app", "003", views.format(1))
    town.approve(town.plan("app"))
    town.terminal("deploy", "run", "app")
    town.write("app", "003", views.format(2))
    made, other = town.plan("app"), town.plan("web")
    assert town.names() == [made, other]
    town.approve(made, other)
    town.terminal("deploy", "run", "app")
    assert (town.names(), town.waiting()["ready"]) == ([], 1)


# --- one approval of several plans ----------------------------------------------------------------


def test_approval_names_its_bundle_when_several_plans_are_approved_together(town: Town) -> None:
    one, other = town.plan("app"), town.plan("web")
    told = town.approve(one[:12], other[:12])
    rows = [town.terminal("approvals", each, "--json").json[-1]["rows"][0] for each in (one, other)]
    bundle = rows[0]["bundle"]
    contents = sorted(row["content_hash"] for row in rows)
    assert bundle == rows[1]["bundle"]
    assert bundle["plans"] == contents
    assert bundle["content_hash"] == digest(contents)
    assert f"emil approves 2 plans, bundle {bundle['content_hash'][:12]}" in told.out
    assert "app → live: recorded here and in the target's ledger" in told.out
    assert "bundle of 2 plans" in town.terminal("approvals", one).out
    kept = town.ledger("app", "SELECT proof FROM templedb.approval WHERE proof <> ''")
    assert [json.loads(proof) for (proof,) in kept] == [bundle]
    shown = town.terminal("sql", "SELECT DISTINCT bundle FROM approvals", "--json").json[-1]
    assert shown["rows"] == [[bundle["content_hash"]]]
    town.terminal("deploy", "run", "app")
    town.terminal("deploy", "run", "web")
    used = town.ledger("web", "SELECT used_by <> '' FROM templedb.approval")
    assert used == [(True,)]


def test_bundle_approval_counts_by_the_ledger_when_another_state_runs_the_plan(town: Town) -> None:
    town.terminal("deploy", "plan", "app", "--out", "app.plan")
    town.approve("app.plan", town.plan("web"))
    ci = town.terminal
    ci.set(TEMPLEDB_STATE=str(ci.home / "ci" / "state.duckdb"), DATABASE_URL=town.urls["app"])
    assert "1 migration applied" in ci("deploy", "run", "--plan", "app.plan").out


def test_bundle_approval_does_not_cover_a_member_when_it_is_planned_again(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    quick.approve(one, other)
    quick.write("app", "003", "CREATE TABLE app_c (id int);\n")
    quick.terminal("deploy", "run", "app", code=20)
    quick.terminal("deploy", "run", "web")


def test_bundle_approval_records_nothing_and_names_all_problems_when_a_plan_is_unfit(
    town: Town,
) -> None:
    old = town.plan("app")
    town.write("app", "003", "CREATE TABLE app_c (id int);\n")
    town.plan("app")
    rejected = town.plan("web")
    town.by("ana", "reject", rejected, "--reason", "no index")
    said = town.approve(old, rejected, "f" * 12, code=64)
    assert "3 of 3 plans cannot be approved; nothing was recorded" in said.err
    assert "of a newer one replaces it" in said.err
    assert "was rejected by ana: no index" in said.err
    assert "no plan begins with" in said.err
    assert town.approve(old, rejected, code=22).err.count("  - ") == 2
    rows = town.terminal("sql", "SELECT given_by FROM approvals", "--json").json[-1]["rows"]
    assert rows == [["ana"]]
    assert town.ledger("app", "SELECT * FROM templedb.approval") == []


def test_bundle_is_rejected_when_a_single_plan_of_it_is_rejected(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    quick.by("ana", "reject", one, "--reason", "no index")
    assert "1 of 2 plans cannot be approved" in quick.approve(one, other, code=21).err
    quick.approve(one, other, by="ana")
    quick.terminal("deploy", "run", "app")


def test_rejection_by_somebody_else_counts_when_the_approver_has_rejected_too(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    for who in ("ana", "zoe"):
        quick.by(who, "reject", one, "--reason", f"{who} has read it")
    for who, else_ in (("ana", "zoe"), ("zoe", "ana")):
        said = quick.approve(one, other, by=who, code=21).err
        assert f"was rejected by {else_}: {else_} has read it" in said
    assert quick.ledger("web", "SELECT * FROM templedb.approval") == []


def test_bundle_approval_is_refused_when_a_plan_of_it_ran_already(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    quick.approve(one)
    quick.terminal("deploy", "run", "app")
    assert "has succeeded since" in quick.approve(one, other, code=22).err


def test_approval_has_no_bundle_when_the_same_plan_is_named_twice(quick: Town) -> None:
    one = quick.plan("app")
    quick.approve(one, one[:12])
    (row,) = quick.terminal("approvals", one, "--json").json[-1]["rows"]
    assert "bundle" not in row
    assert quick.ledger("app", "SELECT proof FROM templedb.approval") == [("",)]


def test_bundle_approval_is_recorded_and_does_not_count_when_the_author_gives_it(
    quick: Town,
) -> None:
    said = quick.approve(quick.plan("app"), quick.plan("web"), by="rosa").out
    assert said.count("it does not count: they made the plan") == 2
    quick.terminal("deploy", "run", "app", code=20)


def test_python_approves_several_plans_as_a_bundle_when_given_a_list(quick: Town) -> None:
    one, other = quick.plan("app"), quick.plan("web")
    quick.terminal.set(TEMPLEDB_USER="emil")
    given = Temple.open().approve_bundle([one, other], "release 2")
    assert {each.plan for each in given} == {one, other}
    assert len({each.bundle.content_hash for each in given if each.bundle}) == 1
    quick.terminal("deploy", "run", "app")


def test_unsigned_bundle_needs_no_new_format_when_the_ledger_is_before_format_4() -> None:
    from templedb_nb.targets.approvals import format_for, row

    word = approval(PlanBundle.of("0190c3b2-0000-7000-8000-000000000001", [A, B]), A)
    assert format_for([word]) == 4
    assert format_for([replace(word, signature="")]) == 1
    assert format_for([approval(None, A)]) == 2
    assert "proof" not in row(word, 3)
    assert json.loads(row(word, 4)["proof"])["plans"] == [A, B]


# --- signed bundles -------------------------------------------------------------------------------

A, B, C = (Digest(letter * 64) for letter in "abc")
KEY = "0190c3b2-0000-7000-8000-000000000001"


def approval(bundle: PlanBundle | None, content: Digest, key: str = "") -> Approval:
    return Approval(
        id=key or (bundle.member(content) if bundle else KEY),
        plan="p",
        content_hash=content,
        project="app",
        target=from_plain(str, "live"),
        given_by="emil",
        given_at=NOW,
        reason="read it",
        through="terminal",
        signature="s",
        bundle=bundle,
    )


def test_approval_keeps_its_json_and_statement_when_given_for_one_plan() -> None:
    word = approval(None, A)
    plain = to_plain(word)
    assert isinstance(plain, dict)
    assert "bundle" not in plain
    assert from_plain(Approval, plain) == word
    assert json.loads(word.statement) == {
        "templedb_approval": 2, "id": KEY, "plan": A, "project": "app", "target": "live",
        "verdict": "approved", "by": "emil", "at": "2026-11-29T12:00:00.000000+00:00",
        "reason": "read it", "through": "terminal",
    }  # fmt: skip


def test_bundle_approvals_share_their_statement_and_differ_in_proof() -> None:
    bundle = PlanBundle.of(KEY, [B, A, A])
    one, other = approval(bundle, A), approval(bundle, B)
    assert bundle.plans == (A, B)
    assert one.statement == other.statement
    assert one.proof != other.proof
    assert one.id != other.id
    assert from_plain(Approval, to_plain(one)) == one


@pytest.mark.parametrize(
    ("key", "content", "bundle"),
    [
        ("another", A, PlanBundle.of(KEY, [A, B])),
        ("", C, PlanBundle.of(KEY, [A, B])),
        ("", A, PlanBundle(id=KEY, content_hash=digest([A]), plans=(A, B))),
        ("", A, PlanBundle(id=KEY, content_hash=digest([B, A]), plans=(B, A))),
    ],
)
def test_bundle_approval_proves_nothing_when_it_does_not_fit_its_bundle(
    key: str, content: Digest, bundle: PlanBundle
) -> None:
    word = approval(bundle, content, key)
    assert not bundle.holds(word.id, word.content_hash)
    assert not PlanBundle(id="no id", content_hash=digest([A]), plans=(A,)).holds("x", A)


@dataclass
class Keys:
    folder: Path

    def key(self, who: str) -> str:
        path = self.folder / who
        if not path.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
            subprocess.run(words, check=True)
        return str(path)

    def signers(self, *people: str) -> str:
        lines = [
            f"{who} {' '.join(Path(f'{self.key(who)}.pub').read_text().split()[:2])}\n"
            for who in people
        ]
        path = self.folder / "allowed_signers"
        path.write_text("".join(lines))
        return str(path)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    folder = tmp_path / "keys"
    folder.mkdir()
    return Keys(folder)


@pytest.fixture
def signed(town: Town, keys: Keys) -> Town:
    for name in town.urls:
        words = ("--signers", keys.signers("emil", "ana"), "--signed")
        town.terminal("target", "update", name, "live", *words)
    return town


def sign(town: Town, keys: Keys, *words: str, who: str = "emil", code: int = 0) -> Said:
    given = ("--reason", "release 2", "--sign", keys.key(who))
    return town.by("emil", "approve", *words, *given, code=code)


def test_signature_counts_for_each_plan_when_it_signs_a_bundle(signed: Town, keys: Keys) -> None:
    one, other = signed.plan("app"), signed.plan("web")
    assert "signed by emil" in sign(signed, keys, one, other).out
    assert "signed by emil" in signed.terminal("approvals", one).out
    signatures = {
        signed.ledger(name, "SELECT signature FROM templedb.approval")[0] for name in signed.urls
    }
    assert len(signatures) == 1
    signed.terminal("deploy", "run", "app")
    signed.terminal("deploy", "run", "web")


def test_approval_file_counts_for_each_plan_when_it_holds_a_bundle(
    signed: Town, keys: Keys
) -> None:
    for name in signed.urls:
        signed.terminal("deploy", "plan", name, "--out", f"{name}.plan")
    reviewer = signed.terminal.environ["TEMPLEDB_STATE"]
    signed.terminal.set(TEMPLEDB_STATE=str(signed.terminal.home / "desk" / "state.duckdb"))
    signed.terminal("state", "init")
    said = sign(signed, keys, "app.plan", "web.plan", "--out", "release.json").out
    assert said.count("--approval release.json") == 2
    written = json.loads(Path("release.json").read_text())
    assert (written["templedb_approval"], len(written["approvals"])) == (3, 2)
    signed.terminal.set(TEMPLEDB_STATE=reviewer)
    for name in signed.urls:
        words = ("deploy", "run", "--plan", f"{name}.plan", "--approval", "release.json")
        assert "1 migration applied" in signed.terminal(*words).out
    assert signed.ledger("web", "SELECT used_by <> '' FROM templedb.approval") == [(True,)]


def test_approval_file_of_a_bundle_does_not_count_when_it_was_changed(
    signed: Town, keys: Keys
) -> None:
    for name in signed.urls:
        signed.terminal("deploy", "plan", name, "--out", f"{name}.plan")
    sign(signed, keys, "app.plan", "web.plan", "--out", "release.json")
    whole = json.loads(Path("release.json").read_text())
    signed.write("app", "003", "CREATE TABLE app_c (id int);\n")
    signed.terminal("deploy", "plan", "app", "--out", "more.plan")
    shown = signed.terminal("approvals", "more.plan", "--json")
    assert shown.json[-1]["rows"] == []
    other = signed.terminal("deploy", "run", "--plan", "more.plan", "--approval", "release.json", code=20)  # fmt: skip
    assert "is for another plan" in other.err
    whole["approvals"][0]["id"] = KEY
    Path("other.json").write_text(json.dumps(whole))
    said = signed.terminal("deploy", "run", "--plan", "app.plan", "--approval", "other.json", code=20)  # fmt: skip
    assert "its plan does not belong to the bundle that was signed" in said.err
    whole = json.loads(Path("release.json").read_text())
    whole["approvals"][0]["reason"] = "another"
    Path("third.json").write_text(json.dumps(whole))
    signed.terminal("deploy", "run", "--plan", "app.plan", "--approval", "third.json", code=20)


def test_bundle_approval_records_nothing_when_the_key_would_not_count_for_a_plan(
    signed: Town, keys: Keys
) -> None:
    one, other = signed.plan("app"), signed.plan("web")
    said = sign(signed, keys, one, other, who="ana", code=78).err
    assert "nothing was recorded" in said
    assert "no plan was approved" in signed.terminal("approvals").out


# --- files that have waited -----------------------------------------------------------------------


def test_status_tells_of_pending_files_when_they_have_waited_for_long(town: Town) -> None:
    town.plan("app")
    town.older(12)
    assert "waited" not in town.terminal("status", "app").out
    town.older(3)
    told = "1 file has waited for 15 days (since release 2): first migrations/002.sql"
    assert told in town.terminal("status", "app").out
    (row,) = town.terminal("status", "app", "--json").json[-1]["rows"]
    assert row["waiting"] == {"files": 1, "days": 15, "release": 2, "first": "migrations/002.sql"}
    assert told in town.terminal("deploy", "plan", "app").out
    assert told in town.terminal("approvals", "--waiting").out
    (row,) = town.waiting()["rows"]
    assert row["alert"]["days"] == 15
    town.approve(row["plan"])
    town.terminal("deploy", "run", "app")
    assert "waited" not in town.terminal("status", "app").out


def test_plan_stays_the_same_when_a_pending_alert_is_due(quick: Town) -> None:
    made = quick.plan("app")
    quick.older(40)
    assert quick.plan("app") == made


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("3d", True),
        ("off", False),
        ({"live": "3d"}, True),
        ({"live": "off"}, False),
        ({"other": "3d"}, False),
    ],
)
def test_pending_alert_follows_the_config_when_a_file_has_waited_for_five_days(
    quick: Town, value: object, *, told: bool
) -> None:
    config = {"groups": [MIGRATIONS], "pending_alert": value}
    path = quick.terminal.file("config.json", json.dumps(config))
    quick.terminal("deploy", "config", "app", "--set", str(path))
    quick.plan("app")
    quick.older(5)
    assert ("waited for 5 days" in quick.terminal("status", "app").out) is told


def test_file_waits_since_the_oldest_release_when_its_text_changed_later(quick: Town) -> None:
    quick.plan("app")
    quick.older(20)
    quick.write("app", "002", "CREATE TABLE app_b (id int, more int);\n")
    quick.write("app", "003", "CREATE TABLE app_c (id int);\n")
    quick.plan("app")
    told = "1 file has waited for 20 days (since release 2): first migrations/002.sql"
    assert told in quick.terminal("status", "app").out


def test_repeatable_migration_waits_since_its_new_text_when_the_text_changed(quick: Town) -> None:
    views = "-- templedb:repeatable\nCREATE OR REPLACE VIEW v AS SELECT {} AS a;\n"
    quick.write("app", "003", views.format(1))
    quick.approve(quick.plan("app"))
    quick.terminal("deploy", "run", "app")
    quick.older(400)
    quick.write("app", "003", views.format(2))
    commands = (("deploy", "plan", "app"), ("status", "app"), ("approvals", "--waiting"))
    for words in commands:
        assert "waited" not in quick.terminal(*words).out
    quick.older(20)
    for words in commands:
        told = "1 file has waited for 20 days (since release 3): first migrations/003.sql"
        assert told in quick.terminal(*words).out


@pytest.mark.parametrize("value", ["14d", "off", 90, {"live": "1d12h", "x": "off"}])
def test_pending_alert_is_read_back_when_the_config_is_written(value: object) -> None:
    config, problems = parse({"groups": [], "pending_alert": value})
    assert problems == ()
    assert parse(document(config)) == (config, ())


def test_pending_alert_leaves_no_trace_in_a_config_when_it_is_the_default() -> None:
    config, _ = parse({"groups": []})
    assert config.pending_alert == PendingAlert(after_s=14 * 86_400)
    assert document(config) == {"groups": []}


@pytest.mark.parametrize("value", [0, -1, "soon", [], {"live": 0}, {"a b": "1d"}])
def test_pending_alert_is_a_problem_when_its_value_is_invalid(value: object) -> None:
    _, problems = parse({"groups": [], "pending_alert": value})
    assert problems[0].where.startswith("pending_alert")


def test_waiting_files_are_not_counted_when_no_release_has_them_or_they_are_in_time() -> None:
    first = {
        "a": (3, NOW - timedelta(days=20)),
        "b": (2, NOW - timedelta(days=40)),
        "c": (4, NOW - timedelta(days=14)),
    }
    found = waiting_files(["a", "b", "b", "c", "d"], first, 14 * 86_400, NOW)
    assert found == WaitingFiles(files=2, days=40, release=2, first="b")
    assert str(found) == "2 files have waited for 40 days (since release 2): first b"
    assert waiting_files(["c", "d"], first, 14 * 86_400, NOW) is None


def test_bundle_hash_can_be_computed_by_hand() -> None:
    import hashlib

    bundle = PlanBundle.of(KEY, [B, A])
    by_hand = hashlib.sha256(f'["{A}","{B}"]'.encode()).hexdigest()
    assert bundle.content_hash == by_hand == digest([A, B])
    assert canonical([A, B]).decode() == f'["{A}","{B}"]'
