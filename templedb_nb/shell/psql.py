"""The real psql, for files with psql's own commands.

One transaction holds the ledger row, the file, and the look whether the file touched the ledger:
``psql -X -1 -v ON_ERROR_STOP=1 -v AUTOCOMMIT=off -f ROW -f FILE -f LOOK``. Where a file hides the
end of that transaction, psql begins another: nothing behind a ROLLBACK is committed by itself.
The connection goes by PG* variables and a 0600 password file; nothing of it is an argument.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from templedb_nb.core.address.route import variables
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.sql.psql_includes import included_openings, refusals
from templedb_nb.core.sql.psql_output import ENGLISH, MessageFinder
from templedb_nb.errors import ConfigError, FilesError
from templedb_nb.model.command import CommandExit, Invocation
from templedb_nb.model.route import Route
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step import Migration
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.shell import Shell
from templedb_nb.ports.target import NOBODY_TOLD, StatementCallbacks

MISSING = "install PostgreSQL's client, or remove the psql commands and executor: psql"


def program(environment: Mapping[str, str]) -> str | None:
    """Return where psql is, if it is on the PATH of *environment*."""
    return shutil.which("psql", path=environment.get("PATH"))


class PsqlFrame(Protocol):
    """What psql runs before the file and after it, in one transaction with it."""

    def __call__(
        self, step: Migration, script: Script, attempt: str, claim: Claim
    ) -> tuple[str, str]:
        """Return the ledger row, and the look at the ledger, with their values quoted."""
        ...


class PsqlProgram:
    """Runs files by psql under the supervisor."""

    def __init__(
        self,
        shell: Shell,
        around: PsqlFrame,
        here: Callable[[DatabaseName], Route],
        folder: Callable[[], str],
        environment: Mapping[str, str],
    ) -> None:
        """Go *here* for each database; files are read below the release's *folder*."""
        self._shell = shell
        self._around = around
        self._here = here
        self._folder = folder
        self._environment = environment

    def apply(
        self,
        step: Migration,
        script: Script,
        claim: Claim,
        attempt: str,
        sink: Callable[[str], None],
        told: StatementCallbacks = NOBODY_TOLD,
        words: Mapping[str, MessageLevel] = ENGLISH,
    ) -> CommandExit:
        """Run the file in one transaction with its ledger row; *told* gets the server's messages.

        *words* are those by which the server ranks them, in its language.
        """
        found = program(self._environment)
        if found is None:  # the plan says so already, on the machine that made it
            raise ConfigError(f"{step.file}: executor psql requires the program psql", hint=MISSING)
        folder = self._folder()
        _verify(Path(folder) / step.file, step)
        row, look = self._around(step, script, attempt, claim)
        here = self._here(step.database)
        secret = passfile(here.password)
        begun = "".join(f"{text};\n" for text in _leading(script, Path(folder), step))
        texts = {"row": begun + row, "look": look, "passwords": secret}
        if script.once:
            texts[f"without/{step.file}"] = _without(script)
        with _private(texts) as place:
            ledger, passwords = f"{place}/row", f"{place}/passwords"
            file = f"{place}/without/{step.file}" if script.once else step.file
            spoken = MessageFinder(file, (ledger, f"{place}/look"), words)

            def heard(text: str) -> None:
                sink(text)
                for message in spoken.feed(text):
                    told.said(message)

            argv = (found, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-v", "AUTOCOMMIT=off")
            return self._shell.run(
                Invocation(
                    argv=(*argv, "-f", ledger, "-f", file, "-f", f"{place}/look"),
                    cwd=folder,
                    environment={
                        **self._environment,
                        **variables(here),
                        "PGPASSFILE": passwords,
                        "PGAPPNAME": f"templedb:{claim.run}:psql"[:63],
                        "PGCLIENTENCODING": "UTF8",
                        "PSQL_HISTORY": os.devnull,
                    },
                ),
                heard,
            )


def _leading(script: Script, folder: Path, step: Migration) -> Iterator[str]:
    """Yield what the transaction is asked in front of the ledger's row, by included files too."""
    own = [script.statements[n].text for n in script.leading]
    read = partial(_read, folder)
    # The plan says so already, as far as its release has the files.
    if refused := next(refusals(script, step.file, read), None):
        raise FilesError(f"{refused.file}:{refused.line}: {refused.message}", hint=refused.mend)
    found = included_openings(script.text, step.file, read)
    yield from (*own, *(each.statement.text for each in found))


def _read(folder: Path, name: str) -> str | None:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # psql says what it makes of it


def _without(script: Script) -> str:
    """Return the text without what the server hears once, and heard before the ledger's row."""
    text = script.text
    for each in script.once:
        blank = "".join(c if c == "\n" else " " for c in each.text)
        text = text[: each.start] + blank + text[each.start + len(each.text) :]
    return text


def _verify(path: Path, step: Migration) -> None:
    """Refuse a file that is no longer what the plan says: a build may have rewritten it."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != step.blob:
        message = f"{step.file} in the work folder differs from the plan: a command rewrote it"
        raise FilesError(message, hint="change the build so that it does not overwrite migrations")


def passfile(password: str) -> str:
    """Return what a password file must hold."""
    return "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:") + "\n"


@contextmanager
def _private(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a folder that nobody else can read, with those texts in it, by their paths."""
    with tempfile.TemporaryDirectory(prefix="templedb-") as folder:
        for name, text in texts.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        yield folder
