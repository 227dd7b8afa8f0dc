#!/bin/sh
# sqlparse 0.6.1: a string that ends in a backslash makes Django 5.2.19 and yoyo 9.0.0 refuse valid migrations on SQLite.
#
# In standard SQL, and in SQLite and PostgreSQL, a backslash in a string is a letter: 'C:\' is complete. sqlparse takes \'
# for an escaped quote and reads on to the next one, so that inside and outside of strings are swapped from there: the
# semicolon that ends the statement is not found, and the one inside the next string cuts it in two. Django's RunSQL and
# yoyo split a script with sqlparse before they send it. Both fail on a script that SQLite itself runs; the message speaks of
# several statements at once. A list of statements (RunSQL), or 'C:' || char(92), avoids it.
#
# Seen: "SQLite: 2 rows; Django: ProgrammingError; yoyo: ProgrammingError". Exits 1 if that changes. Needs Python and pip.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check \
    'sqlparse==0.6.1' 'django==5.2.19' 'yoyo-migrations==9.0.0'
cat > "$place/try.py" <<'PY'
import sqlite3
import sys
from pathlib import Path

import django
import yoyo
from django.conf import settings
from django.db import connection, migrations
from django.db.migrations.state import ProjectState

folder = Path(sys.argv[1])
SCRIPT = r"""
CREATE TABLE folders (path text);
INSERT INTO folders VALUES ('C:\');
INSERT INTO folders VALUES ('D:\; shared');
"""


def by_sqlite():
    sqlite3.connect(folder / "sqlite.db").executescript(SCRIPT)


def by_django():
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db")}
    settings.configure(DATABASES={"default": database})
    django.setup()
    with connection.schema_editor() as editor:
        migrations.RunSQL(SCRIPT).database_forwards("shop", editor, ProjectState(), ProjectState())


def by_yoyo():
    (folder / "migrations").mkdir()
    (folder / "migrations" / "0001.folders.sql").write_text(SCRIPT)
    backend = yoyo.get_backend(f"sqlite:///{folder}/yoyo.db")
    backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(folder / "migrations"))))


def end(run, name):
    """Run the script, and say how many rows it has left, or which error it raised."""
    try:
        run()
    except Exception as error:
        return type(error).__name__
    (rows,) = sqlite3.connect(folder / f"{name}.db").execute("SELECT count(*) FROM folders").fetchone()
    return f"{rows} rows"


ends = end(by_sqlite, "sqlite"), end(by_django, "django"), end(by_yoyo, "yoyo")
print("SQLite: {}; Django: {}; yoyo: {}".format(*ends))
raise SystemExit(ends != ("2 rows", "ProgrammingError", "ProgrammingError"))
PY
"$place/venv/bin/python" "$place/try.py" "$place"
