"""Addresses of databases are read as libpq reads them, and what is wrong is said where they are set."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from templedb_nb.core.address import dsn, libpq
from templedb_nb.core.address.dsn_check import fault, like_one
from templedb_nb.core.address.route import routed, url
from templedb_nb.model.route import ALONE, Surroundings
from tests.conftest import MIGRATIONS, Shop, Terminal

PIECES = (
    "postgresql://", "postgres://", "u", "p", "%40", "@", ":", "/", "//", "?", "&", "=", "host",
    "port", "dbname", "user", "service", "[::1]", "[", "]", ",", "5432", "%zz", " ", "'", "\\",
    "#", "options", "sslmode", "ssl", "true", "-", "é",
)  # fmt: skip

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy with other tests is not a fault of ours."""


def test_every_parameter_and_variable_of_libpq_is_known() -> None:
    known = {o.keyword.decode(): (o.envvar or b"").decode() for o in pq.Conninfo.get_defaults()}
    assert known.keys() <= libpq.KEYWORDS
    assert {k: v for k, v in known.items() if v} == {
        k: libpq.VARIABLES[k] for k in known if known[k]
    }


@given(st.booleans(), st.lists(st.sampled_from(PIECES), min_size=1, max_size=12))
@settings(CALM, max_examples=600)
def test_address_is_read_as_libpq_reads_it_when_its_parts_are_arbitrary(
    whole: bool,  # noqa: FBT001
    pieces: list[str],
) -> None:
    text = ("postgresql://" if whole else "") + "".join(pieces)
    found = dsn.read(text)
    if isinstance(found, dsn.AddressProblem) or found.keys() - libpq.KEYWORDS:
        return
    assert found == {k: str(v) for k, v in conninfo_to_dict(text).items()}


@CALM
@given(
    st.dictionaries(
        st.sampled_from(["host", "port", "user", "password", "dbname", "options", "sslmode"]),
        st.text("ab@/:%?#[] ='\\&é,+", min_size=1, max_size=8),
    )
)
def test_written_url_gives_its_parameters_back_when_libpq_parses_the_url(
    parameters: dict[str, str],
) -> None:
    parameters = {"user": "u", **parameters, "port": "5432"}
    parameters["host"] = "/a folder/of@sockets"
    assert conninfo_to_dict(url(parameters)) == parameters


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://a:1,b:2/db?target_session_attrs=read-write",
        "postgresql://u:p@a:1,b:2,c/db?load_balance_hosts=random",
        "postgresql://h/db?application_name=a@b",
        "postgresql://h/db?options=-c%20search_path%3Da@b",
        "postgresql://u:p%40ss@[::1]:5432/db",
        "postgresql://[fe80::1%25eth0],h/db",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql:///db",
        "postgresql://",
        "postgresql://u:p:w@h/db",
        "postgres://u@h:/db?ssl=true",
        "postgresql://h/db?sslmode=require&",
        "postgresql:///?service=shop",
        "service=shop",
        "host=/tmp dbname='my db' password='it\\'s = a b'",
        "host=a,b port=1,2 target_session_attrs=primary",
        "host = a port = 5432",
        "duckdb:///x.duckdb",
    ],
)  # fmt: skip
def test_address_is_accepted_when_libpq_accepts_it(address: str) -> None:
    assert fault(address) is None
    if not address.startswith("duckdb"):
        assert conninfo_to_dict(address) == dsn.read(address)


