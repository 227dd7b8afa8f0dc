"""Databases on which statements are measured: one for each kind of relation that is called ``t``."""

from __future__ import annotations

_AROUND = """
CREATE TYPE mood AS ENUM ('old', 'new');
CREATE TYPE pair AS (x int, y int);
CREATE TYPE shape AS (id int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN word AS text;
CREATE DOMAIN needed AS text NOT NULL;
CREATE SEQUENCE sq;
CREATE TABLE far (id int PRIMARY KEY, x int);
INSERT INTO far SELECT i, i FROM generate_series(1, 60) i;
CREATE TABLE holder (id int, q positive, p pair, e mood);
INSERT INTO holder SELECT i, i, '(1,2)', 'old' FROM generate_series(1, 20) i;
CREATE TABLE typed OF shape;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION steady() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION moving() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
CREATE FUNCTION fixed(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE ROLE reader_of_effects;
CREATE PUBLICATION around FOR TABLE far;
"""
_COLUMNS = """id int NOT NULL, a int NOT NULL, b text, n int, w varchar(20), m numeric(10, 2),
  d timestamp, r int, k int, z int, s int GENERATED ALWAYS AS (id + 1) STORED"""
_CHECKS = """, CONSTRAINT ck CHECK (n > 0), CONSTRAINT proof CHECK (k IS NOT NULL)"""
_ON = """
ALTER TABLE t ADD CONSTRAINT nv CHECK (n < 1000000) NOT VALID;
CREATE INDEX t_b ON t (b);
CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY pol ON t USING (true);
CREATE STATISTICS st ON n, k FROM t;
"""
_OWN = """
ALTER TABLE t ADD CONSTRAINT t_key PRIMARY KEY (id, a);
CREATE UNIQUE INDEX t_free ON t (id, a, n);
"""
_ROWS = (
    "INSERT INTO {} (id, a, b, n, w, m, d, r, k) SELECT i, {}, 'b' || i, i, 'w', 1, "
    "'2020-01-01', i, i FROM generate_series({}, {}) i;"
)
_WHOLE = f"({_COLUMNS}{_CHECKS})"
_LIKE = f"CREATE TABLE other {_WHOLE};" + _ROWS.format("other", 7, 41, 50)
_PLAIN = f"CREATE TABLE t {_WHOLE};" + _ROWS.format("t", 1, 1, 40) + _LIKE + _ON + _OWN
_ALIKE = "ALTER TABLE {} ADD CONSTRAINT nv CHECK (n < 1000000);"
"""The check that a table lacks for being attached."""
_PARTS = f"""CREATE TABLE t {_WHOLE} PARTITION BY LIST (a);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2);
CREATE TABLE td PARTITION OF t DEFAULT;
"""
_PARENT = (
    _PARTS
    + _ROWS.format("t", 1, 1, 20)
    + _ROWS.format("t", 2, 21, 30)
    + _ROWS.format("t", 9, 31, 40)
    + _LIKE
    + _ON
    + _OWN
    + _ALIKE.format("other")
)
_ABOVE = f"CREATE TABLE up {_WHOLE} PARTITION BY LIST (a);"
_BELOW = (
    _ROWS.format("up", 1, 1, 20)
    + _ROWS.format("up", 2, 21, 30)
    + _ROWS.format("up", 9, 31, 40)
    + _LIKE
)
_PARTITION = (
    _ABOVE
    + """
CREATE TABLE t PARTITION OF up FOR VALUES IN (1);
CREATE TABLE u2 PARTITION OF up FOR VALUES IN (2);
CREATE TABLE ud PARTITION OF up DEFAULT;
"""
    + _BELOW
    + _ON
    + _OWN
)
_DEFAULT = (
    _ABOVE
    + """
CREATE TABLE u1 PARTITION OF up FOR VALUES IN (1);
CREATE TABLE u2 PARTITION OF up FOR VALUES IN (2);
CREATE TABLE t PARTITION OF up DEFAULT;
"""
    + _BELOW
    + _ON
    + _OWN
)
_MIDDLE = (
    _ABOVE
    + """
CREATE TABLE t PARTITION OF up FOR VALUES IN (1) PARTITION BY RANGE (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (100);
CREATE TABLE u2 PARTITION OF up FOR VALUES IN (2);
CREATE TABLE ud PARTITION OF up DEFAULT;
"""
    + _BELOW
    + _ON
    + _OWN
)
_WIDE = _PLAIN + (
    "ALTER TABLE t ALTER b SET STORAGE EXTERNAL; DROP INDEX t_b;"
    "UPDATE t SET b = repeat('x', 9000); CREATE INDEX t_b ON t (left(b, 9));"
)
_FOREIGN = (
    "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES far;"
    "ALTER TABLE t ADD CONSTRAINT fknv FOREIGN KEY (n) REFERENCES far NOT VALID;"
)
_FOREIGN_ONCE = "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES far;"
_NEAR = (
    "CREATE TABLE near (id int PRIMARY KEY, t_id int, t_a int, "
    "CONSTRAINT near_fk FOREIGN KEY (t_id, t_a) REFERENCES t);"
    "INSERT INTO near SELECT id, id, a FROM t;"
)
TABLES: dict[str, str] = {
    "plain": _PLAIN,
    "partitioned": _PARENT,
    "partition": _PARTITION,
    "default partition": _DEFAULT,
    "partitioned partition": _MIDDLE,
    "referencing": _PLAIN + _FOREIGN,
    "referenced": _PLAIN + _NEAR,
    "self-referencing": _PLAIN
    + "ALTER TABLE t ADD CONSTRAINT t_id UNIQUE (id);"
    + "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES t (id);",
    "partitioned referencing": _PARENT + _FOREIGN_ONCE,
    "partitioned referenced": _PARENT + _NEAR,
    "toast": _WIDE,
    "inheritance parent": _PLAIN
    + "CREATE TABLE child (own int) INHERITS (t);"
    + _ROWS.format("child", 3, 51, 60),
    "inheritance child": f"CREATE TABLE up {_WHOLE}; CREATE TABLE t () INHERITS (up);"
    + _ROWS.format("t", 1, 1, 40)
    + _LIKE
    + _ON
    + _OWN,
    "viewed": _PLAIN
    + "CREATE VIEW vw AS SELECT id, b, z FROM t; CREATE MATERIALIZED VIEW mw AS SELECT id, n FROM t;"
    + "CREATE VIEW above AS SELECT id FROM vw;",
    "identity": _PLAIN + "ALTER TABLE t ADD i int GENERATED BY DEFAULT AS IDENTITY;"
    "ALTER TABLE t ADD j serial;",
    "virtual": _PLAIN
    + "ALTER TABLE t ADD v int GENERATED ALWAYS AS (id + 1) VIRTUAL;"
    + "CREATE TABLE bare (id int, v int GENERATED ALWAYS AS (id + 1) VIRTUAL);"
    + "INSERT INTO bare SELECT generate_series(1, 9);",
    "unlogged": _PLAIN + "ALTER TABLE t SET UNLOGGED;",
    "domains": _PLAIN
    + "ALTER TABLE t ADD q positive; ALTER TABLE t ADD e mood; ALTER TABLE t ADD p pair;",
    "published": _PLAIN + "CREATE PUBLICATION news FOR TABLE t;",
    "trigger and rule": _PLAIN
    + "CREATE RULE ru AS ON DELETE TO t DO ALSO NOTHING;"
    + "CREATE CONSTRAINT TRIGGER tc AFTER UPDATE ON t FROM far DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f();",
}
"""Kinds of tables, by name: each makes ``t`` with the same columns and rows."""

