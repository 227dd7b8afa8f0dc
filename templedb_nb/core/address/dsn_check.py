"""What is wrong with an address of a database, told where it is set: before anybody connects.

Others' forms are named with libpq's. Nothing of the value is repeated but names of parameters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping

from templedb_nb.core.address.dsn import ESCAPES, FORM, PREFIXES, AddressProblem, read
from templedb_nb.core.address.libpq import KEYWORDS
from templedb_nb.core.values.schema import nearest

DUCKDB = "duckdb:"
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_COMMANDS = re.compile(r"(?:export|set|setx|declare -x|ENV)\s+(?=\w+[\s=])|\$env:", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"[A-Z][A-Z0-9_]*\s*(?:=|:\s)|[A-Za-z_]\w*\s*(?:=|:\s)\s*[\"']?[a-z0-9+]+://"
)
_NAMED = re.compile(
    r"\[YOUR[-_ ]?PASSWORD\]|<(?:user(?:name)?|pass(?:word)?|pw|host(?:name)?|port|db|database"
    r"|dbname|your[\w -]*)>",
    re.IGNORECASE,
)
_EXPANDED = re.compile(r"\$\{\w+\}|\$\(\w+\)|\{\{.{0,200}?\}\}")
_AROUND = re.compile(
    r"(?:(?:export|set)\s+)?(?:\w++\s*+(?:=|:\s)\s*)?[\"'`]?(?:postgres|pgsql|jdbc:\w)[\w+]*+:"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):")
_OWN = re.compile(
    r"postgres(?:ql)?s?(?:\+[\w.-]+)?|pgsql|psql|pg|postgis|postgress|cockroach(?:db)?|crdb"
    r"|redshift|timescale(?:db)?|yugabyte(?:db)?|ysql|alloydb|django_?postgres\w*",
    re.IGNORECASE,
)
_OTHERS = frozenset(
    {"mysql", "mysql2", "mariadb", "sqlite", "sqlite3", "mongodb", "mongodb+srv", "mssql",
     "sqlserver", "oracle", "redis", "rediss", "libsql", "clickhouse", "snowflake", "bigquery"}
)  # fmt: skip


def fault(text: str) -> AddressProblem | None:
    """Return what is wrong with an address, or None if it leads to a database of a known kind."""
    value = text.strip()
    found = _around(value) or _kind(value)
    if found is None and value != text:
        ends = "a line break" if "\n" in text or "\r" in text else "a space"
        return AddressProblem(
            what=f"it begins or ends with {ends}", mend="give the address without it"
        )
    return found


def like_one(text: str) -> bool:
    """Return whether a value of any name may be meant as the address of a database.

    Others' forms count: only a group's database must be in libpq's.
    """
    value = text.strip()
    scheme = _SCHEME.match(value)
    if scheme and (scheme[1].lower() in {"jdbc", "r2dbc"} or _OWN.fullmatch(scheme[1])):
        return "://" in value or scheme[1].lower() != "pg"
    return _AROUND.match(value) is not None


def _around(value: str) -> AddressProblem | None:
    """Return what stands around an address, as it was copied from a shell or a file."""
    if not value:
        return AddressProblem(what="it is empty", mend=f"give the address: {FORM}")
    if re.match(r"psql\s", value):
        return AddressProblem(what="it is a command", mend="leave psql out: give only the address")
    if _COMMANDS.match(value) or _ASSIGNED.match(value):
        return AddressProblem(
            what="it begins with the name of a variable", mend="give only the value"
        )
    if value[0] in _QUOTES or (value[-1] in _QUOTES and value.startswith(PREFIXES)):
        return AddressProblem(what="it is in quotes", mend="give the address without them")
    if value[0] == "<" and value[-1] == ">":
        return AddressProblem(what="it is in brackets", mend="give the address without them")
    if "\n" in value or "\r" in value:
        return AddressProblem(
            what="it has several lines", mend="give only the address, on one line"
        )
    return None


def _kind(value: str) -> AddressProblem | None:
    if value.startswith(DUCKDB):
        rest = value.removeprefix(DUCKDB).lstrip("/")
        return None if rest else AddressProblem(what="it names no file", mend="duckdb:///PATH")
    if found := _NAMED.search(value):
        return AddressProblem(
            what=f"it contains the placeholder {found[0]}", mend="put the value in"
        )
    if _EXPANDED.search(value):
        what = "it contains a variable, which nothing expands"
        return AddressProblem(
            what=what, mend="put the value in, a $ or { of a password as %24 or %7B"
        )
    scheme = _SCHEME.match(value)
    if value.startswith(PREFIXES) or scheme is None or _pairs(value):
        return _own(value)
    return _foreign(scheme[1], value[scheme.end() :])


def _pairs(value: str) -> bool:
    """Return whether KEY=VALUE pairs begin the text; a value may hold a colon."""
    return re.match(r"[a-z_]+\s*=", value) is not None


def _foreign(scheme: str, rest: str) -> AddressProblem:
    """Return what another form of address is called, and libpq's form of it."""
    name = scheme.lower()
    if name in {"jdbc", "r2dbc"}:
        inner = _SCHEME.match(rest)
        if inner and not _OWN.fullmatch(inner[1]):
            return _stranger(inner[1])
        form = "postgresql://HOST:PORT/DATABASE?user=USER&password=PASSWORD"
        return _with_rest(f"it is an address for {name.upper()}", f"{form}, without {name}:", rest)
    if name == "pgsql" and not rest.startswith("//"):
        form = "host=HOST port=PORT dbname=DATABASE user=USER password=PASSWORD"
        return AddressProblem(what="it is an address for PHP's PDO", mend=f"{form}, or {FORM}")
    if _OWN.fullmatch(name) and rest.startswith("//"):
        what = f"libpq does not know the scheme {scheme}://"
        return _with_rest(what, "write postgresql://", f"postgresql:{rest}")
    if _OWN.fullmatch(name):
        return AddressProblem(what=f"two slashes are missing behind {scheme}:")
    return _stranger(scheme)


