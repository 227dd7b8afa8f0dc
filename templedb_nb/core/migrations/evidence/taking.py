"""What of a folder is taken: patterns, what they leave out, and what nobody can tell from names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from templedb_nb.core.config import globs
from templedb_nb.core.migrations.evidence import (
    changelogs,
    drizzle,
    folder_words,
    grate,
    manifests,
    series,
)
from templedb_nb.core.migrations.evidence.candidates import (
    NAME,
    SINGLE,
    VERSION,
    Candidate,
    ProjectFiles,
    inside,
)
from templedb_nb.core.migrations.evidence.sql_dialects import OtherSql, other_sql
from templedb_nb.core.migrations.layouts import (
    flyway,
    golang_migrate,
    nested,
    plain,
    recognise,
    servers,
)
from templedb_nb.core.migrations.layouts.arrange import Arranged, arrange
from templedb_nb.core.migrations.layouts.placing import joined, last, parent
from templedb_nb.model.config import Group
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Severity, Topic
from templedb_nb.model.layout import Layout
from templedb_nb.model.listings import Reason

_PSQL = re.compile(
    r"^\\(?:ir?|include|include_relative|copy|set|unset|echo|if|gset|gexec|timing|pset)\b",
    re.MULTILINE,
)
_FIRST = frozenset(
    {"init", "initial", "base", "baseline", "setup", "bootstrap", "create", "install", "tables"}
)
_SHOWN = 3
_BY_NAMES = frozenset({Layout.GOLANG_MIGRATE, Layout.SQLX, Layout.SUPABASE})
"""Layouts whose files are read in the plain way, too: with numbers, in pairs."""
_NOT_A_TIME = 8
"""Numbers of fewer digits are counted from one, or from zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFolder:
    """A folder as a group would have it: patterns, migrations in their order, and what is open.

    `order` are doubts about the order; `wrong` is what forbids a run whatever the order is.
    """

    folder: str
    patterns: tuple[str, ...]
    arranged: Arranged
    why: str
    reasons: tuple[Reason, ...] = ()
    order: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    foreign: recognise.Dialect | None = None
    psql: bool = False
    layout: Layout = Layout.AUTO
    other: OtherSql | None = None
    changelog: str = ""
    """The changelog of Liquibase's that names some of its files, which are no changesets."""
    order_file: str = ""
    """A list of its files that is there already, and gives their order."""
    by_name: bool = False
    """Whether nothing but the name of the folder says that it holds migrations."""

    @property
    def files(self) -> tuple[str, ...]:
        """Return its migrations."""
        return self.arranged.paths

    @property
    def in_style(self) -> Layout | None:
        """Return the tool whose convention it follows, if it is one tool's."""
        found = {layout for _, layout in self.arranged.layouts}
        return next(iter(found)) if len(found) == 1 and Layout.PLAIN not in found else None

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the versions of its migrations, as far as their names have some."""
        found = (each.key if each.reading else _version(each.path) for each in self.arranged.files)
        return tuple(each.lstrip("0") for each in found if each)

    @property
    def bases(self) -> tuple[str, ...]:
        """Return the folders within which its migrations have an order."""
        return tuple(sorted({each.base for each in self.arranged.files}))

    def reaches_into(self, other: TakenFolder) -> bool:
        """Return whether numbers of the two lie between each other's."""
        return self.goes_past(other) and other.goes_past(self)

    def goes_past(self, other: TakenFolder) -> bool:
        """Return whether its last number comes after the first one of the other."""
        own = max(map(series.natural, self.versions), default=None)
        first = min(map(series.natural, other.versions), default=None)
        return own is not None and first is not None and first < own

    @property
    def dated(self) -> bool:
        """Return whether its versions begin with dates; a number beside a date says nothing."""
        found = [series.number(each.rpartition("/")[2]) for each in self.versions]
        return bool(found) and all(len(each) >= _DATE for each in found)

    @property
    def in_order(self) -> tuple[str, ...]:
        """Return the paths as an order file would list them: by number, then by name."""
        return tuple(sorted(dict.fromkeys(self.arranged.paths), key=series.natural))


