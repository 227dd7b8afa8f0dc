#!/bin/sh
# psycopg 3.3.3 (binary, libpq 18): with PGHOST in the environment, a service's host is not where it connects.
#
# libpq's rule is: what the service says comes before the environment. psycopg looks hosts up by itself,
# and asks the environment for a host that the connection string does not have; it does not read the
# service. So it hands libpq the address of PGHOST beside the service's host: libpq connects to the one and
# checks certificates and password files for the other. psql, and libpq called by itself, go to the service's host.
#
# Seen: "libpq connects to the service's host, psycopg to PGHOST". Exits 1 if that changes. Needs Linux
# (127.0.0.2 is there by itself), Python and pip; no server.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.3'
cat > "$place/try.py" <<'PY'
import os
import select
import socket
from pathlib import Path

names = {"127.0.0.1": "PGHOST", "127.0.0.2": "the service's host"}
first = socket.create_server(("127.0.0.1", 0))
port = first.getsockname()[1]
listeners = [first, socket.create_server(("127.0.0.2", port))]


def reached():
    """Take the connection that came, and tell to whom."""
    ready, _, _ = select.select(listeners, [], [], 5)
    for each in ready:
        each.accept()[0].close()
    return " and ".join(names[each.getsockname()[0]] for each in ready) or "nobody"


service = Path(__file__).with_name("services")
service.write_text(f"[shop]\nhost=127.0.0.2\nport={port}\ndbname=d\nuser=u\n")
os.environ.update(PGSERVICEFILE=str(service), PGHOST="127.0.0.1", PGSSLMODE="disable")

import psycopg
from psycopg import pq

begun = pq.PGconn.connect_start(b"service=shop")
by_libpq = reached()
begun.finish()
try:
    psycopg.connect("service=shop connect_timeout=2")
except psycopg.OperationalError:
    pass
by_psycopg = reached()
print(f"libpq connects to {by_libpq}, psycopg to {by_psycopg}")
raise SystemExit((by_libpq, by_psycopg) != ("the service's host", "PGHOST"))
PY
"$place/venv/bin/python" "$place/try.py"
