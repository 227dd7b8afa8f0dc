"""Artifacts in a registry of container images: each content is a blob, kept by a manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from templedb_nb.errors import UnavailableArtifacts
from templedb_nb.model.serialization import Digest
from templedb_nb.ports.store import BlobSink

SCHEMES = ("oci://", "oci+http://")
PART = 1 << 20
TIMEOUT_S = 60.0
"""The library itself would wait for good."""
_CHUNK = 16 << 20
"""A content of more bytes is sent in parts."""
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of no bytes: some registries refuse an empty blob."""
_CONFIG = b"{}"
_CONFIG_BLOB = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
_KIND = "application/vnd.templedb.artifact"
_OK, _MISSING = range(200, 300), 404


class ArtifactRegistry:
    """Contents in a repository of a registry; credentials are those of ``docker login``."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Keep contents at *url*, such as ``oci://registry.example/team/artifacts``.

        A registry that says nothing for *timeout_s* seconds is given up.
        """
        self._url = url
        self._timeout_s = timeout_s
        self._opened: Any = None

    @property
    def title(self) -> str:
        """Name the place."""
        return self._url

    def has(self, blob: Digest) -> bool:
        """Return whether the content is there."""
        if blob == _NOTHING:
            return True
        with self.explained():
            registry, place = self._registry(), self._place(blob)
            return _there(registry.get_blob(place, f"sha256:{blob}", head=True))

    def read(self, blob: Digest, write: Callable[[bytes], object]) -> bool:
        """Hand the bytes over, part by part; return False if there are none."""
        if blob == _NOTHING:
            return True
        with self.explained():
            registry, place = self._registry(), self._place(blob)
            answer = registry.get_blob(place, f"sha256:{blob}", stream=True)
        with answer:
            with self.explained():
                if not _there(answer):
                    return False
            parts = answer.iter_content(PART)
            while True:
                with self.explained():
                    part = next(parts, b"")
                if not part:
                    return True
                write(part)

    @contextmanager
    def sink(self) -> Iterator[BlobSink]:
        """Take contents in."""
        sink = _RegistrySink(self)
        try:
            yield sink
        finally:
            sink.discard()

    def push(self, path: Path, blob: Digest, size: int) -> None:
        """Keep a file as a blob, and a manifest that names it: else the registry may remove it."""
        if blob == _NOTHING:
            return
        with self.explained():
            registry, place = self._registry(), self._place(blob)
            layer = {"mediaType": _KIND, "digest": f"sha256:{blob}", "size": size}
            many = size > _CHUNK
            _checked(registry.upload_blob(str(path), place, layer, many, _CHUNK))
            config = {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": f"sha256:{_CONFIG_BLOB}",
                "size": len(_CONFIG),
            }
            with tempfile.NamedTemporaryFile() as file:
                file.write(_CONFIG)
                file.flush()
                _checked(registry.upload_blob(file.name, place, config))
            manifest = {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config,
                "layers": [layer],
            }
            _checked(registry.upload_manifest(manifest, place))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of a registry that fails which one it was."""
        try:
            yield
        except UnavailableArtifacts:
            raise
        except ImportError:
            message = f"artifacts_store {self._url} needs the library oras"
            hint = "pip install 'templedb-nb[artifacts]'"
            raise UnavailableArtifacts(message, hint=hint) from None
        except Exception as error:  # the library and what it calls have many
            message = f"the artifacts in {self._url} cannot be read or written: {error}"
            hint = "check artifacts_store of the config; docker login has the credentials"
            raise UnavailableArtifacts(message, hint=hint) from error

    def _registry(self) -> Any:
        if self._opened is None:
            import oras.client  # the first module of the library that can be imported
            import oras.provider

            class OneTry(oras.provider.Registry):  # type: ignore[misc]  # oras has no types
                """A registry that is asked once: the library asks six times, over 131 s."""

                do_request = oras.provider.Registry.do_request.__wrapped__

            host = self._url.partition("://")[2].partition("/")[0]
            self._opened = OneTry(host, insecure=self._url.startswith("oci+http://"))
            session = self._opened.session  # the one by which it asks for tokens, too
            session.request = partial(session.request, timeout=self._timeout_s)
            self._opened.auth.load_configs(self._place(Digest(_CONFIG_BLOB)))
        return self._opened

    def _place(self, blob: Digest) -> Any:
        """Return where a content stands: in the repository, under a tag that is its hash."""
        import oras.client  # noqa: F401 - the first module of the library that can be imported
        from oras.container import Container

        repository = self._url.partition("://")[2].rstrip("/")
        return Container(f"{repository}:sha256-{blob}")


def _there(answer: Any) -> bool:
    """Return whether a registry has what it was asked for; raise where it does not say."""
    if answer.status_code != _MISSING:
        _checked(answer)
    return bool(answer.status_code != _MISSING)


def _checked(answer: Any) -> None:
    """Raise where a registry did not take what it was sent."""
    if answer.status_code not in _OK:
        raise OSError(f"the registry answered {answer.status_code}: {answer.text[:200]}")


class _RegistrySink:
    """Writes one content after another: into a file here, then to the registry as a whole."""

    def __init__(self, store: ArtifactRegistry) -> None:
        self._store = store
        self._file: IO[bytes] | None = None

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        self._growing().write(part)

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the current file under its address."""
        file = self._growing()
        file.flush()
        self._store.push(Path(file.name), blob, size)
        self.discard()

    def discard(self) -> None:
        """Forget the current file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _growing(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(prefix="templedb-artifact-")  # noqa: SIM115 - closed by `discard`
        return self._file