_DATE = 8
"""So many digits a date has."""


def _version(path: str) -> str:
    """Return the number of a plain file, below the version that its folder is of."""
    own = last(parent(path))
    folder = own if VERSION.fullmatch(own) else ""
    return f"{folder}/{series.number(path)}".strip("/")


def take(candidate: Candidate, files: ProjectFiles) -> TakenFolder:
    """Return how a folder is taken."""
    patterns = _patterns(candidate, files)
    beside = files.look.beside
    out = dict(_for_others(candidate))
    for path in drizzle.left_out(candidate.folder, candidate.files, beside):
        out[path] = f"is left out: {drizzle.JOURNAL} does not list it, so Drizzle ignores it"
    layout = Layout.AUTO
    arranged = _arranged([*patterns, *(f"!{path}" for path in out)], files)
    if _one_key_twice(arranged):  # the tool itself refuses that: it is not the tool's folder
        layout = Layout.PLAIN
        arranged = _arranged([*patterns, *(f"!{path}" for path in out)], files, layout)
    doubts: list[str] = []
    for path, why in _besides(arranged):
        if why:
            out[path] = why
        else:
            doubts.append(f"{last(path)} has no number, and others have one")
    out |= inside([path for path in _plain(arranged) if path not in out], files.texts)
    if out:
        patterns = [*patterns, *_except(candidate.folder, out)]
        arranged = _arranged(patterns, files, layout)
    texts = files.texts
    order = [*doubts, *_order(arranged, doubts=bool(doubts))]
    order += filter(None, [drizzle.doubt(candidate.folder, arranged.paths, beside)])
    order += [*_refused(arranged, order), *_strange(arranged)]
    listed = manifests.manifest(candidate.folder, arranged.paths, beside)
    listed = listed if _all_plain(arranged) else None
    if listed and (doubt := listed.doubt(arranged.paths)):
        order.append(doubt)
    whole = listed if listed and order and _lists(listed, arranged) else None
    return TakenFolder(
        folder=candidate.folder,
        patterns=tuple(patterns),
        arranged=arranged,
        why=_why(candidate, arranged) + (f", in the order of {whole.path}" if whole else ""),
        order_file=whole.path if whole else "",
        reasons=(
            *_told(out),
            *grate.reasons(candidate.folder, files.beside_up),
            *_left_out(arranged),
            *_programs(arranged),
        ),
        order=() if whole else tuple(dict.fromkeys(order)),
        wrong=tuple(_wrong(arranged)),
        foreign=_foreign(candidate.files, files, arranged),
        layout=layout,
        other=other_sql(arranged.paths, texts),
        changelog=changelogs.naming(arranged.paths, beside) if _all_plain(arranged) else "",
        by_name=candidate.evidence in {NAME, SINGLE}
        and _all_plain(arranged)
        and not _numbered(candidate.files),
        psql=any(_PSQL.search(texts.get(path, "")) for path in arranged.paths),
    )


def _strange(arranged: Arranged) -> Iterator[str]:
    """Yield which numbered file is no ``.up.sql``, where most are: their tool would not run it."""
    own = _plain(arranged)
    pairs = [path for path in own if golang_migrate.NAME.fullmatch(last(path))]
    others = [path for path in own if path not in pairs and series.number(path)]
    if others and len(pairs) > len(others):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        yield f"{last(others[0])}{more} is no NUMBER_name.up.sql, and most others are"


def _lists(listed: manifests.OrderList, arranged: Arranged) -> bool:
    return listed.is_list and set(listed.files) == set(arranged.paths)


def _all_plain(arranged: Arranged) -> bool:
    return all(layout is Layout.PLAIN for _, layout in arranged.layouts)


