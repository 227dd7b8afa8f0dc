"""What the names of folders and files say: tests, other servers, snapshots, migrations."""

from __future__ import annotations

import re
from functools import cache

from templedb_nb.core.migrations.layouts import nested
from templedb_nb.core.migrations.layouts.placing import last
from templedb_nb.core.migrations.layouts.servers import OTHERS, other_server

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+\d*")
_MIGRATIONS = frozenset({"migration", "migrations", "migrate", "migrates"})
_BESIDE = frozenset(
    {"db", "sql", "pg", "postgres", "postgresql", "psql", "pgsql", "schema", "schemas", "database",
     "data", "flyway", "files", "scripts", "up", "ups"}
)  # fmt: skip
_CHANGES = frozenset(
    {"change", "changes", "changeset", "changesets", "changelog", "changelogs", "update", "updates",
     "upgrade", "upgrades", "patch", "patches", "delta", "deltas", "evolution", "evolutions",
     "revision", "revisions", "increments", "alterations", "ddl", "liquibase"}
)  # fmt: skip
_TESTS = frozenset(
    {"test", "tests", "testing", "testdata", "fixture", "fixtures", "spec", "specs", "mock",
     "mocks", "e2e", "stub", "stubs"}
)  # fmt: skip
_OTHERS_CODE = frozenset({"node_modules", "vendor", "third_party", "site-packages", ".venv"})
_EXAMPLES = frozenset({"example", "examples", "sample", "samples", "demo", "demos", "tutorial"})
_OLD = frozenset(
    {"archive", "archived", "old", "legacy", "deprecated", "backup", "backups", "attic", "squashed"}
)
_NEVER = frozenset(
    {"seed", "seeds", "seeder", "seeders", "query", "queries", "dump", "dumps", "doc", "docs",
     "report", "reports", "benchmark", "benchmarks", "bench", "analysis", "exercise", "exercises",
     "snippets", "function", "functions", "procedure", "procedures", "views", "triggers"}
)  # fmt: skip
_AGAIN = frozenset(
    {"everytime", "everydeploy", "always", "runalways", "alwaysrun", "anytime", "idempotent",
     "repeatable", "repeatables", "onchange", "functions", "procedures", "sprocs", "views",
     "triggers"}
)  # fmt: skip
_PAIRS = frozenset(
    {("run", "always"), ("always", "run"), ("every", "time"), ("on", "change"), ("any", "time"),
     ("every", "deploy"), ("every", "run"), ("stored", "procedures"), ("post", "deployment"),
     ("pre", "deployment"), ("post", "deploy"), ("pre", "deploy")}
)  # fmt: skip
_ROUND = frozenset({"postdeployment", "predeployment", "postdeploy", "predeploy"})
_SNAPSHOTS = frozenset(
    {"schema", "structure", "latest", "dump", "snapshot", "full", "current", "complete"}
)
_DATA = frozenset({"seed", "seeds", "data", "fixture", "fixtures", "sample", "samples", "demo"})
_ENVIRONMENTS = frozenset(
    {"dev", "develop", "development", "local", "localhost", "prod", "production", "staging",
     "stage", "stg", "preprod", "uat", "qa", "sandbox", "nonprod", "demo", "ci"}
)  # fmt: skip
_AMBIGUOUS = frozenset({"oracle", "spanner", "derby"})
"""Words that mean a server only where they are a folder's whole name."""


@cache
def words(name: str) -> tuple[str, ...]:
    """Return the words of a name, small: ``pgMigrations`` has pg and migrations."""
    return tuple(_WORD.findall(_HUMP.sub("_", name).lower()))


def has_word(name: str, known: frozenset[str]) -> bool:
    """Return whether a name has one of some words."""
    return not known.isdisjoint(words(name))


def not_meant(path: str) -> tuple[str, str]:
    """Return the folder by which a file is none of what is deployed, and why; or nothing."""
    parts = path.split("/")[:-1]
    if nested.is_part(path) and parts and parts[-1][:1].isdigit():  # one migration's: no word of it
        parts = parts[:-1]
    for place, part in enumerate(parts, start=1):
        if why := _not_meant(part):
            return "/".join(parts[:place]), f"is left out: {part} {why}"
    return "", ""


@cache
def _not_meant(part: str) -> str:
    if part in _OTHERS_CODE:
        return "holds other people's code"
    if has_word(part, _TESTS):
        return "is for tests"
    others = OTHERS.intersection(words(part))
    meant = others and (part.lower() in OTHERS or not others <= _AMBIGUOUS)
    return "is another database" if meant else ""


def is_example(path: str) -> bool:
    """Return whether a file lies in a folder of examples."""
    return any(has_word(part, _EXAMPLES) for part in path.split("/")[:-1])


def of_other_times(folder: str) -> bool:
    """Return whether a folder's name says that what is in it runs again, or around the others."""
    own = words(last(folder))
    if len(own) == 1:
        return own[0] in _AGAIN | _ROUND
    return tuple(own[-2:]) in _PAIRS


def of_environment(folder: str) -> bool:
    """Return whether the last part of a path names an environment, such as ``prod``."""
    return has_word(last(folder), _ENVIRONMENTS)


def is_old(folder: str) -> bool:
    """Return whether a folder's name says that what is in it is no longer used."""
    return has_word(last(folder), _OLD)


def of_migrations(folder: str) -> str:
    """Return the part of a path that calls itself a folder of migrations; nothing if none does.

    The outermost whose name says nothing else counts, or else the innermost.
    """
    parts = folder.split("/")
    named = [n for n, part in enumerate(parts, start=1) if has_word(part, _MIGRATIONS)]
    if not named:
        return ""
    simple = [n for n in named if _BESIDE.union(_MIGRATIONS).issuperset(words(parts[n - 1]))]
    return "/".join(parts[: simple[0] if simple else named[-1]])


def of_changes(folder: str) -> bool:
    """Return whether the last part of a path calls itself a folder of changes."""
    return has_word(last(folder), _CHANGES)


def of_other_things(folder: str) -> bool:
    """Return whether a folder is for SQL that is not run once, in order."""
    return any(has_word(part, _NEVER) for part in folder.split("/"))


def besides(path: str) -> str:
    """Return what a file without a number is, beside files that have one."""
    if server := other_server(path):
        return f"is left out: it is for {server} by its name"
    name = last(path).removesuffix(".sql")
    if has_word(name, _SNAPSHOTS):
        return "is left out: a snapshot by its name, of what the numbered files make"
    if has_word(name, _DATA):
        return "is left out: its name says data"
    return "is left out: it has no number, and the others have one"
