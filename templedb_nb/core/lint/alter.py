"""What ``ALTER TABLE`` locks and costs, action by action.

After PostgreSQL's documentation of ALTER TABLE and its ``AlterTableGetLockLevel``
(src/backend/commands/tablecmds.c); the tests ask servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from templedb_nb.core.lint.locks.observed_effect import (
    ALL,
    BUILDS,
    REWRITES,
    ROWS,
    SCANS,
    SCHEMA,
    WAITS,
    Kin,
)
from templedb_nb.core.sql.cursor import NOWHERE, Cursor, Name, calls, parts, word, words
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import LockMode

VOLATILE = words(
    "RANDOM GEN_RANDOM_UUID CLOCK_TIMESTAMP NEXTVAL TIMEOFDAY UUID_GENERATE_V1 UUID_GENERATE_V4 "
    "UUIDV4 UUIDV7"
)
STEADY = words(
    "NOW CURRENT_TIMESTAMP TRANSACTION_TIMESTAMP STATEMENT_TIMESTAMP LOCALTIMESTAMP TIMEZONE "
    "COALESCE CAST ROW VARCHAR CHAR NUMERIC DECIMAL TIMESTAMP TIMESTAMPTZ TIME INTERVAL BIT LOWER "
    "UPPER CURRENT_SETTING MD5 AND OR NOT IN"
)
_KEYS = LockMode.ROW_SHARE
"""What checks of foreign keys take on the rows that they look up."""
_PARAMETERS = words(
    "FILLFACTOR PARALLEL_WORKERS TOAST_TUPLE_TARGET LOG_AUTOVACUUM_MIN_DURATION VACUUM_TRUNCATE "
    "VACUUM_INDEX_CLEANUP"
)
_BEHIND_DEFAULT = words("NOT NULL CHECK UNIQUE PRIMARY REFERENCES CONSTRAINT GENERATED COLLATE")
_SERIAL = words("SERIAL BIGSERIAL SMALLSERIAL SERIAL2 SERIAL4 SERIAL8")


_BUILT_IN = words(
    "INT INTEGER INT2 INT4 INT8 SMALLINT BIGINT TEXT VARCHAR CHAR CHARACTER BPCHAR BOOLEAN BOOL "
    "DATE TIME TIMETZ TIMESTAMP TIMESTAMPTZ INTERVAL NUMERIC DECIMAL DEC REAL FLOAT FLOAT4 FLOAT8 "
    "DOUBLE UUID JSON JSONB BYTEA XML INET CIDR MACADDR MACADDR8 BIT VARBIT NATIONAL NCHAR MONEY "
    "OID NAME POINT LINE LSEG BOX PATH POLYGON CIRCLE TSVECTOR TSQUERY REGCLASS PG_LSN INT4RANGE "
    "INT8RANGE NUMRANGE TSRANGE TSTZRANGE DATERANGE INT4MULTIRANGE INT8MULTIRANGE NUMMULTIRANGE "
    "TSMULTIRANGE TSTZMULTIRANGE DATEMULTIRANGE"
)
"""Types that are no domains, whatever a database has."""


@dataclass(frozen=True, slots=True)
class Action:
    """What one action does to the table, to `others`, and to what hangs together with it.

    `part` is the column or the constraint that it is about, in the form that PostgreSQL compares.
    """

    what: str
    lock: LockMode = ALL
    note: str = ""
    others: tuple[tuple[Name, LockMode], ...] = ()
    also: tuple[tuple[Kin, LockMode], ...] = ()
    part: str = ""


UNKNOWN = Action("alter table", LockMode.UNKNOWN)


def actions(tokens: Sequence[Token]) -> list[Action]:
    """Return what the actions do that stand behind the table's name."""
    at = Cursor(tokens)
    match at.word:
        case "RENAME":
            return [Action("rename")]
        case "ATTACH" | "DETACH" if at.ahead(1) == "PARTITION":
            return [_partition(at)]
        case "SET" if at.ahead(1) == "SCHEMA":
            return [Action("set schema")]
        case _:
            return [_action(Cursor(each)) for each in parts(tokens)] or [UNKNOWN]


def references(tokens: Sequence[Token]) -> tuple[tuple[Name, LockMode], ...]:
    """Return the tables that foreign keys among *tokens* reference."""
    at, found = Cursor(tokens), []
    while not at.done:
        if at.take("REFERENCES"):
            found.append((at.name(), ROWS))
        else:
            at.skip()
    return tuple(each for each in found if each[0].text)


