"""Where commands and psql run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from templedb_nb.core.migrations.script import Script
from templedb_nb.model.command import CommandExit, Invocation
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step import Migration
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import StatementCallbacks


class Shell(Protocol):
    """Where commands run."""

    def run(self, invocation: Invocation, sink: Callable[[str], None]) -> CommandExit:
        """Run to the end, giving masked output to *sink* in pieces of at most 64 KiB."""
        ...


class Psql(Protocol):
    """The real psql program, for files with psql's own commands."""

    def apply(
        self,
        step: Migration,
        script: Script,
        claim: Claim,
        attempt: str,
        sink: Callable[[str], None],
        told: StatementCallbacks,
        words: Mapping[str, MessageLevel],
    ) -> CommandExit:
        """Run the file in one transaction with its ledger row; *told* gets the server's messages.

        *words* are those by which the server ranks them, in its language.
        """
        ...
