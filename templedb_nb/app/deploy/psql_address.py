"""How a command reaches the databases that migrations reach, by ``psql "$DATABASE_URL"``."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.core.address.libpq import reads
from templedb_nb.core.address.route import astray, local, spelled
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.route import Route, Surroundings
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Reached


@dataclass(frozen=True, slots=True, kw_only=True)
class PsqlAddress:
    """The open sessions of a run; one that was opened again may be on another of its hosts."""

    sessions: Mapping[DatabaseName, Reached]
    urls: Mapping[DatabaseName, Secret]
    masker: Masker

    def place(self, database: DatabaseName) -> Route:
        """Return the server of a database that is one of PostgreSQL."""
        server = self.sessions[database].server
        assert server is not None  # noqa: S101 - the planner gives psql no file of DuckDB
        return server.here

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return *environment* so that each database's address leads where its session is.

        An address stays as it is written, if that is so by itself. One that a group gives its
        commands in place of the target's is the group's own affair.
        """
        found = dict(environment)
        for name, session in self.sessions.items():
            value = self.urls[name].reveal()
            if session.server is not None and found.get(name) == value:
                found |= self._leading(Secret(name, value), session.server.here, found)
        return found

    def _leading(self, url: Secret, here: Route, found: Mapping[str, str]) -> dict[str, str]:
        from templedb_nb.targets.postgres.connection.route import parameters, route

        values = {key: value for key, value in found.items() if reads(key)}
        more = local(route(url, Surroundings(values=values)), here)
        around = Surroundings(values=values | more)
        text = url.reveal().strip()
        if astray(route(url, around), here):
            text = spelled(parameters(url), here, around)
            self.masker.add(url.name, text)
        return {**more, url.name: text}
