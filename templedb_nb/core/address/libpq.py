"""What libpq, and so psql and psycopg, reads beside a database's address: variables and services.

Its rule: what the address says holds; then what its service says; then the environment; then what
the library was built with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "service": "PGSERVICE", "user": "PGUSER", "password": "PGPASSWORD",
        "passfile": "PGPASSFILE", "channel_binding": "PGCHANNELBINDING",
        "connect_timeout": "PGCONNECT_TIMEOUT", "dbname": "PGDATABASE", "host": "PGHOST",
        "hostaddr": "PGHOSTADDR", "port": "PGPORT", "client_encoding": "PGCLIENTENCODING",
        "options": "PGOPTIONS", "application_name": "PGAPPNAME", "sslmode": "PGSSLMODE",
        "sslnegotiation": "PGSSLNEGOTIATION", "sslcompression": "PGSSLCOMPRESSION",
        "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcertmode": "PGSSLCERTMODE",
        "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL", "sslcrldir": "PGSSLCRLDIR",
        "sslsni": "PGSSLSNI", "requirepeer": "PGREQUIREPEER", "require_auth": "PGREQUIREAUTH",
        "min_protocol_version": "PGMINPROTOCOLVERSION",
        "max_protocol_version": "PGMAXPROTOCOLVERSION",
        "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
        "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "gssencmode": "PGGSSENCMODE",
        "krbsrvname": "PGKRBSRVNAME", "gsslib": "PGGSSLIB", "gssdelegation": "PGGSSDELEGATION",
        "target_session_attrs": "PGTARGETSESSIONATTRS",
        "load_balance_hosts": "PGLOADBALANCEHOSTS",
    }
)  # fmt: skip
"""The variable that stands in for each parameter that an address leaves out."""

KEYWORDS = frozenset(VARIABLES) | {
    "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval",
    "keepalives_count", "tcp_user_timeout", "sslpassword", "replication", "scram_client_key",
    "scram_server_key", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
    "sslkeylogfile",
}  # fmt: skip
"""Every parameter of an address."""

SECRET = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key"})
SESSION: Mapping[str, str] = MappingProxyType(
    {"PGTZ": "TimeZone", "PGDATESTYLE": "DateStyle", "PGGEQO": "geqo"}
)
"""Variables that set what a session begins with, and stand for no parameter."""
_BESIDE = frozenset({"PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL"})
READ = frozenset(VARIABLES.values()) | SESSION.keys() | _BESIDE
"""Every variable that decides which server a program of PostgreSQL reaches, and how."""

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "host": "the host", "hostaddr": "the host's address", "port": "the port",
        "dbname": "the database", "user": "the role", "password": "the password",
        "target_session_attrs": "which of several hosts may be", "options": "session settings",
        "load_balance_hosts": "the order of several hosts", "sslmode": "the encryption",
    }
)  # fmt: skip
"""The parameters of which a reader must know who decided them."""


def reads(name: str) -> bool:
    """Return whether libpq reads a variable of that name."""
    return name in READ


def passwords(names: Iterable[str]) -> list[str]:
    """Return those of *names* that are variables with a password."""
    secret = {VARIABLES[key] for key in SECRET & VARIABLES.keys()}
    return [name for name in names if name in secret]


def service(text: str, name: str) -> dict[str, str] | None:
    """Return what a service file says of *name*; None where it does not know it.

    The first word on a parameter holds. A line that libpq would not take is a key of its own.
    """
    found: dict[str, str] | None = None
    for line in (each.strip() for each in text.splitlines()):
        if line.startswith("["):
            if found is not None:
                break
            found = {} if line.startswith(f"[{name}]") else None
        elif found is not None and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, value)
    return found
