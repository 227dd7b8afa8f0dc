#!/bin/sh
# oras 0.2.43 (Python): a registry that refuses the connection is asked six times, with waits of 3, 5, 11, 29 and 83 s between.
#
# Every request of oras.provider.Registry goes through a decorator that repeats it after any error but a failed login or TLS.
# The waits grow by powers of three, without an option for fewer: a name that is mistyped, or a registry that is down, is
# reported after 131 s. No request has a timeout, either: one that is accepted and never answered waits for good.
#
# The waits are counted here, not waited for: time.sleep is replaced. Nothing listens on the port that is asked.
#
# Seen: "refused after 6 requests and waits of [3, 5, 11, 29, 83] s". Exits 1 if that changes. Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'oras==0.2.43' 'requests==2.32.5'
cat > "$place/try.py" <<'PY'
import socket
import time

import oras.provider
import requests

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]

waits, asked = [], []
time.sleep = waits.append
registry = oras.provider.Registry(f"127.0.0.1:{port}", insecure=True)
request = registry.session.request


def counted(*words, **options):
    asked.append(options.get("timeout"))
    return request(*words, **options)


registry.session.request = counted
try:
    registry.get_blob(registry.get_container(f"127.0.0.1:{port}/team/artifacts:v1"), "sha256:" + "0" * 64)
except requests.exceptions.ConnectionError:
    print(f"refused after {len(asked)} requests and waits of {waits} s")
raise SystemExit(waits != [3, 5, 11, 29, 83] or asked != [None] * 6)
PY
"$place/venv/bin/python" "$place/try.py"
