"""Whether a server can give what a deployment needs, and what `target test` says of it."""

from __future__ import annotations

import time

from templedb_nb.core.address.route import told
from templedb_nb.errors import LedgerRefused
from templedb_nb.model.route import Route
from templedb_nb.model.target import DatabaseName, Probe, TargetName
from templedb_nb.targets.postgres.connection.connect import Connection, open_connection
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql

OLDEST = 130000


def unfit(connection: Connection, here: Route) -> tuple[str, ...]:
    """Return why no deployment may run over this connection; empty if one may."""
    reasons = []
    row = connection.execute(
        "SELECT pg_catalog.pg_is_in_recovery(),"
        " pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.pg_backend_pid(),"
        " pg_catalog.current_setting('lock_timeout')"
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    replica, read_only, backend, lock_timeout = row
    if connection.info.server_version < OLDEST:
        reasons.append(f"PostgreSQL {_version(connection)} is older than 13")
    if replica:
        reasons.append(_replica(here))
    elif read_only == "on":
        reasons.append("default_transaction_read_only is on for this role or database")
    if backend != connection.info.backend_pid and _shares_backends(connection, here):
        reasons.append(
            "a pooler gives each transaction a different session: use the direct address"
        )
    elif lock_timeout == "0" and "lock_timeout" not in here.parameters.get("options", ""):
        reasons.append(
            "a pooler drops session settings (lock_timeout): configure it to pass them on"
        )
    for kind, table, trigger in connection.execute(_TRIGGERS).fetchall():
        told = f"{kind} {trigger} on templedb.{table} may change the rows of the ledger"
        reasons.append(f'{told}: DROP {kind.upper()} "{trigger}" ON templedb.{table}')
    return tuple(reasons)


def _replica(here: Route) -> str:
    if here.one_of:
        return f"{here.address} is a replica: add target_session_attrs=read-write to {here.name}"
    return "it is a replica: use the address of the primary"


_TRIGGERS = """
SELECT 'trigger', c.relname, t.tgname FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'templedb' AND NOT t.tgisinternal AND t.tgenabled <> 'D'
UNION ALL
SELECT 'rule', tablename, rulename FROM pg_catalog.pg_rules WHERE schemaname = 'templedb'
"""
"""What a database's owner may have put on our tables, such as an audit: it could drop our rows."""


def fitness(
    connection: Connection, here: Route, target: TargetName, database: DatabaseName
) -> Probe:
    """Report what the server is and what the role may do; write nothing."""
    began = time.perf_counter_ns()
    connection.execute("SELECT 1")
    latency_us = (time.perf_counter_ns() - began) // 1000
    row = connection.execute(
        "SELECT session_user, rolsuper, pg_catalog.has_database_privilege(current_database(),"
        " 'CREATE'), pg_catalog.pg_backend_pid() FROM pg_catalog.pg_roles"
        " WHERE rolname = session_user"
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    role, superuser, may_create, backend = row
    findings = list(unfit(connection, here))
    if backend != connection.info.backend_pid and not findings:
        findings.append("there is a connection pooler; it seems to keep sessions separate")
    ledger = _ledger(connection)
    if ledger == "absent" and not may_create:
        findings.append(
            "the ledger does not exist and the role may not create it: target ledger-sql"
        )
    return Probe(
        target=target,
        database=database,
        address=here.address,
        server=f"PostgreSQL {_version(connection)}",
        role=role,
        latency_us=latency_us,
        ledger=ledger,
        may_create_ledger=may_create,
        superuser=superuser,
        findings=tuple(findings),
        notes=tuple(told(here)),
    )


def _shares_backends(connection: Connection, here: Route) -> bool:
    """Prove a pooler of transactions: two clients that are both here get one backend."""
    other = open_connection(here, "templedb:pooler test")
    try:
        for _ in range(5):
            pids = {
                each.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
                for each in (connection, other)
            }
            if len(pids) == 1:
                return True
    finally:
        other.close()
    return False


def _ledger(connection: Connection) -> str:
    try:
        return "present" if ledger_sql.present(connection) else "absent"
    except LedgerRefused:
        return "not readable"


def _version(connection: Connection) -> str:
    number = connection.info.server_version
    return f"{number // 10000}.{number % 10000}"