def _patterns(candidate: Candidate, files: ProjectFiles) -> list[str]:
    """Return one pattern for the folder, or one for each below it, if others there are left out."""
    base = candidate.folder
    if candidate.alone:
        return list(candidate.files)
    others = [
        folder
        for folder in [*files.left_out, *files.beside_up, *files.by_home]
        if folder != base and (base == "." or folder.startswith(f"{base}/"))
    ]
    folders = {parent(path) for path in candidate.files}
    if folders == {base}:
        return [joined(base, "*.sql")]
    versions = sorted(folders, key=series.natural)
    if _of_versions(candidate, versions):
        return [joined(each, "*.sql") for each in versions]
    if not others:
        return [joined(base, "**/*.sql")]
    if all(nested.is_part(path) for path in candidate.files):
        return [joined(base, "*/*.sql")]
    if any(flyway.NAME.fullmatch(last(path)) for path in candidate.files):  # by version, over all
        return [joined(base, "**/*.sql"), *(f"!{each}/**/*.sql" for each in sorted(others))]
    below: dict[str, list[str]] = {}
    for path in candidate.files:
        if plain.is_down(path, files.there):  # it is found beside the one that it rolls back
            continue
        rest = path if base == "." else path.removeprefix(f"{base}/")
        first, slash, _ = rest.partition("/")
        below.setdefault(joined(base, first) if slash else base, []).append(path)
    return [
        joined(each, "*.sql" if {parent(path) for path in own} == {each} else "**/*.sql")
        for each, own in below.items()
    ]


def _of_versions(candidate: Candidate, folders: Sequence[str]) -> bool:
    """Return whether a folder has one below it for each version, also if a person named it."""
    if candidate.evidence.startswith("folders of versions"):
        return True
    below = all(
        parent(each) == candidate.folder and VERSION.fullmatch(last(each)) for each in folders
    )
    return below and not any(nested.is_part(path) for path in candidate.files)


def _except(folder: str, out: Mapping[str, str]) -> Iterator[str]:
    """Yield the patterns that take files away: one for all that are for the same server."""
    others = {path: servers.other_server(path) for path in out}
    for server in sorted(set(others.values()) - {""}):
        for end in ("sql", "*.sql"):
            pattern = joined(folder, f"**/*.{server}.{end}")
            if globs.match(pattern, list(out)):
                yield f"!{pattern}"
    yield from (f"!{path}" for path, server in others.items() if not server)


def _for_others(candidate: Candidate) -> Iterator[tuple[str, str]]:
    """Yield the files that are for another server, or that have a form for PostgreSQL beside."""
    special = {servers.stands_for(path): path for path in candidate.files}
    for path in candidate.files:
        if server := servers.other_server(path):
            yield path, f"is left out: it is for {server} by its name"
        elif grate.of_environment(path):
            yield path, "is left out: it is for one environment by its name"
        elif own := special.get(servers.general(path)):
            yield path, f"is left out: {last(own)} stands for it"


def _told(out: Mapping[str, str]) -> Iterator[Reason]:
    """Yield the reasons for files that are left out, those for other servers together."""
    others = [path for path in out if servers.other_server(path)]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        yield Reason(what=f"{others[0]}{more}", why=out[others[0]])
    yield from (Reason(what=path, why=why) for path, why in out.items() if path not in others)


def _plain(arranged: Arranged) -> list[str]:
    """Return the migrations that are in the order of their names alone."""
    return [each.path for each in arranged.files if each.reading is None]


def _besides(arranged: Arranged) -> Iterator[tuple[str, str]]:
    """Yield the files without a number beside those that have one, each with why it is left out.

    Without a reason, nobody can tell: it may have to run first, or be a migration like the others.
    """
    by_folder: dict[str, list[str]] = {}
    for path in _plain(arranged):
        by_folder.setdefault(parent(path), []).append(path)
    for folder, own in by_folder.items():
        numbers = [series.number(path) for path in own if series.number(path)]
        bare = [path for path in own if not series.number(path)]
        below = [each for each in by_folder if parent(each) == folder]
        if not numbers and below and all(VERSION.fullmatch(last(each)) for each in below):
            numbers = ["1", *(last(each) for each in below)]
        bare = bare if numbers else []
        lowest = min(numbers, key=series.natural, default="")
        late = lowest.isdigit() and len(lowest) < _NOT_A_TIME and int(lowest) > 1
        for path in bare:
            first = folder_words.has_word(last(path), _FIRST)
            sure = not first and not late and len(bare) <= len(numbers)
            yield path, folder_words.besides(path) if sure else ""


