"""Look at a project's files and propose how it could be deployed, and say why.

Evidence decides. Where it does not, the doubt is told with the answers that there are, and nothing
is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from templedb_nb.core.migrations.evidence import changelogs, folder_words, one_database, series
from templedb_nb.core.migrations.evidence.builds import builds
from templedb_nb.core.migrations.evidence.candidates import SINGLE, Candidate, ProjectFiles
from templedb_nb.core.migrations.evidence.taking import TakenFolder, take
from templedb_nb.core.migrations.layouts import overlooked, plain, recognise
from templedb_nb.core.migrations.layouts.placing import joined, last, parent
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import UsageProblem
from templedb_nb.model.config import DeployConfig, Executor, Group, GroupKind
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Layout
from templedb_nb.model.listings import Reason
from templedb_nb.model.target import DATABASE_URL, DatabaseName

ORDER_FILE = "order.txt"
_FILE_WORDS = re.compile(r"(?i)migrat")
_GENERAL = frozenset(
    {"db", "sql", "src", "main", "resources", "migration", "migrations", "migrate", "database",
     "databases", "schema", "schemas", "services", "service", "apps", "app", "packages", "pkg",
     "internal", "lib", "libs", "server", "backend", "crates", "modules", "postgres", "postgresql",
     "pg", "cmd", "go", "java", "files", "store", "storage"}
)  # fmt: skip
_LISTED = 12
_SQL_ENDS = frozenset({"ddl", "dml", "pgsql", "plpgsql", "psql"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalAnswers:
    """What a person has said of the files: which folders, and what gives their order.

    Several `folders` are one group of one database, in this order; with `each`, one group and one
    database each. `build` says whether builds and tests of manifests are groups; None if it was
    not said: then they are offered, and none is.
    """

    folders: tuple[str, ...] = ()
    each: bool = False
    by_name: bool = False
    write_order: bool = False
    build: bool | None = None


NO_ANSWERS = ProposalAnswers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A config that fits the files, with its reasons; the config itself is a suggestion.

    While there are `doubts`, it is none; `answers` are the options of ``deploy init`` that settle
    them. `orders` are order files to write: path and text. `offers` are groups that nobody asked
    for, with what speaks for them.
    """

    config: DeployConfig
    reasons: tuple[Reason, ...]
    doubts: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    orders: tuple[tuple[str, str], ...] = ()
    offers: tuple[Reason, ...] = ()


def propose(
    paths: Sequence[str], texts: Mapping[str, str], answers: ProposalAnswers = NO_ANSWERS
) -> Proposal:
    """Return groups for what is among *paths*; *texts* has manifests, and how SQL files begin."""
    files = ProjectFiles(paths, texts)
    taken, reasons = _taken(files, answers)
    clusters = list(_clusters(files, taken, answers))
    groups = _groups(clusters, answers)
    if len(taken) > 1 and not answers.folders:
        reasons.append(_several(groups, taken))
    built, why = builds(paths, texts)
    named = {group.name for group in built}
    reasons += [each for each in why if answers.build or each.what not in named]
    groups += built if answers.build else []
    offers = [each for each in why if answers.build is None and each.what in named]
    groups = [replace(group, order=place) for place, group in enumerate(groups, start=1)]
    if "deploy.sh" in paths:
        reasons.append(_script(groups))
    lone = [own[0] for own in clusters if len(own) == 1 and own[0].order]
    orders = [_order_file(each) for each in lone if answers.write_order]
    doubts = [
        f"{each.folder}/: {doubt}"
        for each in taken
        for doubt in _open(each, answers, written=answers.write_order and each in lone)
    ]
    doubts += [doubt for own in clusters for doubt in one_database.lists(own)]
    if not answers.folders:
        doubts += [doubt for own in clusters for doubt in one_database.doubts(own)]
    return Proposal(
        config=DeployConfig(groups=tuple(groups)),
        reasons=tuple(reasons),
        doubts=tuple(doubts),
        answers=tuple(_answers(clusters, taken, answers)) if doubts else (),
        orders=tuple((path, text) for path, text in orders if path not in files.there),
        offers=tuple(offers),
    )


