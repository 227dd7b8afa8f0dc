#!/bin/sh
# DuckDB 2.0.1, Python: after fetchone(), the transaction of a query stays open, and another cursor's ALTER TABLE is refused.
#
# Outside of BEGIN, each execute() is its own transaction. But a result that is not fetched to its end keeps that
# transaction open, also if fetchone() has returned the only row. A second cursor then adds a column, fills it with UPDATE and
# commits; in its next transaction, ALTER TABLE … SET NOT NULL fails with "Cannot create index with outstanding updates",
# because the older transaction may still have to see the former values. Neither statement names the table of the query.
# With fetchall() in place of fetchone(), or any next execute() on the first connection, it succeeds.
#
# Seen: "fetchone: refused, fetchall: done, fetchone and a next query: done". Exits 1 if that changes.
# Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'duckdb==2.0.1'
cat > "$place/try.py" <<'PY'
import duckdb


def altered(read: str) -> str:
    """Read with one connection, then add, fill and tighten a column of another table with a cursor."""
    first = duckdb.connect()
    first.execute("CREATE TABLE other (id INTEGER); INSERT INTO other VALUES (1)")
    first.execute("CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1)")
    result = first.execute("SELECT id FROM other")
    assert (result.fetchall() if read == "fetchall" else [result.fetchone()]) == [(1,)]
    if read == "fetchone and a next query":
        first.execute("SELECT 1").fetchall()
    second = first.cursor()
    second.execute("BEGIN; ALTER TABLE orders ADD COLUMN note VARCHAR; UPDATE orders SET note = 'x'; COMMIT")
    try:
        second.execute("BEGIN; ALTER TABLE orders ALTER note SET NOT NULL; COMMIT")
    except duckdb.TransactionException as error:
        assert "outstanding updates" in str(error), error
        return "refused"
    return "done"


seen = ", ".join(f"{read}: {altered(read)}" for read in ("fetchone", "fetchall", "fetchone and a next query"))
print(seen)
assert seen == "fetchone: refused, fetchall: done, fetchone and a next query: done", seen
PY
"$place/venv/bin/python" "$place/try.py"
