"""References of container images, as a build writes them into a file."""

from __future__ import annotations

import re

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:]+\])(?::\d+)?"
)
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?P<digest>@{_DIGEST})?"
)
LONGEST = 4096
"""So many bytes a file may have that names an image."""
_EXAMPLE = "registry.example/app@sha256:…"


def pinned(reference: str) -> bool:
    """Return whether a reference has the digest of its image, which never names another one."""
    found = _REFERENCE.fullmatch(reference)
    return bool(found and found["digest"])


def reference(text: str) -> tuple[str, str]:
    """Return the reference that a file holds, or nothing and what is wrong with the file."""
    lines = text.splitlines()
    if not text.strip():
        return "", "is empty"
    if len(lines) > 1 and any(line.strip() for line in lines[1:]):
        return "", f"has {len(lines)} lines; it must hold one reference, such as {_EXAMPLE}"
    found = lines[0].strip()
    if re.fullmatch(_DIGEST, found):
        return "", f"holds a digest alone; write the whole reference, such as {_EXAMPLE}"
    if not _REFERENCE.fullmatch(found):
        return "", f"does not hold the reference of an image, such as {_EXAMPLE}"
    return found, ""
