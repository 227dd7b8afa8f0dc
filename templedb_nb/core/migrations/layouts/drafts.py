"""New migrations in another tool's manner: what its own command would write, behind all others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from templedb_nb.core.migrations.layouts import flyway, yoyo
from templedb_nb.core.migrations.layouts.numbers import Series, following
from templedb_nb.core.migrations.layouts.placing import Placed, joined, last, parent
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Layout

BY_THE_TOOL: Mapping[Layout, str] = {
    Layout.ATLAS: "atlas migrate new NAME, which keeps atlas.sum",
    Layout.GRAPHILE: "graphile-migrate commit, which keeps the chain of hashes",
    Layout.SQITCH: "sqitch add NAME, which keeps sqitch.plan",
    Layout.ALEMBIC: "alembic revision -m NAME, which writes Python",
}
_TIME, _DIESEL = "%Y%m%d%H%M%S", "%Y-%m-%d-%H%M%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """What a new migration is to be: `stem` is its name, `placed` are those before it, in order.

    `back` says that a way back is wanted, or that its neighbours have one.
    """

    folder: str
    stem: str
    body: str
    placed: Sequence[Placed]
    back: bool
    now: datetime

    @property
    def names(self) -> list[str]:
        """Return the names of the files before it."""
        names = [last(each.path) for each in self.placed if each.path.endswith(".sql")]
        return list(dict.fromkeys(names))

    def at(self, form: str) -> str:
        """Return the moment in UTC, in that form."""
        return self.now.astimezone(UTC).strftime(form)

    def file(self, name: str) -> str:
        """Return the path of a name in the folder."""
        return joined(self.folder, name)


Files = list[tuple[str, str]]


def drafted(layout: Layout, asked: DraftRequest) -> Files:
    """Return path and text of each file, the one that goes up first."""
    return _DRAFTS[layout](asked)


def knows(layout: Layout) -> bool:
    """Return whether `drafted` can write for *layout*."""
    return layout in _DRAFTS


def _down_header(path: str) -> str:
    return f"-- rolls back {last(path)}\n\n"


def _pairs(asked: DraftRequest, first: str) -> Files:
    """Return ``NUMBER_name.up.sql``, and its ``.down.sql`` where one is wanted."""
    series = Series(first=first, end=".up.sql", by_letters=False)
    up = asked.file(following(asked.names, asked.stem, asked.now, series))
    down = up.removesuffix(".up.sql") + ".down.sql"
    return [(up, asked.body), *([(down, _down_header(up))] if asked.back else [])]


def _single(asked: DraftRequest, text: str, *, by_letters: bool = False) -> Files:
    series = Series(first=asked.at(_TIME), by_letters=by_letters)
    return [(asked.file(following(asked.names, asked.stem, asked.now, series)), text)]


def _golang(asked: DraftRequest) -> Files:
    return _pairs(asked, "000001")


def _sqlx(asked: DraftRequest) -> Files:
    if asked.back or any(name.endswith(".up.sql") for name in asked.names):
        return _pairs(asked, asked.at(_TIME))
    return _single(asked, asked.body)


def _supabase(asked: DraftRequest) -> Files:
    return _single(asked, asked.body, by_letters=True)


def _dbmate(asked: DraftRequest) -> Files:
    text = f"-- migrate:up\n{asked.body}\n-- migrate:down\n\n"
    return _single(asked, text, by_letters=True)


def _goose(asked: DraftRequest) -> Files:
    body = asked.body
    if "$" in body:  # goose ends a statement at a line that ends with a semicolon
        body = f"-- +goose StatementBegin\n{body}-- +goose StatementEnd\n"
    text = f"-- +goose Up\n{body}\n-- +goose Down\n\n"
    return _single(asked, text)


def _tern(asked: DraftRequest) -> Files:
    text = f"{asked.body}\n---- create above / drop below ----\n\n"
    series = Series(first="001", by_letters=False)
    return [(asked.file(following(asked.names, asked.stem, asked.now, series)), text)]


def _liquibase(asked: DraftRequest) -> Files:
    """Return a file of its own with one changeset, by whom the last one is."""
    last_one = asked.placed[-1].reading if asked.placed else None
    author = last_one.part.partition("::")[2] if last_one else ""
    head = f"--liquibase formatted sql\n\n--changeset {author or 'templedb'}:{asked.stem}\n"
    return _single(asked, f"{head}{asked.body}\n--rollback not required\n", by_letters=True)


def _flyway(asked: DraftRequest) -> Files:
    versions = [
        found["version"] for name in asked.names if (found := flyway.NAME.fullmatch(name))
        and found["version"]
    ]  # fmt: skip
    newest = max(versions, key=flyway.version, default="0")
    number = re.split(r"\D", newest)[-1]
    head = newest.removesuffix(number)
    timed = len(number) == len(asked.at(_TIME))
    wanted = max(int(number) + 1, int(asked.at(_TIME)) if timed else 0)
    version = f"{head}{str(wanted).zfill(len(number))}"
    up = asked.file(f"V{version}__{asked.stem}.sql")
    down = asked.file(f"U{version}__{asked.stem}.sql")
    return [(up, asked.body), *([(down, _down_header(up))] if asked.back else [])]


def _refinery(asked: DraftRequest) -> Files:
    number = max((int(each.key) for each in asked.placed), default=0) + 1
    stem = re.sub(r"\W", "_", asked.stem)
    return [(asked.file(f"V{number}__{stem}.sql"), asked.body)]


def _postgrator(asked: DraftRequest) -> Files:
    wide = max((len(name.split(".")[0]) for name in asked.names), default=3)
    number = str(max((int(each.key) for each in asked.placed), default=0) + 1).zfill(wide)
    up = asked.file(f"{number}.do.{asked.stem}.sql")
    down = asked.file(f"{number}.undo.{asked.stem}.sql")
    return [(up, asked.body), *([(down, _down_header(up))] if asked.back else [])]


def _prisma(asked: DraftRequest) -> Files:
    folder = asked.file(f"{asked.at(_TIME)}_{asked.stem}")
    up = f"{folder}/migration.sql"
    return [(up, asked.body), *([(f"{folder}/down.sql", _down_header(up))] if asked.back else [])]


def _diesel(asked: DraftRequest) -> Files:
    """Return both files: diesel refuses to roll back what has none."""
    folder = asked.file(f"{asked.at(_DIESEL)}_{asked.stem}")
    return [(f"{folder}/up.sql", asked.body), (f"{folder}/down.sql", _down_header(asked.stem))]


def _yoyo(asked: DraftRequest) -> Files:
    up = asked.file(following(asked.names, asked.stem, asked.now, Series(first="0001")))
    wants = yoyo.stem(asked.placed[-1].path) if asked.placed else ""
    back = f"{up.removesuffix('.sql')}.rollback.sql"
    text = f"-- depends: {wants}".rstrip() + f"\n\n{asked.body}"
    return [(up, text), *([(back, _down_header(up))] if asked.back else [])]


_DRAFTS: Mapping[Layout, Callable[[DraftRequest], Files]] = {
    Layout.GOLANG_MIGRATE: _golang,
    Layout.DBMATE: _dbmate,
    Layout.GOOSE: _goose,
    Layout.TERN: _tern,
    Layout.LIQUIBASE: _liquibase,
    Layout.FLYWAY: _flyway,
    Layout.PRISMA: _prisma,
    Layout.SUPABASE: _supabase,
    Layout.SQLX: _sqlx,
    Layout.DIESEL: _diesel,
    Layout.POSTGRATOR: _postgrator,
    Layout.REFINERY: _refinery,
    Layout.YOYO: _yoyo,
}
_NESTED = frozenset({Layout.PRISMA, Layout.DIESEL})


def home(layout: Layout, path: str) -> str:
    """Return the folder that holds a migration, or the folder of its own."""
    return parent(parent(path)) if layout in _NESTED else parent(path)
