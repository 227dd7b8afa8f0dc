"""Where the blocks of one page run: a folder, an environment, and databases of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from jupyter_client.manager import KernelManager

from tests import postgres
from tests.conftest import CORPORA
from tests.documents.page import ROOT, RUN, Block
from tests.notebook.test_notebook import Kernel

ROLE, PASSWORD = "shop_owner", "s3cret@k7q2/1"
DATABASES = {"STAGING_URL": "staging", "PRODUCTION_URL": "production", "WAREHOUSE_URL": "warehouse"}
LIMIT_S = 300

SCRIPT = """\
trap 'code=$?; export -p > "$HOME/.page-env"; pwd > "$HOME/.page-folder"; exit $code' EXIT
set -euo pipefail
. "$HOME/.page-env"
cd "$(cat "$HOME/.page-folder")"
"""


@dataclass
class Place:
    """A reader's machine: what one block leaves behind, the next one finds."""

    home: Path
    environ: dict[str, str]
    stack: ExitStack
    said: str = ""
    kernel: Kernel | None = field(default=None)

    def take(self, block: Block) -> None:
        """Do with *block* what its fence says."""
        if "file" in block.named:
            self.write(block)
        elif block.language in RUN and block.left_out is None:
            self.run(block)
        elif block.words == ("output",):
            self.compare(block)

    def run(self, block: Block) -> None:
        """Run *block*, and fail with its place in the page if it does not end as it says."""
        code = self._shell(block) if block.language == "bash" else self._cells(block)
        wanted = int(block.named.get("exit", "0"))
        assert code == wanted, f"{block}: exit {code}, not {wanted}\n{block.code}\n{self.said}"

    def write(self, block: Block) -> None:
        """Write the file that *block* shows."""
        path = self._folder() / block.named["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, encoding="utf-8")

    def compare(self, block: Block) -> None:
        """Find the lines of *block* in what was said last, in their order."""
        rest = [" ".join(line.split()) for line in self.said.splitlines()]
        for line in block.code.splitlines():
            wanted = " ".join(line.split())
            place = next((n for n, each in enumerate(rest) if _fits(wanted, each)), None)
            assert place is not None, f"{block}: nobody said {line!r}; this was said:\n{self.said}"
            rest = rest[place + 1 :] if wanted else rest

    def _folder(self) -> Path:
        return Path((self.home / ".page-folder").read_text().strip())

    def _shell(self, block: Block) -> int:
        done = subprocess.run(
            ["bash", "-c", SCRIPT + block.code],
            env=self.environ,
            input=self.environ[block.named["stdin"]] if "stdin" in block.named else "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.home,
            timeout=LIMIT_S,
            check=False,
        )
        self.said = done.stdout
        return done.returncode

    def _cells(self, block: Block) -> int:
        kernel = self._started()
        self.said = ""
        for cell in _cells(block):
            found = kernel.run(cell, ok=False)
            self.said += _told(found)
            if found["status"] != "ok":
                return 1
        return 0

    def _started(self) -> Kernel:
        """Return a kernel that begins where the shell stands, as `jupyter lab` there would."""
        if self.kernel is None:
            shell = subprocess.run(
                ["bash", "-c", SCRIPT + "env -0"],
                env=self.environ, capture_output=True, text=True, check=True, cwd=self.home,
            )  # fmt: skip
            environ = dict(line.split("=", 1) for line in shell.stdout.split("\0") if "=" in line)
            manager = KernelManager(kernel_name="python3")
            manager.kernel_spec.argv[0] = sys.executable
            manager.start_kernel(cwd=str(self._folder()), env=environ)
            self.stack.callback(manager.cleanup_resources)
            self.stack.callback(manager.shutdown_kernel, now=True)
            self.kernel = Kernel(manager, self.home)
            self.stack.callback(self.kernel.client.stop_channels)
        return self.kernel


def _cells(block: Block) -> list[str]:
    """Return a notebook's cells, which blank lines divide; Python is one whole."""
    if "%" not in block.code:
        return [block.code]
    return [cell for cell in block.code.split("\n\n") if cell.strip()]


def _told(found: dict[str, Any]) -> str:
    error = found["error"] or {}
    data = [found["data"], *found["displays"]]
    texts = [each.get("text/plain", "") for each in data]
    return "\n".join([found["stdout"], found["stderr"], *texts, *error.get("traceback", ())])


def _fits(wanted: str, line: str) -> bool:
    at = 0
    for part in wanted.split("…"):
        at = line.find(part.strip(), at)
        if at < 0:
            return False
        at += len(part.strip())
    return True


@contextmanager
def place(home: Path, server: postgres.Server) -> Iterator[Place]:
    """Yield a fresh place: the projects `shop` and `woofs`, and empty databases to deploy to."""
    shutil.copytree(ROOT / "examples" / "shop", home / "shop")
    shutil.copytree(CORPORA / "woofs", home / "woofs")
    with ExitStack() as stack:
        made = Place(home=home, environ=_environ(home, stack, server), stack=stack)
        (home / ".page-env").write_text("")
        (home / ".page-folder").write_text(str(home))
        yield made


def _environ(home: Path, stack: ExitStack, server: postgres.Server) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("TEMPLEDB_", "XDG_", "PG"))}
    programs = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    own = {"HOME": str(home), "PATH": programs, "TEMPLEDB_USER": "rosa@example.com"}
    return kept | own | _addresses(stack, server)


def _addresses(stack: ExitStack, server: postgres.Server) -> dict[str, str]:
    admin = stack.enter_context(psycopg.connect(server.admin, autocommit=True))
    role = f"{ROLE}_{os.getpid()}"
    password = psycopg.sql.Literal(PASSWORD).as_string()
    given = psycopg.conninfo.conninfo_to_dict(server.admin)
    at = f"{given['host']}:{given['port']}"
    found: dict[str, str] = {}
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD {password}".encode())
    # Roles own the databases, so they go last.
    stack.callback(_forget, admin, role)
    for variable, name in DATABASES.items():
        database = f"page_{name}_{os.getpid()}"
        admin.execute(f"CREATE DATABASE {database} OWNER {role}".encode())
        stack.callback(admin.execute, f"DROP DATABASE {database} WITH (FORCE)".encode())
        found[variable] = f"postgresql://{role}:{quote(PASSWORD, safe='')}@{at}/{database}"
        superuser = f"{given['user']}:{quote(str(given.get('password', '')), safe='')}"
        found[f"ADMIN_{variable}"] = f"postgresql://{superuser}@{at}/{database}"
    return found


def _forget(admin: psycopg.Connection[Any], *own: str) -> None:
    """Drop what pages make beside their databases: a server may outlive the tests."""
    admin.execute(b"DROP DATABASE IF EXISTS shop_copy WITH (FORCE)")
    for name in (*own, "shop_deployer", "shop_reader"):
        admin.execute(f"DROP ROLE IF EXISTS {name}".encode())
