"""What many tools do: run a file, commit, then write down that it ran. The check of our checks.

``python -m tests.naive deploy run app`` deploys as the program does; NAIVE_DIES_AT names the file
behind whose COMMIT it dies.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import duckdb
import psycopg


def main() -> None:
    """Apply what is not written down yet, one file after the other."""
    words = sys.argv[1:]
    if words[:2] == ["env", "set"]:
        Path("naive-url").write_text(words[4])
    if words[:2] != ["deploy", "run"]:
        return
    duckdb.connect(os.environ["TEMPLEDB_STATE"]).close()
    with psycopg.connect(Path("naive-url").read_text(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS naive (file text PRIMARY KEY)")
        known = {row[0] for row in connection.execute("SELECT file FROM naive").fetchall()}
        for path in sorted(Path("app/migrations").glob("*.sql")):
            if path.name in known:
                continue
            connection.execute(path.read_bytes())
            if os.environ.get("NAIVE_DIES_AT") == path.name:
                os.kill(os.getpid(), signal.SIGKILL)
            connection.execute("INSERT INTO naive VALUES (%s)", [path.name])


if __name__ == "__main__":
    main()