def unclaimed(paths: Sequence[str]) -> list[str]:
    """Return what was seen of SQL in a project for which nothing speaks, folder by folder."""
    seen = ProjectFiles(paths, {}).seen()
    told = [f"{folder}/: {count} SQL file{'s' * (count != 1)}" for folder, count in seen[:_LISTED]]
    told += [f"{each}: not read: SQL files end in .sql" for each in _odd_ends(paths)]
    more = len(seen) - _LISTED
    odd = [path for path in overlooked.by_letters(paths) if not path.endswith("letters only")]
    told += [f"{each}: rename it" for each in odd[:_LISTED]]
    return [*told, *([f"and {more} more folders with SQL files"] if more > 0 else [])]


def _odd_ends(paths: Sequence[str]) -> list[str]:
    """Return folders with files that say SQL by an ending that is not read."""
    found: dict[str, list[str]] = {}
    for path in paths:
        end = path.rpartition(".")[2].lower()
        if end in _SQL_ENDS and not folder_words.not_meant(path)[0]:
            found.setdefault(f"{parent(path)}/*.{end}", []).append(path)
    return [f"{where} ({len(own)})" for where, own in sorted(found.items())][:_LISTED]


def _taken(files: ProjectFiles, answers: ProposalAnswers) -> tuple[list[TakenFolder], list[Reason]]:
    found = _named(files, answers.folders) if answers.folders else files.candidates()
    if not found and (script := files.listing()):
        found = [script]
    single = None if answers.folders else _single(files, found)
    beside = {parent(each.folder) for each in found}
    if single and found:
        near = tuple(path for path in single.files if parent(path) in beside)
        far = [path for path in single.files if path not in near]
        found = [*found, replace(single, files=near, folder=parent(near[0]))] if near else found
    else:
        far, found = [], [*found, *([single] if single else [])]
    every = [take(each, files) for each in found]
    reasons = [Reason(what=f"{each}/", why=why) for each, why in sorted(files.left_out.items())]
    if not any(each.in_style is Layout.LIQUIBASE for each in every):
        sql = [path for own in files.by_home.values() for path in own]
        reasons += changelogs.reasons(files.look.beside, sql)
    taken: list[TakenFolder] = []
    for each in every:
        if dialect := each.foreign:
            style = f"its files are in the style of {dialect.tool} ({dialect.evidence})"
            why = f"{style}; it is not read that way here ({dialect.mend})"
            reasons.append(Reason(what=f"{each.folder}/", why=why))
        elif each.other and not answers.folders and each.other.count * 2 >= len(each.files):
            reasons.append(Reason(what=f"{each.folder}/", why=f"is left out: {each.other}"))
        elif each.arranged.paths or each.wrong:
            taken.append(each)
            reasons.append(Reason(what=each.patterns[0], why=each.why))
            reasons += each.reasons
    why = "is left out: it lies in none of the folders of migrations, and beside none"
    reasons += [Reason(what=path, why=why) for path in far]
    if not answers.folders:
        weaker = dict(_weaker(taken, files))
        taken = [each for each in taken if each.folder not in weaker]
        reasons = [each for each in reasons if each.what not in _first_patterns(weaker)]
        reasons += [Reason(what=f"{each}/", why=why) for each, (why, _) in weaker.items()]
    return taken, reasons


