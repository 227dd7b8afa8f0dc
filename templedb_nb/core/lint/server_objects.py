"""What migrations create or need by name: what a server lacks, or has already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from templedb_nb.core.lint import relations as relations_of
from templedb_nb.core.lint.column_types import ColumnTypes, table_of, types_of
from templedb_nb.core.lint.schemas import Schemas, schemas_of
from templedb_nb.core.migrations.histories.noticed import owner_of
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.server_wide import ServerWide

_ROLES = frozenset({"ROLE", "USER", "GROUP"})
_MAY_DROP = frozenset({"DO", "CALL"})
_ANYBODY = frozenset(
    {"PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER", "USER", "NONE", "CURRENT", "SESSION"}
)
_RIGHTS = {"GRANT": "TO", "REVOKE": "FROM"}
"""What the roles of a statement stand behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingScript:
    """A migration that is to run.

    Where it is not `native`, psql may leave statements out; where not `fresh`, some have run; where
    not `alone`, a command runs before it.
    """

    file: str
    script: Script
    native: bool = True
    fresh: bool = True
    alone: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Created:
    kind: str
    name: str
    version: str = ""


def wanted(pending: Iterable[PendingScript]) -> ServerWide:
    """Return the names that a server must be asked for."""
    created = [made for each in pending for s in each.script.statements if (made := _created(s))]

    def of(*kinds: str) -> frozenset[str]:
        return frozenset(each.name for each in created if each.kind in kinds)

    versions = {f"{each.name}@{each.version}" for each in created if each.version}
    needed = {name for each in pending for s in each.script.statements for name in _needed(s)}
    statements = [s for each in pending for s in each.script.statements]
    schemas = {n for s in statements for n in (*schemas_of(s), *relations_of.set_by(s))}
    relations = {key[-1] for s in statements for key in relations_of.used(s)}
    relations |= {name for s in statements if (name := table_of(s))}
    return ServerWide(
        extensions=of("extension") | versions,
        roles=of("role") | needed,
        databases=of("database"),
        schemas=frozenset(schemas),
        types=frozenset(name for s in statements for name in types_of(s)),
        relations=frozenset(("", name) for name in relations),
    )


def on_server_objects(pending: Sequence[PendingScript], there: ServerWide) -> Iterator[Finding]:
    """Yield what cannot be created, or is not of this database alone."""
    has = {"role": set(there.roles), "database": set(there.databases)}
    schemas = Schemas(there.schemas)
    may_be_gone = False
    for each in pending:
        for statement in each.script.statements:
            lost = schemas.missing(statement)
            yield from (_missing("schema", n, each, statement, unsure=schemas.unsure) for n in lost)
            missing = [name for name in _needed(statement) if name not in has["role"]]
            yield from (
                _missing("role", name, each, statement, unsure=may_be_gone) for name in missing
            )
            has["role"] |= set(missing)  # once is enough
            may_be_gone = may_be_gone or _may_drop(statement)
            made = _created(statement)
            if made is None:
                continue
            sure = each.native
            if made.kind == "extension":
                message, mend = _not_offered(made, there)
            elif made.name in has[made.kind]:
                sure = sure and each.fresh and not may_be_gone
                message = f"{made.kind} {made.name} exists on this server already"
                mend = "create it only if it is not there, or remove the statement"
            else:
                sure, mend = False, ""
                message = _SHARED[made.kind].format(made.name)
            if message:
                yield Finding(
                    severity=Severity.ERROR if sure else Severity.WARNING,
                    topic=Topic.MIGRATION,
                    message=message,
                    where=f"{each.file}:{statement.line}",
                    mend=mend,
                )
            if made.kind in has:
                has[made.kind].add(made.name)


def on_names(pending: Sequence[PendingScript], there: ServerWide) -> Iterator[Finding]:
    """Yield types and relations that nobody has, or that only another file's search_path finds.

    Where anything before may have created them unseen, nothing is said.
    """
    types = ColumnTypes(there.types, {name for _, name in there.relations})
    paths = relations_of.Relations(there.path, there.relations, there.schemas)
    for each in pending:
        paths.begin()
        if not each.native or not each.alone or each.script.commands:
            types.take_all()
            paths.take_all()
        for statement in each.script.statements:
            lost, hidden = types.missing(statement), paths.missing(statement)
            if each.fresh:
                where = f"{each.file}:{statement.line}"
                yield from (_no_type(name, where) for name in lost)
                unsure = paths.unsure
                yield from (_hidden(s, name, where, unsure=name in unsure) for s, name in hidden)


def _no_type(name: str, where: str) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        topic=Topic.MIGRATION,
        message=f"type {name} does not exist in this database, and no migration before creates it",
        where=where,
        mend="use a type of PostgreSQL's, or create this one before",
    )


