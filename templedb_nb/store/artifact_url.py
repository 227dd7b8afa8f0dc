"""Artifacts at a URL of fsspec: S3, Google Cloud Storage and others, each by its own library."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from templedb_nb.errors import UnavailableArtifacts
from templedb_nb.model.serialization import Digest
from templedb_nb.ports.store import BlobSink

PART = 1 << 20
_ALGORITHM, _GROWING = "sha256", "growing"


class ArtifactUrl:
    """Contents below a URL; credentials are those that the library finds by itself."""

    def __init__(self, url: str) -> None:
        """Keep contents below *url*; nothing is opened yet."""
        self._url = url
        self._opened: tuple[Any, str] | None = None

    @property
    def title(self) -> str:
        """Name the place."""
        return self._url

    def has(self, blob: Digest) -> bool:
        """Return whether the content is there."""
        with self.explained():
            return bool(self.system.exists(self.place(blob)))

    def read(self, blob: Digest, write: Callable[[bytes], object]) -> bool:
        """Hand the bytes over, part by part; return False if there are none."""
        if not self.has(blob):
            return False
        with self.explained():
            file = self.system.open(self.place(blob), "rb")
        with file:
            while True:
                with self.explained():
                    part = file.read(PART)
                if not part:
                    return True
                write(part)

    @contextmanager
    def sink(self) -> Iterator[BlobSink]:
        """Take contents in."""
        sink = _UrlSink(self)
        try:
            yield sink
        finally:
            sink.discard()

    @property
    def system(self) -> Any:
        """Return the file system of the library."""
        return self._open()[0]

    def place(self, blob: Digest) -> str:
        """Return where a content stands."""
        return f"{self._open()[1]}/{_ALGORITHM}/{blob[:2]}/{blob}"

    def growing(self) -> str:
        """Return a path at which a content may grow."""
        return f"{self._open()[1]}/{_GROWING}/{secrets.token_hex(16)}"

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            try:
                import fsspec
            except ImportError:
                message = f"artifacts_store {self._url} needs the library fsspec"
                hint = "pip install 'templedb-nb[artifacts]'"
                raise UnavailableArtifacts(message, hint=hint) from None
            system, root = fsspec.url_to_fs(self._url)
            self._opened = system, root.rstrip("/")
        return self._opened

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of a library that fails which place it was."""
        try:
            yield
        except UnavailableArtifacts:
            raise
        except ImportError as error:
            message = f"artifacts_store {self._url} needs another library: {error}"
            raise UnavailableArtifacts(message, hint="install it beside templedb-nb") from error
        except Exception as error:  # each library has errors of its own
            message = f"the artifacts in {self._url} cannot be read or written: {error}"
            hint = "check artifacts_store of the config, and the credentials of the library"
            raise UnavailableArtifacts(message, hint=hint) from error


class _UrlSink:
    """Writes one content after another, under another name first: not every store is atomic."""

    def __init__(self, store: ArtifactUrl) -> None:
        self._store = store
        self._open: tuple[Any, str] | None = None

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        with self._store.explained():
            self._growing()[0].write(part)

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the current file under its address."""
        del size
        with self._store.explained():
            file, path = self._growing()
            file.close()
            place, system = self._store.place(blob), self._store.system
            system.makedirs(place.rpartition("/")[0], exist_ok=True)
            system.mv(path, place)
            self._open = None

    def discard(self) -> None:
        """Forget the current file."""
        if self._open is None:
            return
        file, path = self._open
        self._open = None
        with suppress(Exception):  # what is left has no name that anybody looks for
            file.close()
            self._store.system.rm(path)

    def _growing(self) -> tuple[Any, str]:
        if self._open is None:
            path = self._store.growing()
            self._store.system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._open = self._store.system.open(path, "wb"), path
        return self._open