def _with_rest(what: str, mend: str, rest: str) -> AddressProblem:
    """Tell of what is wrong with the rest, too, as far as it can be read."""
    left = re.sub(r"^[A-Za-z][\w+.-]*://", "postgresql://", rest)
    also = _own(left) if left.startswith(PREFIXES) else None
    return AddressProblem(what=f"{what}; {also.what}" if also else what,
                 mend=f"{mend}; {also.mend}" if also else mend)  # fmt: skip


def _stranger(scheme: str) -> AddressProblem:
    name = scheme.lower()
    if name in {"http", "https"}:
        what = "it is the address of a website"
        return AddressProblem(what=what, mend=f"copy the database's connection string: {FORM}")
    if name.startswith("prisma"):
        what = "it is the address of Prisma's proxy, which cannot run migrations"
        return AddressProblem(what=what, mend=f"use the database's own address: {FORM}")
    if name in _OTHERS:
        what = f"{name} is not a database that can be deployed to"
        return AddressProblem(what=what, mend=f"{FORM}, or duckdb:///PATH")
    return AddressProblem(what="it begins with no known scheme", mend=f"{FORM}, or duckdb:///PATH")


def _own(value: str) -> AddressProblem | None:
    found = read(value)
    if isinstance(found, AddressProblem):
        return found
    url = value.startswith(PREFIXES)
    if fault := _unknown(found, value, url=url):
        return fault
    return next(_wrong(found), None)


