#!/bin/sh
# DuckDB 2.0.1: a database that is made where another one was moved away deletes that one's committed rows.
#
# A process commits and dies, so its row is in orders.db.wal alone. orders.db is moved aside, as one does to begin
# anew, and its log stays where it was. DuckDB refuses a log that belongs to another database ("WAL does not match
# database file") if a database is there. If none is there, it makes one and deletes the log without a word: the row is
# gone from the file that was moved aside, too. A rename of both files keeps it.
#
# Seen: "moved with its log: 1 row; moved without it: 0 rows, and no log is left". Exits 1 if that changes.
# Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'duckdb==2.0.1'
cat > "$place/try.py" <<'PY'
import subprocess
import sys
from pathlib import Path

import duckdb

WRITER = """
import os, sys, duckdb
c = duckdb.connect(sys.argv[1])
c.execute("CREATE TABLE orders (id INTEGER)")
c.execute("CHECKPOINT")
c.execute("INSERT INTO orders VALUES (1)")
os._exit(0)
"""


def kept(folder: Path, *, with_log: bool) -> int:
    """Move a database aside, make a new one in its place, and count the rows of the first."""
    folder.mkdir()
    there, aside = folder / "orders.db", folder / "aside.db"
    log = Path(f"{there}.wal")
    subprocess.run([sys.executable, "-c", WRITER, str(there)], check=True)
    assert log.stat().st_size, "the row should be in the log"
    there.rename(aside)
    if with_log:
        log.rename(f"{aside}.wal")
    duckdb.connect(str(there)).close()
    assert not log.exists()
    with duckdb.connect(str(aside)) as found:
        return found.execute("SELECT count(*) FROM orders").fetchone()[0]


here = Path(__file__).parent
one, none = kept(here / "a", with_log=True), kept(here / "b", with_log=False)
print(f"moved with its log: {one} row; moved without it: {none} rows, and no log is left")
raise SystemExit((one, none) != (1, 0))
PY
"$place/venv/bin/python" "$place/try.py"