def _partition(at: Cursor) -> Action:
    what, part = at.word, Cursor(at.tokens[at.at + 2 :])
    name = part.name()
    keys = ((Kin.REFERENCED, ROWS), (Kin.REFERENCING, ROWS))
    if what == "ATTACH":
        note = "reads the partition and the default one, unless constraints prove the bounds"
        also = ((Kin.DEFAULT, ALL), *keys)
        return Action("attach partition", SCHEMA, note, ((name, ALL),), also)
    gentle = part.word in {"CONCURRENTLY", "FINALIZE"}
    lock = SCHEMA if gentle else ALL
    waits = f"{WAITS}; " if gentle else ""
    note = (
        f"{waits}reads the partition and what references it, if a foreign key references the table"
    )
    # a table whose foreign key references the partition loses that part of its constraint
    keys = ((Kin.REFERENCED, ROWS), (Kin.REFERENCING, ALL))
    return Action("detach partition", lock, note, ((name, ALL),), ((Kin.DEFAULT, ALL), *keys))


def _action(at: Cursor) -> Action:
    first = at.word
    at.at += 1
    match first:
        case "ADD":
            return _adds(at)
        case "DROP":
            return _drops(at)
        case "ALTER":
            return _alters(at)
        case "VALIDATE":
            note = "reads the whole table, unless it is valid already; writes go on"
            at.take("CONSTRAINT")
            also = ((Kin.REFERENCED, _KEYS),)
            return Action("validate constraint", SCHEMA, note, also=also, part=_part(at))
        case "ENABLE" | "DISABLE":
            at.take_any(words("REPLICA ALWAYS"))
            trigger = at.word == "TRIGGER"
            return Action(f"{first.lower()} {at.word.lower()}", ROWS if trigger else ALL)
        case "SET" | "RESET":
            return _sets(at)
        case "INHERIT":
            return Action("inherit", ALL, "", ((at.name(), SCHEMA),))
        case "NO" if at.take("INHERIT"):
            return Action("no inherit", ALL, "", ((at.name(), LockMode.ACCESS_SHARE),))
        case _:
            return _OTHERS.get(first, UNKNOWN)


_OTHERS = {
    "CLUSTER": Action("cluster on", SCHEMA),
    "FORCE": Action("force row security"),
    "NO": Action("no force row security"),
    "OF": Action("set type"),
    "NOT": Action("drop type"),
    "OWNER": Action("change owner"),
    "REPLICA": Action("replica identity"),
}


