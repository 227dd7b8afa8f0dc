"""Opening the databases that keep ledgers, by the scheme of their addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.core.address.route import variables
from templedb_nb.errors import ConfigError
from templedb_nb.health.sql import AskedDatabase
from templedb_nb.model.history import Answer
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.query import Question
from templedb_nb.model.route import Route, Surroundings
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.ports.scratch import Scratch
from templedb_nb.ports.target import LedgerReader, Session

Sessions = Mapping[DatabaseName, Session]


class Connections:
    """Opens sessions; one that cannot be opened closes those before it."""

    def __init__(self, state: Path, reached: Callable[[Route], None]) -> None:
        """Refuse the *state* file itself as a target; *reached* hears of every server."""
        self._state = state
        self._reached = reached

    @contextmanager
    def open(
        self,
        urls: Mapping[DatabaseName, Secret],
        target: TargetName,
        root: Path | None,
        name: str,
        around: Surroundings,
    ) -> Iterator[Sessions]:
        """Open every database of *urls*, under *name*, and close them all.

        What an address leaves open, the variables *around* decide, as libpq has it.
        """
        with ExitStack() as held:
            sessions: dict[DatabaseName, Session] = {}
            for database, url in sorted(urls.items()):
                session = self._session(url, target, database, root, name, around)
                held.callback(session.close)
                if session.server:
                    self._reached(session.server.here)
                sessions[database] = session
            yield sessions

    @contextmanager
    def scratch(
        self,
        url: Secret,
        here: Route | None,
        target: TargetName,
        root: Path | None,
        system: Environment,
    ) -> Iterator[Scratch]:
        """Make a copy of a database's schema where it is, and throw it away."""
        if here is None:
            from templedb_nb.targets.duckdb.file import path_of
            from templedb_nb.targets.duckdb.scratch_database import copied as copied_file

            with copied_file(path_of(url.reveal().strip(), root)) as file:
                yield file
        else:
            from templedb_nb.targets.postgres.scratch_database import copied

            inherited = {k: v for k, v in system.environ.items() if not k.startswith("PG")}
            number = system.new_id().replace("-", "")[-12:]

            def client(where: Route) -> Mapping[str, str]:
                return {**inherited, **variables(where), "PGPASSWORD": where.password}

            named = system.environ.get("TEMPLEDB_PG_DUMP")
            with copied(here, target, client, named, number) as copy:
                yield copy

    def answer(
        self,
        url: Secret,
        target: TargetName,
        database: DatabaseName,
        root: Path | None,
        name: str,
        asked: Question,
        around: Surroundings,
    ) -> Answer:
        """Return what a database answers; it is only read, and no lock is taken."""
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets.duckdb.query import answer as answer_of_file

            return answer_of_file(self._file(text, database, root), target, asked)
        from templedb_nb.targets.postgres.connection.route import route
        from templedb_nb.targets.postgres.query import answer

        return answer(route(url, around), target, name, asked, self._reached)

    def health_query(
        self,
        url: Secret,
        database: DatabaseName,
        root: Path | None,
        around: Surroundings,
    ) -> AskedDatabase:
        """Return how a health check asks a database, in a process of its own."""
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets.duckdb import health_query as of_file

            file = self._file(text, database, root)
            return AskedDatabase(program=of_file.__name__, about={"file": str(file)})
        from templedb_nb.targets.postgres import health_query
        from templedb_nb.targets.postgres.connection.route import route

        found = route(url, around)
        self._reached(found)
        return AskedDatabase(
            program=health_query.__name__,
            about=health_query.about(found),
            reach=health_query.reach(found),
        )

    def _session(
        self,
        url: Secret,
        target: TargetName,
        database: DatabaseName,
        root: Path | None,
        name: str,
        around: Surroundings,
    ) -> Session:
        text = url.reveal().strip()
        if text.startswith("duckdb:"):
            from templedb_nb.targets.duckdb.session import DuckdbSession

            return DuckdbSession(self._file(text, database, root), target, database)
        from templedb_nb.targets.postgres.connection.route import route
        from templedb_nb.targets.postgres.session import PostgresSession

        return PostgresSession(route(url, around), target, database, name)

    def _file(self, text: str, database: DatabaseName, root: Path | None) -> Path:
        from templedb_nb.targets.duckdb.file import path_of

        path = path_of(text, root)
        if path.exists() and self._state.exists() and path.samefile(self._state):
            raise ConfigError(f"{database} is templedb's own state file, which is not a target")
        return path


def read_all(
    sessions: Mapping[DatabaseName, LedgerReader], project: str
) -> dict[DatabaseName, Ledger]:
    """Return what each database says of *project* now."""
    return {name: session.ledger(project) for name, session in sessions.items()}


def names(urls: Iterable[DatabaseName]) -> tuple[DatabaseName, ...]:
    """Return the databases in the order in which their locks are taken."""
    return tuple(sorted(urls))