def _order(arranged: Arranged, *, doubts: bool) -> Iterator[str]:
    """Yield why names do not give the order, folder by folder, and of folders among themselves."""
    by_base: dict[str, list[str]] = {}
    for each in arranged.files:
        by_base.setdefault(each.base, []).append("" if each.reading else each.path)
    for own in by_base.values():
        paths = [path for path in own if path]
        yield from series.twice(paths) if doubts else series.doubts(paths)
    names = [last(base) for base in by_base]
    if len(names) > 1 and not all(VERSION.fullmatch(each) for each in names):
        shown = [*by_base][:_SHOWN]
        more = f" or {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"nothing says whether {' or '.join(shown)}{more} runs first"
    elif found := plain.disagreeing(list(by_base)):
        yield from (each.message for each in found)


def _refused(arranged: Arranged, told: Sequence[str]) -> Iterator[str]:
    """Yield what a plan says of the order, if nothing of the order is in doubt yet."""
    for each in () if any("by letters" in doubt for doubt in told) else arranged.findings:
        if each.topic is Topic.ORDER and each.severity is Severity.ERROR:
            yield each.message


def _wrong(arranged: Arranged) -> Iterator[str]:
    for each in arranged.findings:
        if each.severity is Severity.ERROR and each.topic is not Topic.ORDER:
            yield f"{each.where}: {each.message}{f' ({each.mend})' if each.mend else ''}"


def _left_out(arranged: Arranged) -> Iterator[Reason]:
    for each in arranged.findings:
        if each.severity is Severity.WARNING:
            yield Reason(what=each.where, why=each.message)


def _programs(arranged: Arranged) -> Iterator[Reason]:
    """Yield what only the tool itself can run: a plan stops there."""
    found = [each for each in arranged.files if each.reading and each.reading.opaque]
    if found and found[0].reading:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        why = f"{found[0].reading.opaque}: no plan runs SQL that comes after it, unless the group"
        yield Reason(what=f"{found[0].path}{more}", why=f"{why} says opaque: skip")


def _foreign(
    own: Sequence[str], files: ProjectFiles, arranged: Arranged
) -> recognise.Dialect | None:
    """Return whose files these are, if most of them are of a tool that is not read."""
    layouts = {p.path: p.reading.layout for p in arranged.files if p.reading}
    if any(_wrong(arranged)):  # it is that tool's, and contradicts itself
        own = [path for path in own if not recognise.is_read(path, files.texts)]
    found = [
        dialect
        for path in own
        if not plain.is_down(path, files.there)
        and (dialect := recognise.not_read(path, files.there, files.texts, layouts.get(path)))
    ]
    return found[0] if found and len(found) * 2 >= len(own) else None


def _numbered(paths: Sequence[str]) -> bool:
    """Return whether two files or more all have a number; one alone says nothing of an order."""
    return len(paths) > 1 and all(map(series.number, paths))


def _one_key_twice(arranged: Arranged) -> bool:
    """Return whether two files of a tool that is told by names alone have one version."""
    layouts = {layout for _, layout in arranged.layouts}
    keys = [each.key for each in arranged.files]
    return layouts <= _BY_NAMES and len(set(keys)) < len(keys)


def _arranged(
    patterns: Sequence[str], files: ProjectFiles, layout: Layout = Layout.AUTO
) -> Arranged:
    group = Group(name="found", order=1, file_patterns=tuple(patterns), layout=layout)
    return arrange(group, files.paths, files.look)


def _why(candidate: Candidate, arranged: Arranged) -> str:
    count = len({each for each in arranged.paths if each.endswith(".sql")})
    found = sorted({str(layout) for _, layout in arranged.layouts if layout is not Layout.PLAIN})
    manner = f", in the style of {' and '.join(found)}" if found else ""
    files = f"{count} SQL file{'s' * (count != 1)}"
    return f"{files} in a folder of migrations{manner} ({candidate.evidence})"
