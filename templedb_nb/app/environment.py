"""The outside world of one process: time, chance, who and where; taken in here and nowhere else."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path

from templedb_nb.model.dataclass import dataclass
from templedb_nb.ports.run import Clock

APP = "templedb"


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic_ms(self) -> int:
        """Return a reading that never goes back."""
        return time.monotonic_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What use cases need to know of the process that they run in."""

    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    folder: Path = field(default_factory=Path.cwd)

    @property
    def host(self) -> str:
        """Return the machine's name."""
        return platform.node() or "localhost"

    @property
    def pid(self) -> int:
        """Return this process's id."""
        return os.getpid()

    @property
    def config_folder(self) -> Path:
        """Return where the user's own key is."""
        import platformdirs

        return Path(platformdirs.user_config_dir(APP))

    @property
    def data_folder(self) -> Path:
        """Return where the state is, where no project has one of its own."""
        import platformdirs

        return Path(platformdirs.user_data_dir(APP))

    def user(self) -> str:
        """Return who this is, as far as anybody says: TEMPLEDB_USER, git, the system."""
        if named := self.environ.get("TEMPLEDB_USER"):
            return named
        return self.git("user.email") or getpass.getuser()

    def git(self, *words: str) -> str:
        """Return what git's config says, as ``git config`` with *words* has it, or nothing."""
        try:
            told = subprocess.run(  # noqa: S603 - words of ours
                ["git", "config", *words],  # noqa: S607 - whichever git the person has
                cwd=self.folder,
                env=dict(self.environ),
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return told.stdout.strip()

    def new_id(self) -> str:
        """Return a UUID of version 7 (RFC 9562, 5.7): ids sort by the time they were made."""
        milliseconds = int(self.clock.now().timestamp() * 1000)
        chance = int.from_bytes(os.urandom(10))
        number = (milliseconds << 80) | chance
        number = (number & ~(0xF << 76)) | (0x7 << 76)
        number = (number & ~(0x3 << 62)) | (0x2 << 62)
        digits = f"{number:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
