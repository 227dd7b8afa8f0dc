"""Types of which it is known that they take NULL: a domain may not."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.sql.cursor import Cursor, words
from templedb_nb.core.sql.tokens import Token

_PLAIN = words(
    "smallint integer bigint int int2 int4 int8 serial bigserial smallserial real double float "
    "float4 float8 numeric decimal dec boolean bool text varchar character char nchar national "
    "bpchar name bytea date time timetz timestamp timestamptz interval uuid json jsonb jsonpath "
    "xml bit varbit inet cidr macaddr macaddr8 money point line lseg box path polygon circle "
    "tsvector tsquery oid regclass regproc regtype pg_lsn xid8 int4range int8range numrange "
    "tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange "
    "tstzmultirange datemultirange citext hstore ltree geometry geography vector halfvec cube "
    "hugeint uhugeint tinyint utinyint usmallint uinteger ubigint blob string datetime struct map "
    "list union enum variant binary varbinary bytes bignum varint time_ns timestamp_s timestamp_ms "
    "timestamp_ns"
)


def plain_type(tokens: Sequence[Token], known: Known) -> bool:
    """Return whether a column of that type takes NULL, whatever it is."""
    at = Cursor(tokens)
    name = at.name()
    if not name.key:
        return False
    if "[" in {each.text for each in tokens}:
        return True
    if name.key in known.types:
        return not known.types[name.key]
    schema = name.key[:-1] in ((), ("pg_catalog",), ("public",))
    return schema and name.key[-1] in _PLAIN
