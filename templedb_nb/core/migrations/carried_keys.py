"""Keys of folders that have the same versions in one database: one folder's keys carry its name.

What stands in a ledger keeps its key. Otherwise, the first folder keeps the plain versions, and
every key of another one that shares any of them is ``FOLDER/VERSION``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from templedb_nb.core.migrations.layouts.placing import Placed, complaint
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Entry
from templedb_nb.model.serialization import Digest

_MEND = (
    "templedb project import FOLDER for one of the folders: in a separate project, its keys are"
    " separate"
)


def carried(folder: str, key: str) -> str:
    """Return the key that carries its folder."""
    return f"{folder}/{key}"


@dataclass(slots=True, kw_only=True)
class KeysInDatabase:
    """The keys of one database's folders, given one after the other."""

    entries: Mapping[str, Entry]
    blobs: dict[str, Digest]
    folders: dict[str, list[Placed]] = field(default_factory=dict)

    def add(self, placed: Iterable[Placed]) -> None:
        """Take in the migrations of a group."""
        for each in placed:
            self.folders.setdefault(each.folder, []).append(each)

    def settle(self) -> tuple[dict[tuple[str, str], str], list[Finding]]:
        """Return the key for each path and key that carries its folder, and what is to say."""
        claims: dict[str, dict[str, Placed]] = {}
        for folder, own in self.folders.items():
            for each in own:
                claims.setdefault(each.key, {}).setdefault(folder, each)
        shared = {
            key: by for key, by in claims.items() if len({each.path for each in by.values()}) > 1
        }
        owners = {key: self._owner(key, by) for key, by in shared.items()}
        keys: dict[tuple[str, str], str] = {}
        found: list[Finding] = []
        for key, owner in owners.items():
            if not owner:
                found += self._unsettled(key, shared[key])
        plain: dict[str, str] = {}
        for folder, own in self._in_order(owners):
            stand = {p.key for p in own if carried(folder, p.key) in self.entries}
            taken = [p for p in own if plain.get(p.key, folder) != folder]
            if stand or taken:
                keys |= {
                    (p.path, p.key): carried(folder, p.key)
                    for p in own
                    if p.key in stand or not self._stays(p.key, folder, owners)
                }
            if taken and not stand:
                found.append(_told(folder, taken[0], plain[taken[0].key]))
            for each in own:
                if (each.path, each.key) not in keys:
                    plain.setdefault(each.key, folder)
        return keys, found

    def _in_order(self, owners: Mapping[str, str]) -> Iterator[tuple[str, list[Placed]]]:
        """Yield the folders; those whose keys stand in the ledger first."""
        first = {
            each for key, each in owners.items() if key in self.entries and each in self.folders
        }
        for folder in (*(f for f in self.folders if f in first),
                       *(f for f in self.folders if f not in first)):  # fmt: skip
            yield folder, self.folders[folder]

    def _owner(self, key: str, by: Mapping[str, Placed]) -> str:
        """Return the folder that a shared key belongs to; nothing if the ledger does not say."""
        entry = self.entries.get(key)
        if entry is None:
            return next(iter(by))
        named = [folder for folder, each in by.items() if each.path == entry.file]
        same = [f for f, p in by.items() if self.blobs.get(p.path) == entry.checksums.text]
        near = [folder for folder in by if folder == self._home(entry.file)]
        for found in (named, same, near):
            if len(found) == 1:
                return found[0]
        return ""

    def _stays(self, key: str, folder: str, owners: Mapping[str, str]) -> bool:
        """Return whether the plain key stands in the ledger, and is not another folder's."""
        entry = self.entries.get(key)
        if entry is None or owners.get(key, folder) != folder:
            return False
        return self._home(entry.file) in {"", folder}

    def _home(self, path: str) -> str:
        """Return the folder of today in which a file of the ledger lies; nothing if in none."""
        found = [f for f in self.folders if f == "." or path.startswith(f"{f}/")]
        return max(found, key=len, default="")

    def _unsettled(self, key: str, by: Mapping[str, Placed]) -> Iterator[Finding]:
        one, other = list(by.values())[:2]
        message = (
            f"has the key {key}; so has {one.path}, in the same database, and the ledger"
            " does not say whose it is"
        )
        yield complaint(other.path, message, _MEND)


def _told(folder: str, placed: Placed, other: str) -> Finding:
    key = carried(folder, placed.key)
    return Finding(
        severity=Severity.NOTE,
        topic=Topic.MIGRATION,
        message=f"{other}/ has the same versions: keys of this folder carry its name, as in {key}",
        where=f"{folder}/",
    )


def with_keys(placed: Sequence[Placed], keys: Mapping[tuple[str, str], str]) -> tuple[Placed, ...]:
    """Return the migrations with the keys that carry their folders."""
    return tuple(replace(p, key=keys.get((p.path, p.key), p.key)) for p in placed)