OTHERS: dict[str, str] = {
    "view": _PLAIN
    + "CREATE VIEW vi AS SELECT id, b FROM t; CREATE VIEW above AS SELECT id FROM vi;",
    "materialised view": _PLAIN
    + "CREATE MATERIALIZED VIEW mv AS SELECT id, b FROM t; CREATE UNIQUE INDEX mv_id ON mv (id);",
    "sequence": _PLAIN + "CREATE SEQUENCE owned OWNED BY t.id; CREATE SEQUENCE loose;",
    "types": _PLAIN + "ALTER TABLE t ADD q positive; ALTER TABLE t ADD p pair;",
    "partitions": _PARENT
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 61, 70)
    + f"CREATE TABLE bound {_WHOLE};"
    + _ALIKE.format("bound")
    + "ALTER TABLE bound ADD CONSTRAINT fits CHECK (a IS NOT NULL AND a = 5);"
    + "ALTER TABLE bound ALTER id SET NOT NULL;"
    + _ROWS.format("bound", 5, 71, 80),
    "partitions, no default": _PARENT
    + "DROP TABLE td;"
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 61, 70),
    "partitions, referencing": _PARENT
    + _FOREIGN_ONCE
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 51, 60),
    "partitions, referenced": _PARENT
    + _NEAR
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 61, 70),
    "partitions, referenced by no row": _PARENT
    + _NEAR
    + "DELETE FROM near;"
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 61, 70),
    "partitions, referenced by no row, no default": _PARENT
    + "DROP TABLE td;"
    + _NEAR
    + "DELETE FROM near;"
    + f"CREATE TABLE free {_WHOLE};"
    + _ALIKE.format("free")
    + _ROWS.format("free", 5, 61, 70),
    "partitioned index": _PARENT
    + "CREATE INDEX whole ON ONLY t (n); CREATE INDEX t1_n ON t1 (n); CREATE INDEX t2_n ON t2 (n);",
}
"""Stages of statements that are about other things."""


def setup(kind: str) -> str:
    """Return the statements that make a stage."""
    return _AROUND + (TABLES.get(kind) or OTHERS[kind])
