"""Migrations, commands, checks and queries reach one server, and what is said of it is true.

Two real servers have the same role and database, so that the wrong one would be reached without
an error: each object says at which port it was made.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from templedb_nb.errors import Unresolved
from templedb_nb.model.route import ALONE, Surroundings
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DATABASE_URL, TargetName
from templedb_nb.targets.postgres.connection import wire
from templedb_nb.targets.postgres.connection.route import route
from templedb_nb.targets.postgres.connection.wire import Link
from templedb_nb.targets.postgres.session import PostgresSession
from tests import postgres
from tests.conftest import HARD_PASSWORD, MIGRATIONS, Database, Said, Terminal
from tests.ledger_targets import a_claim

PORT = "SELECT inet_server_port() AS port"
needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql")


@pytest.fixture(scope="session")
def second() -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(postgres.binaries(), Path(place)) as it,
    ):
        yield it


def port_of(server: postgres.Server) -> str:
    return str(conninfo_to_dict(server.admin)["port"])


@dataclass
class Twins:
    """One database on two servers: the same role, the same password, the same name."""

    terminal: Terminal
    one: Database
    two: Database

    @property
    def ports(self) -> tuple[str, str]:
        return port_of(self.one.server), port_of(self.two.server)

    def url(self, where: str, rest: str = "", password: str | None = HARD_PASSWORD) -> str:
        who = self.one.role + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{who}@{where}/{self.one.name}{rest}"

    def target(self, url: str) -> None:
        self.terminal.file("app/migrations/001.sql", f"CREATE TABLE native AS {PORT};\n")
        self.terminal("project", "import", "app")
        self.terminal.config(MIGRATIONS)
        self.terminal("target", "add", "app", "staging")
        self.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging")

    def run(self, *words: str, code: int = 0) -> Said:
        return self.terminal("deploy", "run", "app", *words, code=code)

    def made(self, table: str) -> list[str]:
        """Return the ports of the servers on which a table was made, wherever it is."""
        found = []
        for each in (self.one, self.two):
            if table in each.tables():
                found += [str(port) for (port,) in each.query(f"SELECT port FROM {table}")]
        return found


@pytest.fixture
def twins(terminal: Terminal, pg: Database, second: postgres.Server) -> Iterator[Twins]:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE"):
        terminal.unset(name)
    other = replace(pg, server=second)
    literal = psycopg.sql.Literal(HARD_PASSWORD).as_string()
    with psycopg.connect(second.admin, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {pg.role} LOGIN PASSWORD {literal}".encode())
        admin.execute(f"CREATE DATABASE {pg.name} OWNER {pg.role}".encode())
        yield Twins(terminal, pg, other)
        admin.execute(f"DROP DATABASE IF EXISTS {pg.name} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE IF EXISTS {pg.role}".encode())


def run_of(said: Said) -> str:
    found = re.search(r"run ([0-9a-f]{8}-[0-9a-f]{4})", said.all)
    assert found is not None
    return found[1]


def hook(table: str) -> str:
    return f'psql -X -v ON_ERROR_STOP=1 "$DATABASE_URL" -c "CREATE TABLE {table} AS {PORT}"'


@needs_psql
def test_every_connection_reaches_the_same_server_when_pgport_is_set(twins: Twins) -> None:
    port = twins.ports[1]
    twins.target(twins.url("127.0.0.1"))
    twins.terminal.set(PGPORT=port)
    twins.terminal.file("app/later/001.sql", f"\\set made by_psql\nCREATE TABLE :made AS {PORT};\n")
    twins.terminal.config(
        {**MIGRATIONS, "pre_deploy": [hook("before")], "post_deploy": [hook("after")]},
        {"name": "later", "kind": "migrations", "executor": "psql", "file_patterns": ["later/*.sql"]},
        {"name": "command", "deploy_command": hook("deployed")},
    )  # fmt: skip

    said = twins.run()

    for table in ("native", "before", "after", "by_psql", "deployed"):
        assert twins.made(table) == [port], table
    assert "PGPORT in the environment decides the port" in said.all
    asked = twins.terminal("query", "SELECT inet_server_port() AS port", "--json")
    assert port in asked.out
    place = f"{twins.one.role}@127.0.0.1:{port}/{twins.one.name}"
    for words in (("target", "test"), ("target", "show"), ("deploy", "plan", "app")):
        told = twins.terminal(*words).out
        assert place in told, words
        assert "PGPORT in the environment decides the port" in told, words


@needs_psql
def test_every_connection_reaches_the_same_server_when_a_service_is_named(twins: Twins) -> None:
    """The environment names the other host: psycopg alone would take its address for ours."""
    port = twins.ports[1]
    file = twins.terminal.file(
        "services.conf",
        f"# ours\n[other]\nport=1\n\n[shop]\nhost=127.0.0.1\nport={port}\n"
        f"user={twins.one.role}\npassword={HARD_PASSWORD}\ndbname={twins.one.name}\n",
    )
    twins.terminal.set(PGSERVICEFILE=str(file), PGHOST="192.0.2.1", PGPORT="1")
    twins.target("postgresql:///?service=shop")
    twins.terminal.config(
        {**MIGRATIONS, "pre_deploy": [hook("before"), f"cat '{file}'; sleep 0.1"]}
    )

    said = twins.run()

    assert twins.made("native") == twins.made("before") == [port]
    what = "the host, the port, the role, the password and the database"
    assert f"service shop of {file} decides {what}" in said.all
    assert HARD_PASSWORD not in said.all
    shown = twins.terminal("target", "test").out
    assert f"{twins.one.role}@127.0.0.1:{port}/{twins.one.name}" in shown
    run = run_of(said)
    assert HARD_PASSWORD not in twins.terminal("deploy", "logs", run).all


@needs_psql
def test_target_variables_decide_for_migrations_and_commands_when_they_set_pgport(
    twins: Twins,
) -> None:
    port = twins.ports[1]
    twins.target(twins.url("127.0.0.1", password=None))
    twins.terminal("env", "set", "app", "PGPORT", port, "--target", "staging", "--plain")
    twins.terminal("env", "set", "app", "PGPASSWORD", HARD_PASSWORD, "--target", "staging")
    twins.terminal.set(PGPORT=twins.ports[0])
    twins.terminal.config({**MIGRATIONS, "pre_deploy": [hook("before")]})

    said = twins.run()

    assert twins.made("native") == twins.made("before") == [port]
    assert "PGPORT among the target's variables decides the port" in said.all
    assert "PGPASSWORD among the target's variables decides the password" in said.all
    assert HARD_PASSWORD not in said.all


@needs_psql
def test_command_reaches_the_server_of_migrations_when_a_group_sets_other_variables(
    twins: Twins,
) -> None:
    twins.target(twins.url("127.0.0.1"))
    twins.terminal.set(PGPORT=twins.ports[0])
    astray = {"PGPORT": twins.ports[1], "PGHOSTADDR": "127.0.0.2", "PGDATABASE": "postgres"}
    twins.terminal.config({**MIGRATIONS, "pre_deploy": [hook("before")], "env": astray})
    twins.run()
    assert twins.made("native") == twins.made("before") == [twins.ports[0]]


@needs_psql
def test_commands_reach_the_host_of_the_migrations_when_the_address_has_several_hosts(
    twins: Twins,
) -> None:
    """The first host answers only later, when a hook looks: it would be taken then."""
    one, two = twins.ports
    with psycopg.connect(twins.one.server.admin, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {twins.one.role} NOLOGIN".encode())
    twins.target(twins.url(f"127.0.0.1:1,127.0.0.1:{one},127.0.0.1:{two}"))
    awake = f"ALTER ROLE {twins.one.role} LOGIN"
    twins.terminal("env", "set", "app", "FIRST", twins.one.server.admin)
    twins.terminal.config(
        {**MIGRATIONS, "pre_deploy": [f'psql -X "$FIRST" -c "{awake}"', hook("before")]}
    )

    said = twins.run()

    assert twins.made("native") == twins.made("before") == [two]
    place = f"{twins.one.role}@127.0.0.1:{two}/{twins.one.name}"
    assert f"{place} is reached; commands get only that one" in said.all


@needs_psql
def test_password_file_serves_commands_and_is_masked_when_the_address_has_no_password(
    twins: Twins,
) -> None:
    two = twins.ports[1]
    entry = HARD_PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file = twins.terminal.file("pass", f"127.0.0.1:{two}:*:*:{entry}\n")
    file.chmod(0o600)
    twins.terminal.set(PGPASSFILE=str(file), SECRET_IN_HOOK=HARD_PASSWORD)
    twins.target(twins.url(f"127.0.0.1:{two}", password=None))
    told = "printf '%s\\n' \"$(sed 's/^[^*]*[*]:[*]://; s/[\\\\]\\(.\\)/\\1/g' \"$PGPASSFILE\")\""
    later = {"name": "later", "kind": "migrations", "executor": "psql"}
    twins.terminal.file("app/later/001.sql", f"CREATE TABLE by_psql AS {PORT};\n")
    twins.terminal.config(
        {**MIGRATIONS, "pre_deploy": [hook("before"), told]},
        {**later, "file_patterns": ["later/*.sql"]},
    )
    said = twins.run("-v")
    assert twins.made("native") == twins.made("before") == twins.made("by_psql") == [two]
    run = run_of(said)
    logs = twins.terminal("deploy", "logs", run).all
    assert "***[DATABASE_URL]" in logs
    assert HARD_PASSWORD not in logs + said.all


@needs_psql
def test_database_name_has_no_line_break_when_the_address_ends_with_a_line_break(
    twins: Twins,
) -> None:
    twins.target(twins.url(f"127.0.0.1:{twins.ports[0]}"))
    twins.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    twins.terminal.set(DATABASE_URL=twins.url(f"127.0.0.1:{twins.ports[0]}") + "\n")
    twins.terminal.config(
        {**MIGRATIONS, "pre_deploy": [hook("before")], "required_env_vars": ["DATABASE_URL"]}
    )
    twins.run()
    assert twins.made("native") == twins.made("before") == [twins.ports[0]]


@needs_psql
def test_down_check_makes_its_copy_on_the_reached_server_when_pgport_decides_the_port(
    twins: Twins,
) -> None:
    port = twins.ports[1]
    twins.terminal.set(PGPORT=port)
    twins.target(twins.url("127.0.0.1"))
    twins.terminal.file(
        "app/migrations/002.sql",
        f"CREATE TABLE back AS {PORT};\n-- templedb:down\nDROP TABLE back;\n",
    )
    twins.run()
    with psycopg.connect(twins.two.server.admin, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {twins.one.role} CREATEDB".encode())
    said = twins.terminal("migration", "down", "002.sql", "--check")
    assert "holds" in said.out or "leads back" in said.out


def test_lock_message_names_the_reached_server_when_the_lock_is_held(twins: Twins) -> None:
    twins.terminal.set(PGPORT=twins.ports[1])
    twins.target(twins.url("127.0.0.1"))
    twins.run()
    around = Surroundings(values={"PGPORT": twins.ports[1]})
    way = route(Secret("DATABASE_URL", twins.url("127.0.0.1")), around)
    from templedb_nb.ports.target import LockCallbacks

    held = PostgresSession(way, TargetName("t"), DATABASE_URL, "templedb:test")
    try:
        with held.lock(a_claim(project="app"), LockCallbacks()):
            twins.terminal.file("app/migrations/002.sql", "SELECT 1;\n")
            said = twins.run("--lock-wait", "0", code=24)
    finally:
        held.close()
    assert f"127.0.0.1:{twins.ports[1]}" in said.all


def links(twins: Twins, where: str) -> Link:
    way = route(Secret("DATABASE_URL", twins.url(where)), ALONE)
    return Link(way, TargetName("t"), DATABASE_URL, "templedb:test")


def test_session_is_not_reopened_on_another_server_when_lost(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = twins.ports
    link = links(twins, f"127.0.0.1:{one},127.0.0.1:{two}")
    link.recognise()
    with psycopg.connect(twins.one.server.admin, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {twins.one.role} NOLOGIN".encode())
    monkeypatch.setattr(wire, "RECONNECT_S", 0.0)
    link.cut()
    with pytest.raises(Unresolved) as refused:
        link.reopen("001.sql")
    assert "is another database than before" in str(refused.value.problems)
    assert f"127.0.0.1:{two}" in str(refused.value.problems)


def test_session_is_reopened_on_its_own_server_when_lost(twins: Twins) -> None:
    one, two = twins.ports
    link = links(twins, f"127.0.0.1:{one},127.0.0.1:{two}")
    link.recognise()
    link.cut()
    link.reopen("001.sql")
    assert link.here.address.endswith(f"127.0.0.1:{one}/{twins.one.name}")
    link.connection.close()


def test_session_is_reopened_on_its_own_server_when_another_comes_first_in_the_host_list(
    twins: Twins,
) -> None:
    one, two = twins.ports
    with psycopg.connect(twins.one.server.admin, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {twins.one.role} NOLOGIN".encode())
        link = links(twins, f"127.0.0.1:{one},127.0.0.1:{two}")
        link.recognise()
        admin.execute(f"ALTER ROLE {twins.one.role} LOGIN".encode())
    link.cut()
    link.reopen("001.sql")
    assert link.here.address.endswith(f"127.0.0.1:{two}/{twins.one.name}")
    link.connection.close()


def test_run_succeeds_when_encoding_and_time_zone_are_set_in_the_environment(twins: Twins) -> None:
    port = twins.ports[0]
    twins.terminal.set(PGCLIENTENCODING="LATIN1", PGCONNECT_TIMEOUT="7")
    twins.target(twins.url(f"127.0.0.1:{port}", "?client_encoding=latin1"))
    twins.terminal("env", "set", "app", "PGTZ", "Asia/Tokyo", "--plain")
    zone = "CREATE TABLE zone AS SELECT current_setting('TimeZone') AS name, 'é' AS letter;\n"
    twins.terminal.file("app/migrations/002.sql", zone)
    twins.run()
    assert twins.one.query("SELECT name, letter FROM zone") == [("Asia/Tokyo", "é")]


def test_every_database_is_shown_at_its_address_when_a_target_has_several(twins: Twins) -> None:
    one, two = twins.ports
    twins.target(twins.url("127.0.0.1"))
    twins.terminal.set(PGPORT=one)
    twins.terminal("env", "set", "app", "WAREHOUSE_URL", twins.url(f"127.0.0.1:{two}"))
    twins.terminal.file("app/warehouse/001.sql", f"CREATE TABLE stored AS {PORT};\n")
    group = {"name": "warehouse", "kind": "migrations", "file_patterns": ["warehouse/*.sql"]}
    twins.terminal.config(MIGRATIONS, {**group, "database": "WAREHOUSE_URL"})
    for words in (("target", "test"), ("target", "show"), ("deploy", "plan", "app")):
        said = twins.terminal(*words).out
        assert f"127.0.0.1:{one}/" in said
        assert f"127.0.0.1:{two}/" in said
    twins.run()
    assert (twins.made("native"), twins.made("stored")) == ([one], [two])


@pytest.fixture
def standby() -> Iterator[tuple[str, str]]:
    """A primary and its replica; both have the tests' superuser."""
    with tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as text:
        place = Path(text)
        with postgres.started(postgres.binaries(), place) as primary:
            copy = place / "copy"
            with postgres.replica(primary, copy) as port:
                yield port_of(primary), port


def test_replica_is_refused_when_the_address_lists_it_before_its_primary(
    terminal: Terminal, standby: tuple[str, str]
) -> None:
    primary, replica = standby
    who = f"{postgres.SUPERUSER}:{quote(postgres.PASSWORD)}"
    both = f"postgresql://{who}@127.0.0.1:{replica},127.0.0.1:{primary}/postgres"
    terminal.file("app/migrations/001.sql", f"CREATE TABLE native AS {PORT};\n")
    terminal("project", "import", "app")
    terminal.config({**MIGRATIONS, "pre_deploy": [hook("before")]})
    terminal("target", "add", "app", "staging")
    terminal("env", "set", "app", "DATABASE_URL", both, "--target", "staging")

    refused = terminal("deploy", "run", "app", code=None)
    assert refused.code != 0
    assert "add target_session_attrs=read-write to DATABASE_URL" in refused.err

    terminal.set(PGTARGETSESSIONATTRS="read-write")
    terminal("deploy", "run", "app")
    tables = ("native", "before") if shutil.which("psql") else ("native",)
    for table in tables:
        with psycopg.connect(f"{both}?target_session_attrs=read-write") as connection:
            assert connection.execute(f"SELECT port FROM {table}").fetchone() == (int(primary),)
