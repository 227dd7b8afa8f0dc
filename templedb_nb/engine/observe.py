"""What is looked at before anything is decided: the texts of migrations, and where they stand.

A text is read once: its address is that of its content, which never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field

from templedb_nb.core.migrations import status
from templedb_nb.core.migrations.layouts.placing import FolderView, ToolMark
from templedb_nb.core.migrations.layouts.recognise import marks
from templedb_nb.core.migrations.script import Script, read_script
from templedb_nb.engine.bounded_cache import BoundedCache
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.file import FileEntry
from templedb_nb.model.layout import Address, MigrationSource, address
from templedb_nb.model.lint import Complaint
from templedb_nb.model.serialization import Digest

Bodies = Callable[[Iterable[Digest]], Mapping[Digest, bytes]]
"""Returns the bytes of blobs."""

_SEVERAL = frozenset({"Liquibase"})
"""Tools of which one file holds several migrations, which its text alone tells."""
_LONGEST = 1 << 16


@dataclass(slots=True)
class ReadCache:
    """What was read so far, by the address of its content; bounded, and safe with threads.

    A process has one, whoever owns it: a kernel's cells share what they read. The complaints are
    what a linter said of a text, by file, checksum, mode and version of the server.
    """

    scripts: BoundedCache[Address, Script] = field(default_factory=BoundedCache)
    marks: BoundedCache[Digest, tuple[ToolMark, ...]] = field(default_factory=BoundedCache)
    complaints: BoundedCache[tuple[str, str, bool, int], tuple[Complaint, ...]] = field(
        default_factory=BoundedCache
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Where the migrations of a release stand, and the scripts that tell."""

    look: FolderView
    migrations: tuple[status.GroupMigrations, ...]
    scripts: Mapping[Address, Script]


class Reader:
    """Reads the migrations of a release."""

    def __init__(self, bodies: Bodies, cache: ReadCache) -> None:
        """Read what *bodies* returns and *cache* does not hold."""
        self._bodies = bodies
        self.cache = cache

    def __call__(self, wanted: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Return the bytes of blobs."""
        return self._bodies(wanted)

    def observe(
        self,
        config: DeployConfig,
        files: Sequence[FileEntry],
        ledgers: status.Ledgers,
        *,
        also: Iterable[Address] = (),
        all_scripts: bool = False,
    ) -> Observation:
        """Return where the migrations of *files* stand by *ledgers*.

        Scripts are those that must be read to know it, and those at *also*; or *all_scripts*.
        """
        seen = self.look(config, files)
        found = status.migrations(config, files, seen, ledgers)
        if all_scripts:
            wanted = {
                address(file.blob, own.reading) for each in found for own, file in each.placed
            }
        else:
            wanted = set(status.unread(found, ledgers))
        return Observation(look=seen, migrations=found, scripts=self.scripts(wanted | set(also)))

    def scripts(self, sources: Iterable[Address]) -> dict[Address, Script]:
        """Return the migrations at those addresses, read and split."""
        wanted = frozenset(sources)
        found = self.cache.scripts.find(wanted)
        left = {
            each: each.blob if isinstance(each, MigrationSource) else each
            for each in wanted - found.keys()
        }
        bodies = self._bodies(frozenset(left.values()))
        for source, blob in left.items():
            reading = source.reading if isinstance(source, MigrationSource) else None
            found[source] = read_script(bodies[blob], reading)
        short = {each: found[each] for each, blob in left.items() if len(bodies[blob]) <= _LONGEST}
        self.cache.scripts.keep(short)
        return found

    def look(self, config: DeployConfig, files: Sequence[FileEntry]) -> FolderView:
        """Return what is to see in the files of migrations, beside their names."""
        wanted = status.to_look_at(config, [each.path for each in files])
        marked, now = wanted.marked, wanted.beside | wanted.whole
        blobs = {each.path: each.blob for each in files if each.path in marked or each.path in now}
        held = self.cache.marks.find(blobs.values())
        new = frozenset(b for path, b in blobs.items() if path in now or b not in held)
        bodies = self._bodies(new)
        texts = {blob: body.decode("utf-8", "replace") for blob, body in bodies.items()}
        whole = {p: bodies[blobs[p]].decode("utf-8", "surrogateescape") for p in wanted.whole}
        for path in marked & blobs.keys():
            if (blob := blobs[path]) not in held:
                held[blob] = marks(texts[blob].removeprefix("\ufeff"))
        self.cache.marks.keep(held)
        seen = {path: held[blobs[path]] for path in marked & blobs.keys()}
        several = {p: blobs[p] for p, own in seen.items() if any(m.tool in _SEVERAL for m in own)}
        if several:
            more = self._bodies(frozenset(several.values()))
            whole |= {p: more[b].decode("utf-8", "surrogateescape") for p, b in several.items()}
        beside = {path: texts[blobs[path]] for path in wanted.beside}
        return FolderView(marks=seen, beside=beside, texts=whole)
