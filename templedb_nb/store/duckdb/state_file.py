"""The state file: where it is, who may open it, and which schema it has.

DuckDB lets one process at a time have a file open, and 2.0 reads a file's header before it takes
its lock. Every session therefore holds a lock file of ours around open and close. The file is
attached to an empty instance of DuckDB for as long as a session lasts.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import StoreError, StoreTooNew, writing
from templedb_nb.store.duckdb.opening.instances import INSTANCES, SETTINGS
from templedb_nb.store.duckdb.opening.keeping import Keeper, OpenFile
from templedb_nb.store.duckdb.trouble import explained, refuse_unfit

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    import duckdb
    from filelock import BaseFileLock

FOLDER = ".templedb"
FILE = "state.duckdb"
WAIT_S = 60.0


class StateFile:
    """One DuckDB file and the folder of its journals, logs and work folders."""

    def __init__(self, path: Path) -> None:
        """Point at *path*; nothing is created before the first session."""
        self.path = path
        private = path.name == FILE and path.parent.name in {FOLDER, FOLDER.removeprefix(".")}
        self.folder = path.parent if private else path.with_name(f"{path.name}.d")
        self._local = threading.local()
        self._keeper = Keeper(self._close)
        self._ours: tuple[int, int] | None = None

    @property
    def _wait_s(self) -> float:
        """Return how long this thread waits for others."""
        return getattr(self._local, "wait_s", WAIT_S)

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Let this thread wait no longer than that for others, while the block goes on."""
        before, self._local.wait_s = self._wait_s, seconds
        try:
            yield
        finally:
            self._local.wait_s = before

    @contextmanager
    def session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, yield a connection in a transaction, commit and close.

        A session inside another of the same thread is the same session.
        """
        inherited = getattr(self._local, "connection", None)
        if inherited is not None:
            yield inherited
            return
        with self._turn(), self._opened() as connection:
            self._local.connection = connection
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            finally:
                self._local.connection = None

    def kept(self) -> AbstractContextManager[None]:
        """Keep the file open between sessions of the block that follow each other closely."""
        return self._keeper.kept()

    def rest(self) -> None:
        """Close the file, also within such a block."""
        self._keeper.rest()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the store's calls in the block one transaction: all is kept, or nothing."""
        with self.session():
            yield

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for questions alone: no writing, no other file, no extension."""
        import duckdb

        with self.session():
            pass
        with self._locked():
            try:
                connection = duckdb.connect(f"duckdb:{self.path}", read_only=True, config=SETTINGS)
            except duckdb.Error as error:
                raise explained(self.path, error) from error
            try:
                connection.execute("SET TimeZone = 'UTC'; SET search_path = 'history,main'")
                connection.execute("SET enable_external_access = false")
                # The setting above still lets a COPY overwrite the file that is open.
                connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
                connection.execute("SET lock_configuration = true")
                yield connection
            finally:
                connection.close()

    def backup(self, to: Path) -> int:
        """Copy the file, whole and at rest, to *to*; return its size in bytes."""
        with writing(to):
            there = to.exists()
        if there:
            raise StoreError(f"{to} is there already", hint="name a file that is not there")
        with self.session():
            pass
        with self._locked():
            connection = self._attached()
            try:
                connection.execute("CHECKPOINT")
            finally:
                self._detach(connection)
            with writing(to):
                self._copy(to)
        return to.stat().st_size

    def _copy(self, to: Path) -> None:
        part = to.with_name(f".{to.name}.part")
        try:
            shutil.copyfile(self.path, part)
            part.chmod(0o600)
            _flush(part)
            part.replace(to)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Keep other processes of ours away, if a lock can be had; the file is not opened."""
        with ExitStack() as held:
            if self.path.parent.is_dir():
                with suppress(StoreError):
                    held.enter_context(self._locked())
            yield

    def _prepare(self) -> None:
        try:
            for folder in {self.path.parent, self.folder}:
                if not folder.is_dir():
                    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            ignore = self.folder / ".gitignore"
            if self.folder.name == FOLDER and not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            message = f"cannot make the state folder {self.folder}: {error.strerror}"
            hint = "use another file: export TEMPLEDB_STATE=FILE"
            raise StoreError(message, hint=hint) from error

    def _busy(self) -> StoreError:
        message = f"the state file {self.path} was busy for {self._wait_s:.0f} s"
        return StoreError(message, hint="end the other templedb process, then try again")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other threads of this process."""
        if not self._keeper.turn.acquire(timeout=self._wait_s):
            raise self._busy()
        try:
            yield
        finally:
            self._keeper.turn.release()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock file; the file itself is not open."""
        self._keeper.rest()
        lock = self._lock()
        try:
            yield
        except OSError as error:
            raise explained(self.path, error) from error
        finally:
            lock.release()

    def _lock(self) -> BaseFileLock:
        from filelock import FileLock, Timeout

        path = f"{self.path}.lock"
        lock = FileLock(path, mode=0o600, poll_interval=0.01, thread_local=False)
        try:
            lock.acquire(timeout=self._wait_s)
        except Timeout as error:
            raise self._busy() from error
        except OSError as error:
            raise explained(self.path, error) from error
        return lock

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Go on with the file that is still open, or open it; leave it open, or close it."""
        opened = self._keeper.take() or self._open()
        try:
            yield opened.connection
        except BaseException as error:
            self._abandon(opened)  # whatever is open is rolled back
            self._explain(error)
            raise
        self._keeper.leave(opened)

    def _open(self) -> OpenFile:
        self._prepare()
        lock = self._lock()
        try:
            return OpenFile(connection=self._attached(), lock=lock)
        except BaseException as error:
            lock.release()
            self._explain(error)
            raise

    def _attached(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the file, with the schema of this version."""
        fresh = not refuse_unfit(self.path)
        connection = INSTANCES.borrow(self.path.with_name(f"{self.path.name}.tmp"))
        try:
            path = str(self.path).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS state (TYPE duckdb)")
            connection.execute("USE state")
            if fresh:
                self.path.chmod(0o600)
            self._bring_up_to_date(connection)
        except BaseException:
            INSTANCES.end(connection)
            raise
        return connection

    def _close(self, opened: OpenFile) -> None:
        try:
            self._detach(opened.connection)
        finally:
            opened.lock.release()

    def _detach(self, connection: duckdb.DuckDBPyConnection) -> None:
        import duckdb

        try:
            connection.execute("USE memory")
            connection.execute("DETACH state")
        except duckdb.Error:
            INSTANCES.end(connection)  # what was committed is on the disk
        else:
            INSTANCES.give_back(connection)

    def _abandon(self, opened: OpenFile) -> None:
        try:
            INSTANCES.end(opened.connection)
        finally:
            opened.lock.release()

    def _explain(self, error: BaseException) -> None:
        """Raise what people are told of an error of DuckDB or of the system, if it is one."""
        import duckdb

        if isinstance(error, duckdb.Error | OSError):
            raise explained(self.path, error) from error

    def _bring_up_to_date(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Bring the schema up to this version, or refuse a file that is not ours.

        Whose file it is, is looked up once in a process; its version each time, since another
        process of a newer version may have changed it.
        """
        there = self.path.stat()
        file = (there.st_dev, there.st_ino)
        if file == self._ours and _number(connection) == len(_scripts()):
            return
        _migrate(connection, self.path)
        self._ours = file


def discover(named: str | None, start: Path, fallback: Path) -> Path:
    """Return where the state is: as *named*, else in the nearest .templedb upwards, else there."""
    if named:
        return expanded(named).absolute()
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER / FILE
    return fallback / FILE


@cache
def _scripts() -> tuple[Traversable, ...]:
    """Return the files that make the schema, oldest first."""
    there = (resources.files("templedb_nb.store.duckdb") / "schema").iterdir()
    return tuple(sorted((e for e in there if e.name.endswith(".sql")), key=lambda each: each.name))


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    have, know = _version(connection, path), len(_scripts())
    if have > know:
        message = f"the state file {path} has schema {have}; this version reads {know}"
        raise StoreTooNew(message, hint="pip install --upgrade templedb-nb")
    if have == 0:  # a new file is whole, or empty as it was
        _run_scripts(connection, _scripts(), know)
        return
    for number, script in enumerate(_scripts()[have:], start=have + 1):
        _run_scripts(connection, (script,), number)


def _run_scripts(
    connection: duckdb.DuckDBPyConnection, scripts: Sequence[Traversable], number: int
) -> None:
    """Run *scripts* in one transaction, which ends with the schema of that *number*."""
    connection.execute("BEGIN")
    for script in scripts:
        connection.execute(script.read_text(encoding="utf-8"))
    connection.execute("CREATE OR REPLACE TABLE schema_version AS SELECT ? AS number", [number])
    connection.execute("COMMIT")


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the schema's number, 0 for a file without one; refuse somebody else's database."""
    there = {
        str(name)
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'state'"
            " UNION SELECT view_name FROM duckdb_views() WHERE database_name = 'state'"
            " AND NOT internal"
        ).fetchall()
    }
    if not there:
        return 0
    if not {"schema_version", "projects", "runs"} <= there:
        message = f"{path} is a DuckDB database, but not a state of templedb"
        hint = "use another file for the state: export TEMPLEDB_STATE=FILE"
        problems = [f"it has {', '.join(sorted(there)[:3])}; nothing was written to it"]
        raise StoreError(message, hint=hint, problems=problems)
    return _number(connection)


def _number(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT number FROM main.schema_version").fetchone()
    return int(row[0]) if row else 0


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