def _hidden(schema: str, name: str, where: str, *, unsure: bool) -> Finding:
    message = f"{name} does not exist in this database, and no migration before creates it"
    mend = "check the order of the plan, and whether a folder is missing from it"
    if schema:
        message = f"{name} is in schema {schema}, which is not on the search_path of this file"
        own = relations_of.qualified(schema, name)
        mend = f"write {own}, or SET search_path in this file: another's ends there"
    tool = owner_of(name)
    if tool and not schema:
        message = f"{name} does not exist in this database: {tool} keeps it for itself"
        mend = "take the statement out, or create an empty one of its columns before the run"
    sure = (schema or tool) and not unsure  # texts do not show everything
    severity = Severity.ERROR if sure else Severity.WARNING
    return Finding(
        severity=severity, topic=Topic.MIGRATION, message=message, where=where, mend=mend
    )


def _missing(
    kind: str, name: str, each: PendingScript, statement: Statement, *, unsure: bool
) -> Finding:
    sure = each.native and each.fresh and not unsure
    where = "in this database" if kind == "schema" else "on this server"
    return Finding(
        severity=Severity.ERROR if sure else Severity.WARNING,
        topic=Topic.MIGRATION,
        message=f"{kind} {name} does not exist {where}, and no migration before creates it",
        where=f"{each.file}:{statement.line}",
        mend=f"create the {kind} before the run, or remove the statement",
    )


_SHARED = {
    "role": (
        "creates role {}, which all databases of the server share:"
        " the file fails in a second database there"
    ),
    "database": "creates database {}: the migrations run in the target's database, not in it",
}


def _not_offered(made: _Created, there: ServerWide) -> tuple[str, str]:
    if made.name not in there.extensions:
        message = f"extension {made.name} is not available on this server"
        return message, "install it on the server, or remove the statement"
    if made.version and f"{made.name}@{made.version}" not in there.extensions:
        return f"extension {made.name} has no version {made.version} on this server", ""
    return "", ""


def _created(statement: Statement) -> _Created | None:
    """Return what a statement creates that a server must offer, or that all databases share."""
    first, *rest = statement.tokens
    if first.upper != "CREATE" or len(rest) < 2:  # noqa: PLR2004 - a kind and a name
        return None
    kind, *rest = rest
    if kind.upper == "EXTENSION":
        name, after = _name(rest)
        return _Created(kind="extension", name=name, version=_version(after)) if name else None
    if kind.upper in _ROLES and rest[0].upper != "MAPPING":
        name, _ = _name(rest)
        return _Created(kind="role", name=name) if name else None
    if kind.upper == "DATABASE":
        name, _ = _name(rest)
        return _Created(kind="database", name=name) if name else None
    return None


def _needed(statement: Statement) -> list[str]:
    """Return the roles that a statement needs: of GRANT and REVOKE, of OWNER TO, of a policy."""
    if statement.tokens[0].upper not in {"ALTER", "CREATE", *_RIGHTS}:
        return []
    words = [each.upper for each in statement.tokens]
    if words[:3] == ["ALTER", "DEFAULT", "PRIVILEGES"]:
        words = ["GRANT" if "GRANT" in words else "REVOKE", *words[1:]]
    if words[0] in _RIGHTS:
        found = [n for n, word in enumerate(words) if word == _RIGHTS[words[0]]]
        return list(_roles(statement.tokens[found[-1] + 1 :])) if found else []
    if words[0] == "ALTER" and words[-3:-1] == ["OWNER", "TO"]:
        return list(_roles(statement.tokens[-1:]))
    if words[:2] == ["CREATE", "POLICY"] and "TO" in words:
        return list(_roles(statement.tokens[words.index("TO") + 1 :]))
    return []


def _roles(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the names of a list, up to what is no name."""
    for place, each in enumerate(e for e in tokens if e.upper != "GROUP"):
        if place % 2:
            if each.text != ",":
                return
        elif each.upper in _ANYBODY:
            continue
        elif each.kind in {TokenKind.WORD, TokenKind.QUOTED}:
            yield _plain(each)
        else:
            return


def _name(tokens: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    """Return the name that stands behind the kind, as the catalog has it, and what follows it."""
    if [each.upper for each in tokens[:3]] == ["IF", "NOT", "EXISTS"]:
        tokens = tokens[3:]
    if not tokens:
        return "", ()
    return _plain(tokens[0]), tokens[1:]


def _plain(token: Token) -> str:
    match token.kind:
        case TokenKind.WORD:
            return token.text.lower()
        case TokenKind.QUOTED:
            return token.text[1:-1].replace('""', '"')
        case TokenKind.STRING:
            return token.text.strip("'")
        case _:
            return ""


def _version(tokens: Sequence[Token]) -> str:
    words = [each.upper for each in tokens]
    if "VERSION" not in words[:-1]:
        return ""
    return _plain(tokens[words.index("VERSION") + 1])


def _may_drop(statement: Statement) -> bool:
    """Return whether a statement may drop or rename a role or a database."""
    first, second = (*(each.upper for each in statement.tokens[:2]), "")[:2]
    named = second in {*_ROLES, "DATABASE"}
    return first in _MAY_DROP or (first in {"DROP", "ALTER"} and named)