def _unknown(given: Mapping[str, str], value: str, *, url: bool) -> AddressProblem | None:
    names = [key for key in given if key not in KEYWORDS]
    if not names:
        return None
    # Behind a password's parameter, an unknown name may be a piece of the password.
    doubtful = re.search(r"[?&\s]password\s*=" if url else r"password\s*=", value) is not None
    shown = [key if _sayable(key, doubtful=doubtful) else "…" for key in names]
    ways = [_instead(key, url=url) for key in names]
    told = [f"for {name}: {way}" for name, way in zip(shown, ways, strict=True)]
    many = "parameters" if len(names) > 1 else "the parameter"
    return AddressProblem(
        what=f"libpq does not know {many} {', '.join(shown)}", mend="; ".join(told)
    )


def _sayable(key: str, *, doubtful: bool) -> bool:
    name = _plain(key)
    known = name in KEYWORDS | _LEFT_OUT | _RENAMED.keys() | _SETTINGS.keys() | _ENCRYPTING
    return known or (not doubtful and re.fullmatch(r"[A-Za-z][\w.-]{0,40}", key) is not None)


def _plain(key: str) -> str:
    return key.lower().replace("-", "_")


_LEFT_OUT = frozenset(
    {"pgbouncer", "connection_limit", "pool_timeout", "pool_max_conns", "pool_min_conns",
     "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period",
     "pool_max_conn_lifetime_jitter", "pool_size", "poolsize", "pool", "max", "min",
     "max_connections", "min_connections", "max_overflow", "statement_cache_size",
     "statement_cache_capacity", "description_cache_capacity", "prepared_statement_cache_size",
     "prepared_statements", "preparethreshold", "preparedstatementcachequeries",
     "uselibpqcompat", "socket_timeout", "sockettimeout", "reference", "supa", "workaround",
     "default_query_exec_mode", "binary_parameters", "stringtype", "defaultrowfetchsize",
     "rewritebatchedinserts", "conn_max_age", "serverversion", "tcpkeepalive", "async_fallback",
     "idle_timeout", "max_lifetime", "loggerlevel", "prepare", "readonly", "autosave"}
)  # fmt: skip
_RENAMED = {
    "username": "user", "usr": "user", "pass": "password", "pwd": "password",
    "passwd": "password", "db": "dbname", "database": "dbname", "databasename": "dbname",
    "hostname": "host", "server": "host", "unix_socket": "host", "applicationname":
    "application_name", "app_name": "application_name", "encoding": "client_encoding",
    "charset": "client_encoding", "timeout": "connect_timeout", "connecttimeout":
    "connect_timeout", "logintimeout": "connect_timeout", "connection_timeout":
    "connect_timeout", "targetservertype": "target_session_attrs", "loadbalancehosts":
    "load_balance_hosts", "sslcertificate": "sslcert", "sslidentity": "sslcert", "ssl_ca":
    "sslrootcert", "sslca": "sslrootcert", "ssl_cert": "sslcert", "ssl_key": "sslkey",
}  # fmt: skip
_SETTINGS = {
    "schema": "search_path", "search_path": "search_path", "searchpath": "search_path",
    "currentschema": "search_path", "current_schema": "search_path",
    "statement_timeout": "statement_timeout", "lock_timeout": "lock_timeout",
    "command_timeout": "statement_timeout", "query_timeout": "statement_timeout",
    "idle_in_transaction_session_timeout": "idle_in_transaction_session_timeout",
    "timezone": "TimeZone", "role": "role", "default_transaction_isolation":
    "default_transaction_isolation",
}  # fmt: skip
_ENCRYPTING = frozenset({"ssl", "sslaccept", "ssl_mode", "tls", "sslfactory", "requiressl"})


def _instead(key: str, *, url: bool) -> str:
    """Return what to write in place of a parameter."""
    name = _plain(key)
    if name in KEYWORDS:
        return f"write {name}"
    if name in _LEFT_OUT:
        return "leave it out: it is for another driver"
    if name in _RENAMED:
        return f"write {_RENAMED[name]}=…"
    if name in _ENCRYPTING:
        return "write sslmode=require, or sslmode=verify-full"
    if name in {"endpoint", "project"}:
        return f"write options={name}%3D…" if url else f"write options='{name}=…'"
    if name in _SETTINGS:
        setting = f"-c%20{_SETTINGS[name]}%3D…" if url else f"'-c {_SETTINGS[name]}=…'"
        return f"write options={setting}"
    return nearest(name, sorted(KEYWORDS)).removeprefix("; ") or "leave it out"