WRONG = {
    "": "empty",
    "'postgresql://h/db'": "quotes",
    "\u201cpostgresql://h/db\u201d": "quotes",
    "postgresql://h/db'": "quotes",
    "DATABASE_URL=postgresql://h/db": "the name of a variable",
    "DATABASE_URL: postgresql://h/db": "the name of a variable",
    "url=postgresql://h/db": "the name of a variable",
    "export DATABASE_URL=postgresql://h/db": "the name of a variable",
    "psql postgresql://h/db": "a command",
    "postgresql://h/db\n": "a line break",
    " postgresql://h/db": "a space",
    "postgresql://h/db\npostgresql://i/db": "several lines",
    "<postgresql://h/db>": "brackets",
    "postgresql://u:[YOUR-PASSWORD]@h/db": "[YOUR-PASSWORD]",
    "postgresql://u:${SECRET_PW}@h/db": "a variable",
    "postgresql://u:SECRET@h:SECRET/db": "port",
    "postgresql://h:99999/db": "port",
    "postgresql://a:1,b:0/db": "port",
    "postgresql://u@::1:5432/db": "port",
    "host=a port=SECRET": "port",
    "host=a,b port=1,2,3": "ports",
    "postgresql://u:SECRET@SECRET@h/db": "unescaped @ or /",
    "postgresql://u:1234/SECRET@h/db": "unescaped @ or /",
    "postgresql://u:SECRET/SECRET@h/db": "unescaped @ or /",
    "postgresql://u:SECRET#x@h/db": "unescaped",
    "postgresql://u:SECRET?x@h/db": "unescaped",
    "postgresql://u:SECRET%x@h/db": "%",
    "postgresql://u:SEC RET@h/db": "space",
    "postgresql://h?application_name=a@b": "write a / before the ?",
    "postgresql://[::1/db": "bracket",
    "postgresql://h//db": "slash",
    "postgresql://h/db?schema=public": "options=-c%20search_path%3D",
    "postgresql://h/db?search_path=a": "options=-c%20search_path%3D",
    "host=a schema=b": "options='-c search_path=",
    "postgresql://h/db?pgbouncer=true&connection_limit=1": "leave it out",
    "postgresql://h/db?pool_max_conns=10": "leave it out",
    "postgresql://h/db?sslmode=no-verify": "sslmode=require",
    "postgresql://h/db?sslmode=REQUIRE": "sslmode=require",
    "postgresql://h/db?sslmode=SECRET": "verify-full",
    "postgresql://h/db?sslmod=require": "did you mean sslmode?",
    "postgresql://h/db?frobnicate=1": "frobnicate",
    "postgresql://h/db?user=u&password=a&SECRET=b": "…",
    "postgresql://h/db?user=u&password=a&SECRET": "a parameter has no =",
    "jdbc:postgresql://h:5432/db?user=u&password=SECRET": "without jdbc:",
    "jdbc:postgresql://h/db?currentSchema=a": "search_path",
    "jdbc:mysql://h/db": "mysql",
    "postgresql+psycopg2://u:p@h/db": "postgresql+psycopg2://",
    "postgresql+asyncpg://h/db?ssl=require": "sslmode=require",
    "postgres+ssl://h/db": "postgres+ssl://",
    "pgsql:host=h;port=5432;dbname=x": "host=HOST port=PORT",
    "pgsql://u:p@h/db": "postgresql://",
    "cockroachdb://h/db": "postgresql://",
    "POSTGRESQL://h/db": "postgresql://",
    "postgresql:/h/db": "two slashes",
    "https://x.supabase.co": "website",
    "prisma+postgres://h/?api_key=SECRET": "Prisma",
    "mysql://u:SECRET@h/db": "mysql",
    "SECRET": "neither a URL nor KEY=VALUE",
    "host=a password='SECRET": "neither a URL nor KEY=VALUE",
    "duckdb:": "no file",
}


@pytest.mark.parametrize(("address", "told"), WRONG.items())
def test_address_problem_names_the_fix_and_hides_the_value_when_the_address_is_wrong(
    address: str, told: str
) -> None:
    found = fault(address)
    assert found is not None
    said = f"{found.what}; {found.mend}"
    assert told in said
    assert "SECRET" not in said.replace("SECRET_PW", "SECRET")


def test_database_address_is_refused_at_env_set_when_it_is_wrong(shop: Shop) -> None:
    for address in (each for each in WRONG if each.strip()):
        said = shop.terminal("env", "set", "app", "DATABASE_URL", "-t", "staging",
                             code=78, stdin=address + "\n")  # fmt: skip
        assert "DATABASE_URL is not a database address: " in said.err
        assert "nothing was stored" in said.err
        assert "hint: " in said.err
        assert "SECRET" not in said.all
    shop.run()
    assert len(shop.pg.applied()) == 2


def test_env_set_is_refused_when_standard_input_holds_no_value(shop: Shop) -> None:
    for text in ("", "\n", "  \n"):
        said = shop.terminal("env", "set", "app", "DATABASE_URL", stdin=text, code=64)
        assert "the value of DATABASE_URL on standard input is empty" in said.err


def test_env_set_does_not_repeat_the_value_when_it_is_joined_to_the_name(shop: Shop) -> None:
    said = shop.terminal("env", "set", "app", "DATABASE_URL=postgresql://u:pw-x@h/db", code=64)
    assert "env set DATABASE_URL VALUE" in said.err
    assert "pw-x" not in said.all


