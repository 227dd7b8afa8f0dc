"""Values sealed at rest: AES-256-GCM, bound to the place that they belong to.

A sealed value is ``v1:<key id>:<base64 of nonce and cipher text>``. Project, target and name are
its associated data, so that a value moved to another row does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from templedb_nb.errors import SecretError
from templedb_nb.model.variable import Variable

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "v1"
_NEW_KEY = "openssl rand -base64 32"


class Seal:
    """Seals and opens with one key: TEMPLEDB_KEY, else a file that is made when needed."""

    def __init__(self, given: str | None, file: Path) -> None:
        """Use *given* (base64 of 32 bytes), or the key in *file*."""
        self._given = given
        self._file = file
        self._key: bytes | None = None

    def seal(self, place: Variable, value: str) -> str:
        """Return *value* as it may be stored."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._load(create=True)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, value.encode(), _bound(place))
        return f"{_FORMAT}:{key_id(key)}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, variable: Variable) -> str:
        """Return the value of a sealed variable, or raise `SecretError`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._load(create=False)
        sealed = self._fitting(variable, key)
        try:
            nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, rest, _bound(variable)).decode()
        except (InvalidTag, ValueError) as error:
            message = (
                f"the sealed value of {variable.name} is damaged, or belongs to another variable"
            )
            raise SecretError(message, hint=_again(variable)) from error

    def trouble(self, variable: Variable) -> str:
        """Return why a sealed variable cannot be opened, or nothing."""
        try:
            self.open(variable)
        except SecretError as error:
            return error.message
        return ""

    def _fitting(self, variable: Variable, key: bytes) -> bytes:
        try:
            form, wanted, body = variable.text.split(":", 2)
            sealed = base64.b64decode(body, validate=True)
        except (ValueError, binascii.Error) as error:
            message = f"the sealed value of {variable.name} is damaged"
            raise SecretError(message, hint=_again(variable)) from error
        if form != _FORMAT:
            raise SecretError(f"a newer templedb sealed {variable.name}")
        if wanted != key_id(key):
            message = f"{variable.name} was sealed with key {wanted}; the key here is {key_id(key)}"
            hint = f"set TEMPLEDB_KEY to that key, or {_again(variable)}"
            raise SecretError(f"wrong key: {message}", hint=hint)
        return sealed

    def _load(self, *, create: bool) -> bytes:
        if self._key is None:
            self._key = _decoded(self._given) if self._given else self._from_file(create=create)
        return self._key

    def _from_file(self, *, create: bool) -> bytes:
        try:
            if create and not self._file.exists():
                _create(self._file)
            text = self._file.read_text(encoding="ascii")
        except FileNotFoundError as error:
            hint = "set TEMPLEDB_KEY, or restore the key file"
            raise SecretError(f"there is no key: {self._file} does not exist", hint=hint) from error
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"cannot read the key file {self._file}: {error}") from error
        if self._file.stat().st_mode & 0o077:
            hint = f"chmod 600 {self._file}"
            raise SecretError(f"other users can read the key file {self._file}", hint=hint)
        return _decoded(text)


def key_id(key: bytes) -> str:
    """Name a key without telling it."""
    return hashlib.sha256(b"templedb key:" + key).hexdigest()[:8]


def _decoded(text: str) -> bytes:
    with suppress(ValueError, binascii.Error):
        raw = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
        if len(raw) == KEY_BYTES:
            return raw
    message = f"the key is not the base64 of {KEY_BYTES} bytes"
    raise SecretError(message, hint=f"make one with: {_NEW_KEY}")


def _create(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    with suppress(FileExistsError):
        os.link(part, file)  # the first process to link wins; the others read its key
    part.unlink()


def _bound(place: Variable) -> bytes:
    return "\0".join((place.project, place.target or "", place.name)).encode()


def _again(variable: Variable) -> str:
    where = f" --target {variable.target}" if variable.target else ""
    return f"set the value again: templedb env set {variable.project} {variable.name}{where}"
