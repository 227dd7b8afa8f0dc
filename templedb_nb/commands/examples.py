"""What each command looks like in use; its --help ends with that."""

from __future__ import annotations

from collections.abc import Iterator

import click

EXAMPLES = {
    "project import": ("project import ./shop", "project import ../apps/shop --slug web_shop"),
    "project sync": ("project sync shop",),
    "project list": ("project list",),
    "project show": ("project show shop",),
    "project files": ("project files shop --release 3",),
    "project remove": ("project remove shop --yes",),
    "deploy init": ("deploy init shop", "deploy init shop --force"),
    "deploy pick": ("deploy pick shop", "deploy pick shop --target staging"),
    "deploy plan": (
        "deploy plan shop --target staging",
        "deploy plan shop --target production --out release.plan",
        "deploy plan shop --target staging --detailed-exitcode   # 2: there is something to do",
    ),
    "config set": ("config set shop deploy.toml --note longer", "config set shop - < deploy.yaml"),
    "migration list": ("migration list shop --target staging",),
    "migration status": ("migration status shop --target production --show-applied",),
    "migration show": ("migration show shop 003_orders --target staging",),
    "migration mark-applied": (
        'migration mark-applied shop 003_orders --target production --reason "done by hand"',
    ),
    "migration baseline": (
        'migration baseline shop --through 041_orders --target production --reason "was there"',
    ),
    "migration restore-ledger": (
        "migration restore-ledger shop --target production --dry-run",
        'migration restore-ledger shop --reason "002.sql truncated every table"',
    ),
    "migration mark-reverted": (
        'migration mark-reverted shop 007_index --target staging --reason "dropped by hand"',
    ),
    "migration resolve": (
        'migration resolve shop 007_index --target production --applied --reason "it is there"',
    ),
    "migration accept-checksum": (
        'migration accept-checksum shop 003_orders --target production --reason "a typo"',
    ),
    "migration rename": (
        "migration rename shop db/003_orders.sql migrations/003_orders.sql --target production",
    ),
    "fleet list": ("fleet list shop",),
    "fleet history": ("fleet history shop --last 5",),
    "fleet remove": ("fleet remove shop tenants",),
    "fleet pause": ("fleet pause shop",),
    "fleet cancel": ("fleet cancel shop",),
    "fleet speed": ("fleet speed shop --parallel 20",),
    "target add": (
        "target add shop staging --type database --host db.example.com",
        "target add shop production --protected",
    ),
    "target show": ("target show shop staging",),
    "target update": (
        "target update shop production --protected",
        "target update shop production --signers allowed_signers --signed",
        'target update shop production --no-protected --reason "being retired"',
    ),
    "target remove": ("target remove shop old-staging",),
    "target test": ("target test shop staging",),
    "target rebind": ('target rebind shop staging --reason "restored from production"',),
    "target ledger-sql": ("target ledger-sql --role deployer | psql -f - service=production",),
    "env set": (
        "env set shop DATABASE_URL --target staging          # asks, and shows nothing",
        "env set shop NODE_ENV production --plain",
        "env set shop API_KEY env:CI_API_KEY                  # a reference",
    ),
    "env unset": ("env unset shop API_KEY --target staging",),
    "env list": ("env list shop --target staging",),
    "env import": ("env import shop .env --target staging",),
    "runbook inspect": ("runbook inspect deploy.ipynb",),
    "runbook status": ("runbook status deploy.ipynb",),
    "runbook history": ("runbook history", "runbook history deploy.ipynb --last 5"),
    "run resolve": ('run resolve 01a20896-82b9 --reason "looked: it did not run"',),
    "run attach": ("run attach", "run attach 01a20896-82b9"),
    "run blockers": ("run blockers shop staging",),
    "run unblock": ('run unblock 4711 --target staging --terminate --reason "forgotten session"',),
    "run cancel": ('run cancel 01a20896-82b9 --reason "wrong release"',),
    "lock show": ("lock show shop --target production",),
    "lock acquire": ('lock acquire shop --target production --reason "release weekend"',),
    "lock release": ('lock release shop --target production --reason "all clear"',),
    "lock steal": ('lock steal shop --expect 01a20896-82b9 --reason "its laptop is gone"',),
    "state backup": ("state backup state-2026-11-01.duckdb",),
    "state show": ("state show",),
    "state check": ("state check",),
    "state init": ("state init",),
    "state gc": ("state gc --dry-run", "state gc --keep-runs 3"),
    "notify list": ("notify list",),
    "notify test": ("notify test ops",),
    "notify send": (
        "notify send                       # now; what fails is tried again for 30 s",
        "notify send --due --look          # for cron: what is due, and what targets tell",
    ),
    "notify replay": ("notify replay ops --since 2h",),
    "notify pause": ("notify pause ops", "notify pause ops --resume"),
    "notify remove": ("notify remove ops",),
    "status": ("status shop", "status shop --target production"),
    "reject": ('reject 3f9a1c2b7d10 --reason "the index is missing"',),
    "approvals": ("approvals 3f9a1c2b7d10", "approvals --waiting", "approvals --waiting shop"),
    "approve": (
        'approve 3f9a1c2b7d10 --reason "reviewed with the team"',
        'approve 3f9a1c2b7d10 91be07c4d2aa --reason "release 12: both services"',
        'approve shop.plan --reason "read it" --sign ~/.ssh/id_ed25519 --out approval.json',
    ),
    "use": ("use shop --target staging",),
    "completion": (
        "completion bash >> ~/.bashrc",
        "completion zsh > ~/.zfunc/_templedb",
        "completion fish > ~/.config/fish/completions/templedb.fish",
    ),
}


def attach(name: str, found: click.Command) -> None:
    """Give a command, or each verb of a noun, its examples; texts that have some keep those."""
    for path, command in _leaves(name, found):
        if path in EXAMPLES and "Example" not in (command.help or ""):
            lines = "\n".join(f"  templedb {each}" for each in EXAMPLES[path])
            title = "Examples" if len(EXAMPLES[path]) > 1 else "Example"
            command.epilog = f"\b\n{title}:\n{lines}"


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with the words that lead to it."""
    for name, command in sorted(group.commands.items()):
        yield from _leaves(f"{before}{name}", command)


def _leaves(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        yield from leaves(command, f"{path} ")
    else:
        yield path, command
