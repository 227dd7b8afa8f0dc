"""A real PgBouncer between us and the server: refused where it shares sessions, told where not."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.conftest import HARD_PASSWORD, Database, Shop
from tests.postgres import as_user, free_port, unprivileged

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and not Path(PROGRAM).exists(), reason="PgBouncer is not on this machine"
)


@contextmanager
def pooler(pg: Database, mode: str, *ignored: str) -> Iterator[str]:
    """Run a PgBouncer in *mode*, and yield the database's address through it."""
    with tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        with _running(pg, Path(place), mode, ignored) as url:
            yield url


@contextmanager
def _running(pg: Database, folder: Path, mode: str, ignored: Sequence[str]) -> Iterator[str]:
    given = psycopg.conninfo.conninfo_to_dict(pg.server.admin)
    port, users, config = free_port(), folder / "users", folder / "pgbouncer.ini"
    secret = HARD_PASSWORD.replace('"', '""')
    users.write_text(f'"{pg.role}" "{secret}"\n')
    lines = [
        "[databases]",
        f"* = host=127.0.0.1 port={given['port']}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = plain",
        f"auth_file = {users}",
        f"pool_mode = {mode}",
        "default_pool_size = 5",
        "server_tls_sslmode = disable",
        *([f"ignore_startup_parameters = {', '.join(ignored)}"] if ignored else []),
    ]
    config.write_text("\n".join(lines) + "\n")
    user = unprivileged()
    if user:
        account = pwd.getpwnam(user)
        for each in (folder, users, config):
            os.chown(each, account.pw_uid, account.pw_gid)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, str(config)], stdout=log, stderr=log, cwd="/", **as_user(user)
        )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)
        yield pg.dsn.replace(f":{given['port']}/", f":{port}/")
    finally:
        process.terminate()
        process.wait(10)


def deployed_through(shop: Shop, url: str, code: int) -> str:
    shop.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging")
    return shop.run(code=code).text


def test_pooler_is_refused_when_it_takes_no_session_settings(shop: Shop) -> None:
    with pooler(shop.pg, "transaction") as url:
        said = deployed_through(shop, url, 69)
    assert "is a connection pooler that refuses session settings" in said
    assert "direct address" in said
    assert shop.pg.tables() == []


def test_pooler_is_refused_when_each_transaction_gets_a_different_session(shop: Shop) -> None:
    with pooler(shop.pg, "transaction", "options") as url:
        said = deployed_through(shop, url, 69)
        told = shop.terminal("target", "test", "app", "staging", code=None).text
    assert "a pooler gives each transaction a different session: use the direct address" in said
    assert "a pooler gives each transaction a different session" in told
    assert shop.pg.tables() == []
    assert "p@ss" not in said + told


def test_pooler_is_refused_when_it_silently_drops_settings(shop: Shop) -> None:
    with pooler(shop.pg, "session", "options") as url:
        said = deployed_through(shop, url, 69)
    assert "drops session settings (lock_timeout)" in said
    assert shop.pg.tables() == []