def test_env_set_only_warns_of_a_wrong_address_when_no_group_uses_it_as_its_database(
    shop: Shop,
) -> None:
    """A jdbc address may be just what a command needs."""
    address = "jdbc:postgresql://h/db?user=u&password=secret-pw"
    said = shop.terminal("env", "set", "app", "SPRING_URL", address)
    assert "if SPRING_URL is the address of a database: it is an address for JDBC" in said.all
    assert "secret-pw" not in said.all
    assert "is set" in said.all
    for name, value in (
        ("API", "https://api.example.com"),
        ("TEXT", "a b c d"),
        ("KEY", "abcd\nefgh\n"),
    ):
        assert "address" not in shop.terminal("env", "set", "app", name, value).all
    shop.config({**MIGRATIONS, "database": "SPRING_URL"})
    shop.terminal("env", "set", "app", "SPRING_URL", address, code=78)


def test_env_import_is_refused_when_a_file_of_variables_holds_a_wrong_address(shop: Shop) -> None:
    terminal = shop.terminal
    file = terminal.file(".env", "TOKEN=abcdefgh\nDATABASE_URL=postgresql://h:1x/db\n")
    said = terminal("env", "import", "app", str(file), code=78)
    assert "its port is not a number" in said.err
    assert "TOKEN" not in terminal("env", "list", "app").out


def test_reference_is_checked_as_an_address_when_it_can_be_resolved(shop: Shop) -> None:
    terminal = shop.terminal
    terminal.set(WRONG_URL="postgresql+asyncpg://u:secret-pw@h/db")
    said = terminal("env", "set", "app", "DATABASE_URL", "env:WRONG_URL", "-t", "staging", code=78)
    assert "write postgresql://" in said.err
    terminal.unset("WRONG_URL")
    terminal("env", "set", "app", "DATABASE_URL", "env:WRONG_URL", "-t", "staging")
    terminal.set(WRONG_URL="postgresql+asyncpg://u:secret-pw@h/db")
    for words in (("target", "test"), ("deploy", "run", "app")):
        told = terminal(*words, code=78)
        assert "write postgresql://" in told.err
        assert "secret-pw" not in told.all


def test_checked_in_variable_is_checked_as_an_address_when_the_config_is_validated(
    terminal: Terminal,
) -> None:
    terminal.set(PROD_URL="postgresql://h/db?schema=secret")
    terminal.files(
        **{
            "templedb.yaml": "groups:\n  - name: migrations\n    file_patterns: ['migrations/*.sql']\n"
            "targets:\n  production:\n    variables: {DATABASE_URL: 'env:PROD_URL'}\n",
            "migrations__001.sql": "SELECT 1;\n",
        }
    )
    terminal("project", "import", "app")
    said = terminal("deploy", "config", "app", "--validate", "--target", "production", code=None)
    assert said.code != 0
    assert "DATABASE_URL: is not a database address: libpq does not know the parameter schema" in said.all  # fmt: skip


def test_environment_fills_open_parts_after_the_service_when_an_address_leaves_them_out() -> None:
    around = Surroundings(
        values={"PGHOST": "env", "PGPORT": "1", "PGUSER": "e", "PGOPTIONS": "-c a=b"}
    )
    found = routed("DATABASE_URL", {"dbname": "d", "user": "u"}, around)
    assert found.address == "u@env:1/d"
    assert found.parameters["options"] == "-c a=b"
    assert routed("U", {"host": "a,b", "port": "1"}, ALONE).address == "a:1,b:1/"
    assert routed("U", {"host": "::1", "user": "u"}, ALONE).address == "u@[::1]:5432/u"
    assert routed("U", {"host": "h", "hostaddr": "10.0.0.1"}, ALONE).address == "10.0.0.1:5432/"


def test_service_file_is_read_as_libpq_reads_it_when_it_has_comments_and_repeated_keys() -> None:
    text = "[a]\nhost=1\n# host=2\n  port = 3\nhost=4\n[b]\nhost=5\n"
    assert libpq.service(text, "a") == {"host": "1", "port ": " 3"}
    assert libpq.service(text, "b") == {"host": "5"}
    assert libpq.service(text, "c") is None


def test_like_one_is_true_only_when_the_text_may_lead_to_postgresql() -> None:
    assert like_one("'postgres://h/db'")
    assert like_one("DATABASE_URL=postgres://h/db")
    assert not like_one("postgresql-is-my-password")
    assert not like_one("https://h")
    assert not like_one("host=a")