def _adds(at: Cursor) -> Action:
    if at.take("CONSTRAINT"):
        at.name()
        return _constraint(at)
    excludes = at.word == "EXCLUDE" and at.ahead(1) in {"USING", "("}
    if at.word in {"CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "NOT"} or excludes:
        return _constraint(at)
    at.take("COLUMN")
    at.take("IF", "NOT", "EXISTS")
    at.name()
    return Action("add column", ALL, _cost(at.rest), references(at.rest))


def _constraint(at: Cursor) -> Action:
    words = [word(each) for each in at.rest]
    match words[0] if words else "":
        case "FOREIGN":
            others = references(at.rest)
            return Action("add foreign key", ROWS, _checking(words), others)
        case "CHECK" | "NOT":
            return Action("add constraint", ALL, _checking(words))
        case "UNIQUE" | "PRIMARY" if _says(words, "USING", "INDEX") and "TABLESPACE" not in words:
            note = "reads the table where a column may be null" if words[0] == "PRIMARY" else ""
            return Action("add constraint", ALL, note)
        case "UNIQUE" | "PRIMARY" | "EXCLUDE":
            return Action("add constraint", ALL, BUILDS)
        case _:
            return UNKNOWN


def _checking(words: Sequence[str]) -> str:
    """Return what a new constraint costs."""
    if _says(words, "NOT", "ENFORCED"):
        return "not enforced: no row is checked"
    return "not valid: only new rows are checked" if _says(words, "NOT", "VALID") else SCANS


def _says(words: Sequence[str], first: str, second: str) -> bool:
    return (first, second) in pairwise(words)


def _cost(column: Sequence[Token]) -> str:
    """Return what a new column costs, by its type, its default and its constraints."""
    words = {word(each) for each in column}
    default = _default(column)
    called = calls(default)
    computed = "GENERATED" in words and "IDENTITY" not in words
    virtual = computed and "STORED" not in words
    notes = []
    if words & _SERIAL or "IDENTITY" in words or "STORED" in words or called & VOLATILE:
        notes.append(REWRITES)
    elif called - STEADY:
        notes.append(f"{REWRITES} if its default is volatile")
    elif column and word(column[0]) not in _BUILT_IN | _SERIAL:
        notes.append(f"{REWRITES} if its type is a domain with constraints")
    checked = (
        "CHECK" in words or ("REFERENCES" in words and default) or (virtual and "NULL" in words)
    )
    if words & {"UNIQUE", "PRIMARY"}:
        notes.append(BUILDS)
    elif checked and not _unenforced(column):
        notes.append(SCANS)
    return "; ".join(notes)


def _unenforced(column: Sequence[Token]) -> bool:
    """Return whether every check of a column is NOT ENFORCED."""
    words = [word(each) for each in column]
    return _says(words, "NOT", "ENFORCED") and words.count("CHECK") + words.count("REFERENCES") == 1


def _default(column: Sequence[Token]) -> Sequence[Token]:
    at = Cursor(column)
    if not at.skip_to("DEFAULT"):
        return ()
    at.at += 1
    start = at.at
    at.skip_to(*_BEHIND_DEFAULT)
    return at.tokens[start : at.at]


def _drops(at: Cursor) -> Action:
    gone = at.holds(words("CASCADE"))
    also = ((Kin.REFERENCED, ALL), (Kin.PARTS, ALL), *([(Kin.DEPENDENTS, ALL)] if gone else ()))
    if at.take("CONSTRAINT"):
        at.take("IF", "EXISTS")
        return Action("drop constraint", ALL, also=also, part=_part(at))
    at.take("COLUMN")
    at.take("IF", "EXISTS")
    return Action("drop column", ALL, "the column's values are lost", also=also, part=_part(at))


def _part(at: Cursor) -> str:
    """Return the name that comes next."""
    return "".join(at.name().key[-1:])


def _alters(at: Cursor) -> Action:
    if at.take("CONSTRAINT"):
        part = _part(at)
        said = [word(each) for each in at.rest]
        if "ENFORCED" not in said:  # DEFERRABLE leaves the referenced table alone, by measurement
            inherits = said[-1:] == ["INHERIT"] and said[-2:-1] != ["NO"]
            note = "reads the tables that inherit from it, to check them" if inherits else ""
            return Action("alter constraint", ALL, note, part=part)
        loosens = ("NOT", "ENFORCED") in pairwise(said)
        note = "" if loosens else f"{SCANS}, unless it is enforced already"
        referenced = (Kin.REFERENCED, ALL if loosens else ROWS)
        return Action("alter constraint", ALL, note, also=(referenced,), part=part)
    at.take("COLUMN")
    column = _part(at)
    match at.word, at.ahead(1):
        case ("TYPE", _) | ("SET", "DATA"):
            note = f"{REWRITES}, unless the new type holds the old one's values as they are"
            also = ((Kin.REFERENCED, ALL), (Kin.REFERENCING, ALL))
            return Action("alter column type", ALL, note, also=also, part=column)
        case "SET", "NOT":
            return Action("set not null", ALL, f"{SCANS}, unless a valid constraint proves it")
        case "SET", "EXPRESSION":
            return Action("set expression", ALL, f"{REWRITES}, unless the column is virtual")
        case "SET", "STATISTICS":
            return Action("set statistics", SCHEMA)
        case ("SET" | "RESET", "("):
            return Action("set column options", SCHEMA)
        case _:
            return Action("alter column")


def _sets(at: Cursor) -> Action:
    if at.word == "(":
        return _parameters(at.group())
    match at.word, at.ahead(1):
        case "WITHOUT", "CLUSTER":
            return Action("without cluster", SCHEMA)
        case ("LOGGED" | "UNLOGGED" as how, _):
            note = f"{REWRITES}, unless it is {how.lower()} already"
            return Action(f"set {how.lower()}", ALL, note)
        case "ACCESS", "METHOD":
            return Action("set access method", ALL, f"{REWRITES}, unless it has that one already")
        case "TABLESPACE", _:
            return Action("set tablespace", ALL, "copies the table, unless it is there already")
        case "WITHOUT", "OIDS":
            return Action("without oids")
        case _:
            return UNKNOWN


def _parameters(tokens: Sequence[Token]) -> Action:
    names = {Cursor(each).name().key[-1:] or NOWHERE.key for each in parts(tokens)}
    told = {each[0].upper() for each in names if each}
    mild = all(name in _PARAMETERS or name.startswith("AUTOVACUUM_") for name in told)
    return Action("set parameters", SCHEMA if mild else LockMode.UNKNOWN)