def _weaker(
    taken: Sequence[TakenFolder], files: ProjectFiles
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the folders for which their name alone speaks, beside one that is a tool's.

    Each with why it is left out, and its first pattern.
    """
    certain = [each for each in taken if not each.by_name and not each.wrong and each.in_style]
    ordered = [each.folder for each in taken if not each.by_name]
    for each in taken if certain else ():
        if any(folder.startswith(f"{each.folder}/") for folder in ordered):
            continue  # a script beside a folder of migrations belongs to those
        root = files.root(each.folder)
        strong = next((e for e in certain if files.root(e.folder) == root), None)
        if each.by_name and strong and (each.order or len(each.files) <= len(strong.files)):
            why = (
                f"is left out: only its name speaks for it, and {strong.folder} is in the style of"
                f" {strong.in_style} (--folder {each.folder} takes it)"
            )
            yield each.folder, (why, each.patterns[0])


def _first_patterns(weaker: Mapping[str, tuple[str, str]]) -> set[str]:
    return {pattern for _, pattern in weaker.values()}


def _named(files: ProjectFiles, folders: Sequence[str]) -> list[Candidate]:
    """Return the folders that a person named, whatever their names and files say."""
    found: list[Candidate] = []
    for said in folders:
        folder = said.strip("/").removeprefix("./") or "."
        below = "" if folder == "." else f"{folder}/"
        own = [each for each in files.paths if each.startswith(below) and each.endswith(".sql")]
        if not own:
            known = sorted({parent(path) for path in files.paths if path.endswith(".sql")})
            message = f"there is no SQL file in {said}{nearest(folder, known)}"
            raise UsageProblem(message, problems=known[:_LISTED])
        direct = [path for path in own if files.home(path) == folder or parent(path) == folder]
        found.append(
            Candidate(folder=folder, files=tuple(direct or own), evidence="named by --folder")
        )
    return found


def _clusters(
    files: ProjectFiles, taken: Sequence[TakenFolder], answers: ProposalAnswers
) -> Iterator[list[TakenFolder]]:
    """Yield the folders that are of one database.

    They are if they belong to one program, and if no version stands in two of them.
    """
    if answers.folders:
        yield from ([each] for each in taken) if answers.each else [list(taken)]
        return
    found: list[tuple[str, set[str], list[TakenFolder]]] = []
    for each in taken:
        root, own = files.root(each.folder), set(each.versions)
        near = next((c for c in found if c[0] == root and own.isdisjoint(c[1])), None)
        if near is None:
            found.append((root, own, [each]))
        else:
            near[1].update(own)
            near[2].append(each)
    yield from (cluster for _, _, cluster in found)


def _groups(clusters: Sequence[Sequence[TakenFolder]], answers: ProposalAnswers) -> list[Group]:
    """Return one group for all folders of one database."""
    if not any(clusters):
        return []
    names = _names([_common([each.folder for each in own]) for own in clusters])
    return [
        _group(name, database, own, answers)
        for own, (name, database) in zip(clusters, names, strict=True)
    ]


def _group(
    name: str,
    database: DatabaseName,
    taken: Sequence[TakenFolder],
    answers: ProposalAnswers,
) -> Group:
    listed = answers.write_order and len(taken) == 1 and taken[0].order
    patterns = [pattern for each in taken for pattern in each.patterns]
    return Group(
        name=name,
        order=1,
        kind=GroupKind.MIGRATIONS,
        file_patterns=tuple(dict.fromkeys(patterns)),
        required_env_vars=(database,),
        database=database,
        executor=Executor.AUTO if any(each.psql for each in taken) else Executor.NATIVE,
        order_file=joined(taken[0].folder, ORDER_FILE)
        if listed
        else one_database.order_file(taken),
        layout=taken[0].layout if len({each.layout for each in taken}) == 1 else Layout.AUTO,
    )


def _common(folders: Sequence[str]) -> str:
    """Return the folder that holds all of them."""
    if len(folders) == 1:
        return folders[0]
    parts = [folder.split("/") for folder in folders]
    shared = takewhile(lambda own: len(set(own)) == 1, zip(*parts, strict=False))
    return "/".join(own[0] for own in shared) or folders[0]


def _names(folders: Sequence[str]) -> list[tuple[str, DatabaseName]]:
    """Return a name and a database for each folder, by what their paths do not share."""
    if len(folders) == 1:
        return [("migrations", DATABASE_URL)]
    own = [
        [word for part in each.split("/") for word in folder_words.words(part)] for each in folders
    ]
    shared = set[str](own[0]).intersection(*own)
    named: dict[str, DatabaseName] = {}
    for every in own:
        telling = [word for word in every if word not in shared and word not in _GENERAL]
        name = next((each for each in reversed(telling) if each not in named), "_".join(every))
        while name in named or not name:
            name = f"{name}_2" if name else "root"
        named[name] = DatabaseName(f"{name.upper()}_{DATABASE_URL}")
    return list(named.items())


def _several(groups: Sequence[Group], taken: Sequence[TakenFolder]) -> Reason:
    folders = " ".join(f"--folder {each.folder}" for each in taken)
    if len(groups) == 1:
        series = {each.in_style for each in taken} == {Layout.FLYWAY}
        order = (
            "by version over all of them"
            if series
            else f"in this order; for another order, init --force {folders}, in yours"
        )
        each = f"init --force {folders} --each" if series else "add --each"
        why = (
            f"{len(taken)} folders are taken for one database, {order}; for a database each, {each}"
        )
    else:
        why = (
            f"{len(groups)} databases, each with its own variable: the folders are of different"
            f" programs, or have the same versions; for one database, init --force {folders}"
        )
    return Reason(what=", ".join(group.name for group in groups), why=why)


def _open(taken: TakenFolder, answers: ProposalAnswers, *, written: bool) -> Iterator[str]:
    """Yield what is still in doubt of a folder."""
    yield from taken.wrong
    if taken.wrong:  # no order settles that
        return
    if taken.other and not answers.folders:
        yield str(taken.other)
    if taken.changelog and not answers.folders:
        yield f"{taken.changelog} names its files: what else it changes, and when, is not read here"
    for each in () if written else taken.order:
        if not answers.by_name or "by letters" in each:  # the plan refuses such names
            yield each


def _answers(
    clusters: Sequence[Sequence[TakenFolder]],
    taken: Sequence[TakenFolder],
    answers: ProposalAnswers,
) -> Iterator[str]:
    unsure = [each for each in taken if each.order and not each.wrong]
    only = "".join(f" --folder {each}" for each in answers.folders)
    if unsure and not (answers.write_order and answers.folders):
        written = joined(unsure[0].folder, ORDER_FILE)
        only = only or (
            f" --folder {unsure[0].folder}" if len(taken) > 1 or unsure[0].changelog else ""
        )
        yield f"{only} --write-order, which writes {written}: check it before you deploy"
        if not any("by letters" in doubt for each in unsure for doubt in each.order):
            yield f"{only} --by-name, if the order of names is right"
    yield from one_database.answers(() if answers.folders else clusters, unsure)
    for each in taken:
        if each.other and not each.wrong and not answers.folders:
            yield f" --folder {each.folder}, if its server accepts that"
    certain = [each for each in taken if not each.order and not each.wrong and not each.other]
    certain.sort(key=lambda each: folder_words.of_environment(each.folder))
    for each in certain[:3]:
        yield f" --folder {each.folder}, to deploy that folder alone"
    if len(certain) > 1 and any(folder_words.of_environment(each.folder) for each in certain):
        yield " --folder FOLDER --folder FOLDER, to deploy several into one database"


def _order_file(taken: TakenFolder) -> tuple[str, str]:
    """Return path and text of an order file: by number, then by name."""
    head = "# the order in which these migrations run; check it\n"
    start = "" if taken.folder == "." else f"{taken.folder}/"
    lines = [f"{path.removeprefix(start)}\n" for path in taken.in_order]
    return joined(taken.folder, ORDER_FILE), head + "".join(lines)


def _single(files: ProjectFiles, found: Sequence[Candidate]) -> Candidate | None:
    """Return the SQL files outside of the folders whose own names say that they are migrations."""
    claimed = {path for each in found for path in each.files}
    own = [
        path
        for home in files.by_home
        for path in files.by_home[home]
        if path not in claimed
        and _FILE_WORDS.search(last(path))
        and not plain.is_down(path, files.there)
        and not recognise.by_name(path)
    ]
    if not own:
        return None
    own.sort(key=series.natural)
    return Candidate(folder=parent(own[0]), files=tuple(own), evidence=SINGLE, alone=True)


def _script(groups: Iterable[Group]) -> Reason:
    if any(groups):
        return Reason(what="deploy.sh", why="does not run, because there are groups")
    return Reason(
        what="deploy.sh", why="runs as the whole deployment, as long as there are no groups"
    )
