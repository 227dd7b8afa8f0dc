"""Signatures of approvals: made with a person's SSH key, checked against a target's signers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from templedb_nb.app.environment import Environment
from templedb_nb.core.approval import signers
from templedb_nb.errors import ApprovalMissing, ConfigError, InvalidConfig, UsageProblem
from templedb_nb.files.document import read_text
from templedb_nb.model.approval import Approval, Proofs
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import from_plain, short, to_plain
from templedb_nb.model.target import NOBODY, Policy
from templedb_nb.shell.ssh import BROKEN, SshKeygen

FORMAT, BUNDLE_FORMAT = 2, 3
"""The versions of an approval's file, and of what is signed in it: of one plan, of several."""

NOT_INSTALLED = "its signature cannot be checked: ssh-keygen is not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """Which key signs: a file's name, or none for git's; and whether a terminal can be asked."""

    file: str = ""
    prompts: bool = False


class Signatures:
    """Use cases around signatures."""

    def __init__(self, system: Environment) -> None:
        """Work with the keys and the program that *system* has."""
        self._system = system
        self._ssh = SshKeygen(system.environ)

    def signed(self, approval: Approval, key: SigningKey) -> Approval:
        """Return *approval* with a signature by *key*."""
        file = key.file or self._of_git()
        signature = self._ssh.sign(approval.statement, file, prompts=key.prompts)
        return replace(approval, signature=signature)

    def proofs(self, policy: Policy, approvals: Iterable[Approval]) -> Proofs:
        """Check every signature among *approvals* against the signers of *policy*, now.

        Without ssh-keygen nothing is proven; where signatures are demanded, that is an error.
        """
        lines = policy.signers
        asked = [each for each in approvals if each.signature and lines]
        try:
            return Proofs(
                signers=lines, found={each.proof: self._doubt(each, lines) for each in asked}
            )
        except ConfigError:
            if policy.signed:
                raise
            return Proofs(signers=lines, found={each.proof: NOT_INSTALLED for each in asked})

    def _doubt(self, each: Approval, lines: tuple[str, ...]) -> str:
        if lines == NOBODY:
            return "no signer is known to both the target and its ledger"
        doubts = (
            self._ssh.doubt(said, each.signature, each.given_by, lines) for said in each.statements
        )
        return next((doubt for doubt in doubts if doubt != BROKEN), BROKEN)

    def _of_git(self) -> str:
        """Return the key that git signs with, where that is an SSH key."""
        git = self._system.git
        form, key = git("gpg.format"), git("--type=path", "user.signingkey")
        if form == "ssh" and key:
            return key
        message = (
            "no key to sign with: git has no SSH signing key (user.signingkey, gpg.format ssh)"
        )
        raise UsageProblem(message, hint="name the key: --sign ~/.ssh/id_ed25519")


def read_signers(path: str) -> tuple[str, ...]:
    """Return the lines of an allowed_signers file, or raise with everything that is wrong."""
    lines, problems = signers.signers(read_text(path, None))
    if problems or not lines:
        message = f"{path} names nobody who may sign" if lines or problems else f"{path} is empty"
        hint = "write lines such as: emil@example.com ssh-ed25519 AAAA…"
        raise InvalidConfig(message, problems=problems, hint=hint)
    return lines


# --- an approval as a file ------------------------------------------------------------------------


def write_approvals(path: Path, approvals: Sequence[Approval]) -> None:
    """Write one signed approval, or those of a bundle, into a file."""
    rows = [_written(each) for each in approvals]
    body = {"approvals": rows} if len(rows) > 1 else rows[0]
    number = BUNDLE_FORMAT if len(rows) > 1 else FORMAT
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps({"templedb_approval": number, **body}, indent=2) + "\n")
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise ConfigError(message, hint="name a file that does not exist") from None


def _written(approval: Approval) -> dict[str, Any]:
    plain: Any = to_plain(approval)
    own = {name: item for name, item in plain.items() if name not in _NEVER}
    return own | {"given_at": approval.moment}


def read_approvals(path: Path) -> tuple[Approval, ...]:
    """Return the approvals that a file holds; their signatures are not checked by that."""
    try:
        plain = json.loads(read_text(str(path), None))
        number = plain.pop("templedb_approval")
        if number > BUNDLE_FORMAT:
            message = (
                f"a newer templedb wrote {path}: format {number}; this one reads {BUNDLE_FORMAT}"
            )
            raise ConfigError(message, hint="pip install --upgrade templedb-nb")
        rows = plain["approvals"] if number == BUNDLE_FORMAT else [plain]
        return tuple(_read(each) for each in rows)
    except RecursionError:
        raise ConfigError(f"{path} is not an approval: it is nested too deeply") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not an approval: {error}") from None


def _read(plain: dict[str, Any]) -> Approval:
    if _NEVER & plain.keys():
        raise ValueError("an approval must not contain that key")
    approval: Approval = from_plain(Approval, plain)
    return approval


_NEVER = frozenset({"identity", "used_by"})
"""What no file says of an approval: it is found when the approval is counted."""


def fitting(path: Path, approvals: Iterable[Approval], plan: Plan) -> Approval:
    """Return the approval of a file for *plan*, or raise why none can count for it at all."""
    again = f"templedb approve {short(plan.id)} --reason WHY --sign --out FILE"
    own = (plan.content_hash, plan.project, plan.target)
    found = (e for e in approvals if (e.content_hash, e.project, e.target) == own)
    approval = next(found, None)
    if approval is None:
        message = f"{path} is for another plan than {short(plan.id)} for {plan.target}"
        raise ApprovalMissing(message, hint=again)
    if not approval.signature:
        message = f"{path} is not signed: a file counts only if it is signed"
        raise ApprovalMissing(message, hint=again)
    if not plan.policy.signers:
        message = f"{path} cannot be checked: {plan.target} names nobody who may sign"
        hint = f"templedb target update {plan.target} --signers FILE"
        raise ApprovalMissing(message, hint=hint)
    return approval
