"""What the runbooks of this folder are shown on: a small shop, two targets, a little history.

Everything is made anew in a folder of its own; both targets are DuckDB files. A runbook of yours
has no such cell: its project and its targets are there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

from templedb_nb import cli

NEXT = """\
-- Where customers are, for the courier.
ALTER TABLE customers ADD COLUMN city text;
UPDATE customers SET city = 'Lisbon';
"""


def begin() -> Path:
    """Make the shop, with a release on both targets and a newer one on staging; return its folder."""
    folders = [Path.cwd(), *Path.cwd().parents]
    examples = next(each / "examples" for each in folders if (each / "examples" / "shop").is_dir())
    home = Path(tempfile.mkdtemp(prefix="runbook-"))
    shop = shutil.copytree(examples / "shop", home / "shop")
    os.environ["TEMPLEDB_STATE"] = str(home / "state.duckdb")
    templedb("project", "import", str(shop))
    templedb("deploy", "init", "shop")
    for line in (
        f"config set shop {lifecycle(home)} --note lifecycle",
        "target add shop staging",
        "target add shop production --protected --self-approval",
        f"env set shop DATABASE_URL duckdb://{home}/staging.duckdb --target staging --plain",
        f"env set shop DATABASE_URL duckdb://{home}/production.duckdb --target production --plain",
        "deploy run shop --target staging",
    ):
        templedb(*line.split())
    deploy_to_production("the first release")
    (shop / "migrations" / "004_cities.sql").write_text(NEXT)
    templedb("deploy", "run", "shop", "--target", "staging")
    return shop


def lifecycle(home: Path) -> Path:
    """Write the config of the shop with the way of a release in it, and return its file."""
    document = json.loads(templedb("deploy", "config", "shop", "--json"))["document"]
    path = home / "deploy.json"
    path.write_text(json.dumps(document | {"lifecycle": ["staging", "production"]}))
    return path


def deploy_to_production(reason: str) -> None:
    """Plan, approve and run, as one would in a terminal."""
    plan = json.loads(templedb("deploy", "plan", "shop", "--target", "production", "--json"))
    templedb("approve", plan["plan_id"], "--reason", reason)
    templedb("deploy", "run", "--plan", plan["plan_id"])


def templedb(*words: str) -> str:
    """Run a command as a terminal would, and return the last line that it says."""
    said, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        code = cli.run(words)
    if code:
        raise RuntimeError(f"templedb {' '.join(words)}: {told.getvalue()}")
    return said.getvalue().strip().rpartition("\n")[2]


def some_history(shop: Path) -> None:
    """Deploy a few more times: well, badly, and well again."""
    for number in range(5, 8):
        table = f"CREATE TABLE notes_{number} (id integer PRIMARY KEY, text varchar);\n"
        (shop / "migrations" / f"{number:03}_notes.sql").write_text(table)
        templedb("deploy", "run", "shop", "--target", "staging")
    broken = shop / "migrations" / "008_broken.sql"
    broken.write_text("INSERT INTO nowhere VALUES (1);\n")
    with contextlib.suppress(RuntimeError):  # it fails, as it did that day
        templedb("deploy", "run", "shop", "--target", "staging")
    broken.unlink()
    deploy_to_production("staging is fine with it")
