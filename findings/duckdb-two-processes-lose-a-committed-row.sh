#!/bin/sh
# DuckDB 2.0.1: a process that opens a database while another one commits can undo that commit; 1.5.6 does not.
#
# 2.0 reads the headers of the file (12,288 bytes), closes it, opens it again and takes its lock. It does not read the
# headers a second time under the lock. If another process opens, commits and closes in between, the first one works on
# the old state and writes it back: the other's row is gone, and both processes saw success. The gap is short, yet four
# processes that open, insert and close in turn, and try again while the file is locked, lost one of 240 rows in two of
# three rounds on a busy machine. Here strace delays the call that takes the lock (fcntl) by four seconds, so that it
# happens each time. 1.5.6 keeps both rows. Programs that share a file need a lock of their own around connect and close.
#
# Seen: "1.5.6 keeps early, late; 2.0.1 keeps late". Exits 1 if that changes. Needs Linux, Python, pip and strace.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/try.py" <<'PY'
import subprocess
import sys
import time
from pathlib import Path

import duckdb

WRITER = """
import sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("INSERT INTO orders VALUES (?)", [sys.argv[2]])
"""
folder = Path(sys.argv[1])
database, trace = folder / f"{duckdb.__version__}.db", folder / f"{duckdb.__version__}.trace"
with duckdb.connect(str(database)) as connection:
    connection.execute("CREATE TABLE orders (name VARCHAR)")

write = [sys.executable, "-c", WRITER, str(database)]
held = ["-e", "trace=openat,fcntl", "-e", "inject=fcntl:delay_enter=4000000:when=1"]
late = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-P", database, *held, *write, "late"])
while not (trace.exists() and "O_RDWR" in trace.read_text()):
    assert late.poll() is None, "the late one ended before it took its lock"
    time.sleep(0.01)
subprocess.run([*write, "early"], check=True)
assert late.poll() is None, "the early one was too slow: try again"
assert late.wait() == 0
with duckdb.connect(str(database)) as connection:
    kept = sorted(name for (name,) in connection.execute("SELECT name FROM orders").fetchall())
print(f"{duckdb.__version__} keeps {', '.join(kept)}")
PY
for version in 1.5.6 2.0.1; do
    python3 -m venv "$place/$version"
    "$place/$version/bin/pip" install --quiet --disable-pip-version-check "duckdb==$version"
    "$place/$version/bin/python" "$place/try.py" "$place" | tee -a "$place/seen"
done
printf '1.5.6 keeps early, late\n2.0.1 keeps late\n' | cmp -s - "$place/seen"