_WORDS: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": (
        "any", "read-write", "read-only", "primary", "standby", "prefer-standby",
    ),
    "load_balance_hosts": ("disable", "random"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "sslnegotiation": ("postgres", "direct"),
}  # fmt: skip
_INSTEAD = {
    "no-verify": "require", "no_verify": "require", "true": "require", "1": "require",
    "required": "require", "preferred": "prefer", "verify_ca": "verify-ca", "disabled": "disable",
    "verify_full": "verify-full", "verify_identity": "verify-full", "false": "disable",
    "0": "disable", "no": "disable", "off": "disable", "on": "require", "yes": "require",
    "strict": "verify-full", "skip-verify": "require", "master": "primary",
    "slave": "standby", "secondary": "standby", "preferstandby": "prefer-standby",
    "prefersecondary": "prefer-standby", "preferslave": "prefer-standby",
}  # fmt: skip


def _wrong(given: Mapping[str, str]) -> Iterator[AddressProblem]:
    """Yield what is wrong with the values of parameters."""
    for key, words in _WORDS.items():
        value = given.get(key)
        if value and value not in words:
            named = value.lower() if value.lower() in words else _INSTEAD.get(value.lower(), "")
            shown = f"{key}={value}" if named else f"the value of its {key}"
            mend = f"write {key}={named}" if named in words else f"{key} is {', '.join(words)}"
            yield AddressProblem(what=f"libpq does not know {shown}", mend=mend)
    yield from _places(given)
    for key in ("connect_timeout", "keepalives", "keepalives_idle", "tcp_user_timeout"):
        if (value := given.get(key)) and not re.fullmatch(r"\s*[+-]?\d+\s*", value):
            yield AddressProblem(what=f"its {key} is not a whole number", mend=f"write {key}=10")


def _places(given: Mapping[str, str]) -> Iterator[AddressProblem]:
    ports = given.get("port", "").split(",")
    if not all(_port(each) for each in ports):
        mend = f"{FORM}; {ESCAPES}; an IPv6 address in brackets: [::1]"
        yield AddressProblem(what="its port is not a number from 1 to 65535", mend=mend)
    hosts, addresses = ((given.get(key) or "").split(",") for key in ("host", "hostaddr"))
    count = max(len(hosts), len(addresses))
    if len(ports) > 1 and len(ports) != count:
        mend = "give one port for all hosts, or one for each: host=a,b port=5432,5433"
        yield AddressProblem(what="the number of ports differs from the number of hosts", mend=mend)
    if given.get("host") and given.get("hostaddr") and len(hosts) != len(addresses):
        mend = "give one hostaddr for each host: host=a,b hostaddr=10.0.0.1,10.0.0.2"
        yield AddressProblem(
            what="the number of hostaddrs differs from the number of hosts", mend=mend
        )
    if any(each and not _numeric(each) for each in addresses):
        yield AddressProblem(
            what="its hostaddr is not an IP address", mend="name the host as host=HOST"
        )
    if any(_unlikely(each) for each in hosts):
        yield AddressProblem(what="its host is not a host name", mend=f"{FORM}; {ESCAPES}")
    if given.get("dbname", "").startswith("/") or "://" in given.get("dbname", ""):
        yield AddressProblem(what="its database begins with a slash", mend=FORM)


def _unlikely(host: str) -> bool:
    """Return whether no host has that name: a piece of a password may stand in its place."""
    if host.startswith(("/", "@")):
        return False
    return re.search(r"[@\s?#\\/\[\]=&]", host) is not None


def _port(text: str) -> bool:
    value = text.strip()
    return not value or (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535)  # noqa: PLR2004 - TCP's


def _numeric(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
