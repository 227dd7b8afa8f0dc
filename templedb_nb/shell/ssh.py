"""Signatures by ssh-keygen: OpenSSH's own program makes them and checks them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import ConfigError

NAMESPACE = "templedb"
"""What a signature is for: one that was made for git or for mail is not an approval."""

BROKEN = "its signature is invalid, or is for something else"
"""Of a signature that is none of the text, whoever made it."""

HEADLESS_S = 60
"""How long a key may take where nobody can be asked for a passphrase or a touch."""

_CHECK_S = 30
_ON_LINE = re.compile(r"^\S+:\d+: (.+)$", re.MULTILINE)


class SshKeygen:
    """Runs ssh-keygen with a person's environment: their agent, their home."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Find the program in the PATH of *environment*."""
        self._environment = environment

    def sign(self, text: bytes, key: str, *, prompts: bool) -> str:
        """Return a signature of *text* by *key*: a private key, or a .pub whose agent has it.

        *prompts* lets ssh-keygen ask at the terminal for a passphrase; else it asks nobody.
        """
        with tempfile.TemporaryDirectory(prefix="templedb-sign-") as folder:
            said = Path(folder) / "statement"
            said.write_bytes(text)
            words = ["-q", "-Y", "sign", "-n", NAMESPACE, "-f", _literal(key, folder), str(said)]
            done = self._person(words) if prompts else self._headless(words)
            signature = said.with_name("statement.sig")
            if done.returncode == 0 and signature.exists():
                return signature.read_text(encoding="utf-8")
        told = (done.stderr or "its output is above").strip().replace("\n", "; ")
        hint = "name another key: --sign KEYFILE; a key with a passphrase needs a terminal or an"
        raise ConfigError(f"ssh-keygen did not sign with {key}: {told}", hint=f"{hint} ssh-agent")

    def doubt(self, text: bytes, signature: str, name: str, signers: Sequence[str]) -> str:
        """Return why *signature* is not one of *text* by *name*, now; nothing if it is."""
        with tempfile.TemporaryDirectory(prefix="templedb-verify-") as folder:
            allowed, sig = Path(folder) / "allowed_signers", Path(folder) / "signature"
            allowed.write_text("".join(f"{line}\n" for line in signers), encoding="utf-8")
            sig.write_text(signature, encoding="utf-8")
            where = ["-n", NAMESPACE, "-s", str(sig)]
            by = ["-Y", "verify", "-f", str(allowed), "-I", name]
            done = self._run([*by, *where], text)
            if done.returncode == 0:
                return ""
            if self._run(["-Y", "check-novalidate", *where], text).returncode:
                return BROKEN
            if found := _ON_LINE.search(done.stderr):
                return f"it is signed, but the {found[1]}"
            look = ["-Y", "find-principals", "-f", str(allowed), "-s", str(sig)]
            owners = self._run(look, b"").stdout.split()
        if owners:
            return f"it is signed with the key of {', '.join(owners)}"
        return "it is signed with a key that may not sign here"

    def _headless(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run without a terminal, so that no question can be asked and none can hang."""
        try:
            return subprocess.run(  # noqa: S603 - the program that was found, words of ours
                [self._program(), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env={**self._environment, "SSH_ASKPASS_REQUIRE": "never"},
                start_new_session=True,
                timeout=HEADLESS_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            told = f"it did not answer within {HEADLESS_S} s"
            return subprocess.CompletedProcess(words, 1, stdout="", stderr=told)

    def _person(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run at the terminal, where ssh-keygen asks what it has to."""
        return subprocess.run(  # noqa: S603 - the program that was found, words of ours
            [self._program(), *words],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(self._environment),
            check=False,
        )

    def _run(self, words: Sequence[str], text: bytes) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(  # noqa: S603 - the program that was found, words of ours
                [self._program(), *words],
                input=text,
                capture_output=True,
                env=dict(self._environment),
                timeout=_CHECK_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"ssh-keygen did not check a signature within {_CHECK_S} s"
            raise ConfigError(
                message, hint="try again; ssh-keygen -Y shows whether it works"
            ) from None
        out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(words, done.returncode, stdout=out, stderr=err)

    def _program(self) -> str:
        program = shutil.which("ssh-keygen", path=self._environment.get("PATH"))
        if program is None:
            hint = "apt install openssh-client (macOS has it; OpenSSH 8.9 or newer)"
            raise ConfigError("signatures need the program ssh-keygen", hint=hint)
        return program


def _literal(key: str, folder: str) -> str:
    """Return the file of *key*; git's setting may hold the public key itself."""
    text = key.removeprefix("key::")
    if not text.startswith(("ssh-", "ecdsa-", "sk-")):
        return str(expanded(key))
    public = Path(folder) / "key.pub"
    public.write_text(f"{text}\n", encoding="utf-8")
    return str(public)
