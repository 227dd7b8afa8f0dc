"""How a session with a PostgreSQL database is opened, and which server it has reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from psycopg import Connection

from templedb_nb.core.address import dsn, libpq
from templedb_nb.core.address.dsn_check import fault
from templedb_nb.core.address.route import Service, arrived, routed, service_name
from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import ConfigError
from templedb_nb.model.route import Route, Surroundings
from templedb_nb.model.secret import Secret

Reached = Callable[[Route], None]
"""Called with the server that a session has reached, and the password that it used."""

SYSTEM_FOLDERS = ("/etc/postgresql-common",)
"""Where a distribution's psql looks for services; the libpq of psycopg's wheel does not."""


def route(url: Secret, around: Surroundings) -> Route:
    """Return where *url* leads, or raise `ConfigError` without a word of its value."""
    given = parameters(url)
    name = service_name(given, around)
    return routed(url.name, given, around, _service(name, around) if name else None)


def parameters(url: Secret) -> Mapping[str, str]:
    """Return what *url* says itself."""
    text = url.reveal().strip()
    found = fault(text) or dsn.read(text)
    if isinstance(found, dsn.AddressProblem):
        message = f"{url.name} is not a PostgreSQL database address: {found.what}"
        raise ConfigError(message, hint=found.mend)
    return found


def here(way: Route, connection: Connection[tuple[object, ...]]) -> Route:
    """Return the place that a session on *way* has reached, with the password that it took.

    libpq may have that from a password file.
    """
    info = connection.info
    host = info.host
    secrets = dict(way.secrets)
    if info.password:
        secrets["password"] = Secret(way.name, info.password)
    return arrived(
        replace(way, secrets=secrets),
        host=host,
        hostaddr="" if host.startswith(("/", "@")) else info.hostaddr,
        port=str(info.port),
        user=info.user,
        dbname=info.dbname,
    )


def _service(name: str, around: Surroundings) -> Service | None:
    """Return what the first file that knows the service says; None leaves it to libpq."""
    for file in _files(around.values):
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            continue
        if (says := libpq.service(text, name)) is not None:
            found = Service(name=name, file=str(file), says=says)
            return found if found.plain else None
    return None


def _files(values: Mapping[str, str]) -> Iterator[Path]:
    """Yield the service files in libpq's order: the user's own, then the system's."""
    named = values.get("PGSERVICEFILE")
    yield Path(named) if named else expanded("~/.pg_service.conf")
    folders = [values["PGSYSCONFDIR"]] if values.get("PGSYSCONFDIR") else SYSTEM_FOLDERS
    yield from (Path(folder) / "pg_service.conf" for folder in folders)
