"""Opening the databases that keep ledgers, by the scheme of their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from templedb_nb.app.system import System
from templedb_nb.errors import ConfigError
from templedb_nb.model.history import Answer
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.question import Question
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.ports import Scratch, Session

Sessions = Mapping[DatabaseName, Session]


class Ledgers:
    """Opens sessions; one that cannot be opened closes those before it."""

    def __init__(self, state: Path) -> None:
        """Refuse the *state* file itself as a target."""
        self._state = state

    @contextmanager
    def open(
        self,
        urls: Mapping[DatabaseName, Secret],
        target: TargetName,
        root: Path | None,
        name: str,
    ) -> Iterator[Sessions]:
        """Open every database of *urls*, under *name*, and close them all."""
        with ExitStack() as held:
            sessions: dict[DatabaseName, Session] = {}
            for database, url in sorted(urls.items()):
                session = self._session(url, target, database, root, name)
                held.callback(session.close)
                sessions[database] = session
            yield sessions

    @contextmanager
    def scratch(
        self, url: Secret, target: TargetName, root: Path | None, system: System
    ) -> Iterator[Scratch]:
        """Make a copy of a database's schema, and throw it away."""
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets import duckdb_scratch
            from templedb_nb.targets.duckdb import path_of

            with duckdb_scratch.copied(path_of(text, root)) as file:
                yield file
        else:
            from templedb_nb.shell.psql import password, variables
            from templedb_nb.targets import postgres_scratch

            inherited = {k: v for k, v in system.environ.items() if not k.startswith("PG")}
            number = system.new_id().replace("-", "")[-12:]

            def client(where: Secret) -> Mapping[str, str]:
                return {**inherited, **variables(where), "PGPASSWORD": password(where)}

            with postgres_scratch.copied(url, target, client, number) as copy:
                yield copy

    def answer(
        self,
        url: Secret,
        target: TargetName,
        database: DatabaseName,
        root: Path | None,
        name: str,
        asked: Question,
    ) -> Answer:
        """Return what a database answers; it is only read, and no lock is taken."""
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets import duckdb_query

            return duckdb_query.answer(self._file(text, database, root), target, asked)
        if _is_postgres(text):
            from templedb_nb.targets import postgres_query

            return postgres_query.answer(url, target, name, asked)
        raise _unknown(target, database)

    def _session(
        self,
        url: Secret,
        target: TargetName,
        database: DatabaseName,
        root: Path | None,
        name: str,
    ) -> Session:
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets.duckdb import DuckdbSession

            return DuckdbSession(self._file(text, database, root), target, database)
        if _is_postgres(text):
            from templedb_nb.targets.postgres import PostgresSession

            return PostgresSession(url, target, database, name)
        raise _unknown(target, database)

    def _file(self, text: str, database: DatabaseName, root: Path | None) -> Path:
        from templedb_nb.targets.duckdb import path_of

        path = path_of(text, root)
        if path.exists() and self._state.exists() and path.samefile(self._state):
            raise ConfigError(f"{database} is templedb's own state file, which is no target")
        return path


def _is_postgres(text: str) -> bool:
    return text.startswith(("postgresql://", "postgres://")) or ("=" in text and "://" not in text)


def _unknown(target: TargetName, database: DatabaseName) -> ConfigError:
    hint = "postgresql://USER:PASSWORD@HOST/DATABASE, or duckdb:///PATH for a DuckDB file"
    return ConfigError(f"{database} of {target} is no address of a known database", hint=hint)


def read_all(sessions: Sessions, project: str) -> dict[DatabaseName, Ledger]:
    """Return what each database says of *project* now."""
    return {name: session.ledger(project) for name, session in sessions.items()}


def names(urls: Iterable[DatabaseName]) -> tuple[DatabaseName, ...]:
    """Return the databases in the order in which their locks are taken."""
    return tuple(sorted(urls))
