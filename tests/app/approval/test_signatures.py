"""Approvals that are signed: who really gave them, and what of them was changed afterwards."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from templedb_nb.core.approval.policy import decision
from templedb_nb.core.approval.signers import signers
from templedb_nb.model.approval import Approval, Proofs, Verdict
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DATABASE_URL, NOBODY, Policy, TargetName
from templedb_nb.store.duckdb.state_file import StateFile
from tests import former
from tests.app.approval.test_approvals import plan
from tests.conftest import MIGRATIONS, Database, Said, Shop
from tests.views.test_cards import plan as a_preview

EMIL, ANA = "emil@example.com", "ana@example.com"


@dataclass
class Ring:
    """Keys of people, and a shop whose target wants approvals that are signed by them."""

    shop: Shop
    folder: Path

    def key(self, name: str, passphrase: str = "") -> str:
        path = self.folder / name
        if not path.exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
            subprocess.run(words, check=True)
        return str(path)

    def line(self, name: str, who: str, options: str = "") -> str:
        public = Path(f"{self.key(name)}.pub").read_text().split()[:2]
        return " ".join([who, *([options] if options else []), *public])

    def signers(self, *lines: str) -> str:
        path = self.folder / "allowed_signers"
        path.write_text("# who may sign\n\n" + "".join(f"{line}\n" for line in lines))
        return str(path)

    def wants(self, *words: str, reason: str = "") -> str:
        """Say what the target demands, and return a plan that waits."""
        why = ("--reason", reason) if reason else ()
        self.shop.terminal("target", "update", "app", "staging", *words, *why)
        return plan(self.shop)[:12]

    def say(self, plan: str, by: str, key: str, *words: str, verb: str = "approve", code: int = 0,
            reason: str = "read it") -> Said:  # fmt: skip
        before = self.shop.terminal.environ["TEMPLEDB_USER"]
        self.shop.terminal.set(TEMPLEDB_USER=by)
        try:
            given = ("--reason", reason, "--sign", self.key(key), *words)
            return self.shop.terminal(verb, plan, *given, code=code)
        finally:
            self.shop.terminal.set(TEMPLEDB_USER=before)

    def change(self, sql: str) -> None:
        """Change approvals by hand, here and in the ledger."""
        with StateFile(self.shop.terminal.state).session() as session:
            session.execute(sql)
        if self.shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'"):
            self.shop.pg.query(
                sql.replace("UPDATE ", "UPDATE templedb.").replace("approvals", "approval")
            )


@pytest.fixture
def ring(shop: Shop, tmp_path: Path) -> Ring:
    made = Ring(shop=shop, folder=tmp_path / "keys")
    made.folder.mkdir()
    shop.terminal.set(GIT_CONFIG_GLOBAL=str(tmp_path / "gitconfig"), SSH_AUTH_SOCK="")
    return made


@pytest.fixture
def signed(ring: Ring) -> Ring:
    """Emil and Ana may sign; and only what is signed counts."""
    lines = (ring.line("emil", EMIL), ring.line("ana", ANA))
    ring.wants("--signed", "--signers", ring.signers(*lines))
    return ring


def test_approval_counts_when_signed(signed: Ring) -> None:
    made = plan(signed.shop)[:12]
    said = signed.say(made, EMIL, "emil").out
    assert f"signed by {EMIL}" in said
    assert f"approved and signed by {EMIL} at" in signed.shop.run("--dry-run").out
    assert "2 migrations applied" in signed.shop.run().out


def test_unsigned_approval_does_not_count_when_signatures_are_required(signed: Ring) -> None:
    made = plan(signed.shop)[:12]
    said = signed.shop.approve(made, by=EMIL).out
    assert "it does not count: staging requires a signature (--sign)" in said
    said = signed.shop.run(code=20).err
    assert f"the approval of {EMIL} does not count: it is not signed" in said
    assert "it requires 1 signed approval" in said
    assert "--reason WHY --sign" in said
    assert signed.shop.pg.tables() == []


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'something else'",
        f"given_by = '{ANA}'",
        "given_at = given_at + INTERVAL 1 HOUR",
        "through = 'notebook button'",
        "id = '0' || id",
        "signature = replace(signature, 'U', 'V')",
    ],
)
def test_signed_approval_does_not_count_when_changed_afterwards(signed: Ring, change: str) -> None:
    made = plan(signed.shop)[:12]
    signed.say(made, EMIL, "emil")
    signed.change(f"UPDATE approvals SET {change}")
    said = signed.shop.run(code=20).err
    assert "does not count: its signature is invalid, or is for something else" in said


def test_signature_counts_when_made_by_an_earlier_templedb(signed: Ring) -> None:
    """Its text was of version 1, in which nobody signed through what they said it."""
    shop = signed.shop
    made = plan(shop)[:12]
    signed.say(made, EMIL, "emil")
    with StateFile(shop.terminal.state).session() as session:
        (row,) = session.execute("SELECT id, plan, content_hash FROM approvals").fetchall()
        at = session.execute("SELECT given_at FROM approvals").fetchall()[0][0]
    said = {"templedb_approval": 1, "id": row[0], "plan": row[2], "project": "app"}
    said |= {"target": "staging", "verdict": "approved", "by": EMIL, "reason": "read it"}
    said |= {"at": at.replace(tzinfo=UTC).isoformat(timespec="microseconds")}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "templedb", "-f", signed.key("emil")]
    done = subprocess.run(words, input=text.encode(), capture_output=True, check=True)
    signed.change(f"UPDATE approvals SET signature = '{done.stdout.decode()}'")
    assert f"signed by {EMIL}" in shop.terminal("approvals", made).out
    signed.change("UPDATE approvals SET reason = 'something else'")
    assert "its signature is invalid" in shop.run(code=20).err
    signed.change("UPDATE approvals SET reason = 'read it'")
    assert "2 migrations applied" in shop.run().out


def test_signed_approval_does_not_count_when_moved_to_another_plan(signed: Ring) -> None:
    signed.say(plan(signed.shop)[:12], EMIL, "emil")
    signed.shop.migration("003.sql", "DROP TABLE users;")
    other = plan(signed.shop)
    content = signed.shop.terminal("deploy", "plan", "app", "--json").json[-1]["content_hash"]
    signed.change(f"UPDATE approvals SET content_hash = '{content}', plan = '{other}'")
    said = signed.shop.run(code=20).err
    assert "its signature is invalid, or is for something else" in said


def test_approval_is_refused_and_not_kept_when_its_signature_would_not_count(signed: Ring) -> None:
    made = plan(signed.shop)[:12]
    said = signed.say(made, EMIL, "stranger", code=78).err
    assert "it is signed with a key that may not sign here; nothing was recorded" in said
    said = signed.say(made, EMIL, "ana", code=78).err
    assert f"it is signed with the key of {ANA}" in said
    assert "no plan was approved or rejected yet" in signed.shop.terminal("approvals", made).out


def test_approval_by_a_foreign_key_does_not_count_when_recorded_before_the_policy(
    ring: Ring,
) -> None:
    """Given where names nobody, they are signed by whomever; then the target names people."""
    lines = ring.signers(ring.line("emil", EMIL), ring.line("ana", ANA))
    made = ring.wants("--approvals", "1")
    ring.say(made, EMIL, "stranger")
    policy = ring.wants("--signed", "--signers", lines)
    content = ring.shop.terminal("deploy", "plan", "app", "--json").json[-1]["content_hash"]
    ring.change(f"UPDATE approvals SET content_hash = '{content}', plan = '{policy}'")
    assert "does not count" in ring.shop.run(code=20).err


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("emil", 'valid-before="20200101"', "the key has expired"),
        ("emil", 'valid-after="20990101"', "the key is not yet valid"),
        ("emil", 'namespaces="git"', "not permitted for use in signature namespace"),
    ],
)
def test_signature_is_refused_when_the_signer_line_limits_the_key(
    ring: Ring, name: str, options: str, why: str
) -> None:
    lines = ring.signers(ring.line(name, EMIL, options), ring.line("ana", ANA))
    made = ring.wants("--signed", "--signers", lines)
    assert why in ring.say(made, EMIL, name, code=78).err
    assert why not in ring.say(made, ANA, "ana").err


def test_earlier_signature_does_not_count_when_its_key_is_removed_from_the_signers(
    signed: Ring,
) -> None:
    made = plan(signed.shop)[:12]
    signed.say(made, EMIL, "emil")
    later = signed.wants("--signers", signed.signers(signed.line("ana", ANA)))
    assert later != made
    signed.shop.run(code=20)
    said = signed.shop.terminal("deploy", "run", "--plan", made, code=22).err
    assert "staging changed since plan" in said


def test_signers_stay_as_taken_in_when_their_file_changes_later(signed: Ring) -> None:
    made = plan(signed.shop)[:12]
    signed.signers(signed.line("stranger", EMIL))
    assert plan(signed.shop)[:12] == made
    assert "a key that may not sign here" in signed.say(made, EMIL, "stranger", code=78).err


def test_target_update_needs_a_reason_when_it_changes_the_signers(signed: Ring) -> None:
    signed.say(plan(signed.shop)[:12], EMIL, "emil")
    signed.shop.run()
    file = signed.signers(signed.line("emil", EMIL), signed.line("zoe", "zoe@example.com"))
    how = ("target", "update", "app", "staging", "--signers", file)
    assert "this lowers what staging requires" in signed.shop.terminal(*how, code=64).err
    signed.shop.terminal(*how, "--reason", "zoe is new")
    ((detail,),) = signed.shop.pg.query("SELECT detail FROM templedb.event WHERE what = 'policy'")
    assert detail["reason"] == "zoe is new"
    assert any(line.startswith("zoe@") for line in detail["policy"]["signers"])
    how = ("target", "update", "app", "staging", "--no-signed", "--signers", "")
    assert "this lowers" in signed.shop.terminal(*how, code=64).err


def test_fresh_state_cannot_bring_its_own_signers_when_the_ledger_has_a_policy(
    signed: Ring, tmp_path: Path
) -> None:
    shop = signed.shop
    signed.say(plan(shop)[:12], EMIL, "emil")
    shop.run()
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    shop.terminal.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS)
    file = signed.signers(signed.line("stranger", EMIL))
    shop.terminal("target", "add", "app", "staging", "--signed", "--signers", file)
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    made = plan(shop)[:12]
    said = signed.say(made, EMIL, "stranger", code=78).err
    assert "no signer is known to both the target and its ledger" in said
    assert "more" not in shop.pg.tables()


def test_approvals_of_the_same_person_count_once_when_two_are_required(ring: Ring) -> None:
    lines = (ring.line("emil", EMIL), ring.line("ana", ANA))
    made = ring.wants("--signed", "--approvals", "2", "--signers", ring.signers(*lines))
    ring.say(made, EMIL, "emil")
    ring.say(made, EMIL, "emil", reason="and again")
    assert "has 1 of 2 approvals" in ring.shop.run(code=20).err
    ring.say(made, ANA, "ana")
    assert "2 migrations applied" in ring.shop.run().out


def test_rejection_holds_until_a_signed_approval_when_signatures_are_required(
    signed: Ring,
) -> None:
    made = plan(signed.shop)[:12]
    signed.say(made, EMIL, "emil")
    signed.shop.judge("reject", made, ANA, "no index")
    assert f"was rejected by {ANA}" in signed.shop.run(code=21).err
    signed.shop.approve(made, by=ANA)
    assert f"was rejected by {ANA}" in signed.shop.run(code=21).err
    signed.say(made, ANA, "ana")
    signed.shop.run()


def test_signatures_are_checked_and_shown_when_none_is_required(ring: Ring) -> None:
    file = ring.signers(ring.line("emil", EMIL))
    made = ring.wants("--approvals", "2", "--signers", file)
    ring.say(made, EMIL, "emil")
    ring.shop.approve(made, by=ANA)
    for said in (ring.shop.terminal("approvals").out, ring.shop.terminal("approvals", made).out):
        assert f"signed by {EMIL}" in said
        assert f"{ANA} (unverified)" in said
    rows = ring.shop.terminal("approvals", made, "--json").json[-1]["rows"]
    assert [row["identity"] for row in rows] == ["unverified", f"signed by {EMIL}"]
    ring.change(f"UPDATE approvals SET reason = 'no' WHERE given_by = '{EMIL}'")
    said = ring.shop.terminal("approvals", made).out
    assert f"{EMIL} (unverified: its signature is invalid, or is for something else)" in said
    assert "2 migrations applied" in ring.shop.run().out


def test_dataframes_and_cards_name_the_signer_when_an_approval_is_signed(ring: Ring) -> None:
    from templedb_nb.api import Temple, frame
    from templedb_nb.views.html import bundle

    made = ring.wants("--approvals", "2", "--signers", ring.signers(ring.line("emil", EMIL)))
    ring.say(made, EMIL, "emil")
    ring.shop.approve(made, by="<ana>")
    app = Temple.open()
    assert list(frame(app.approvals(made))["identity"]) == ["unverified", f"signed by {EMIL}"]
    card = str(bundle(app.plan("app"))["text/html"])
    assert f"and signed by {EMIL}" in card
    assert "by &lt;ana&gt; (unverified)" in card


def test_approval_is_signed_when_given_from_python(signed: Ring) -> None:
    from templedb_nb.api import Temple

    signed.shop.terminal.set(TEMPLEDB_USER=EMIL)
    app = Temple.open()
    given = app.approve(plan(signed.shop), "read it", sign=signed.key("emil"))
    assert given.identity == f"signed by {EMIL}"
    assert app.run("app").applied() == 2


def test_approval_is_not_counted_as_proven_when_it_comes_after_the_check() -> None:
    """What appears only inside the deciding transaction was checked by nobody."""
    preview = a_preview("echo")
    policy = Policy(signed=True, signers=("emil ssh-ed25519 AAAA",))
    made = Plan(
        project="shop",
        target=TargetName("staging"),
        groups=preview.plan.groups,
        policy=policy,
        databases=(),
        variables=(),
        base=Digest("0" * 64),
    )
    word = an_approval(made)
    now = word.given_at
    found = decision(made, [word], "rosa", now, Proofs(signers=policy.signers))
    assert found.missing == 1
    assert "not checked" in found.left_out[0]
    good = Proofs(signers=policy.signers, found={word.proof: ""})
    assert decision(made, [word], "rosa", now, good).missing == 0
    elsewhere = Proofs(signers=("emil ssh-ed25519 BBBB",), found={word.proof: ""})
    assert decision(made, [word], "rosa", now, elsewhere).missing == 1


def an_approval(made: Plan) -> Approval:
    return Approval(
        id="0198c0de-0000-7000-8000-000000000001",
        plan=made.id,
        content_hash=made.content_hash,
        project=made.project,
        target=made.target,
        given_by="emil",
        given_at=datetime(2026, 11, 23, 13, 2, 5, 120000, tzinfo=timezone(timedelta(hours=1))),
        reason='read "it"\nby: ana',
        through="terminal",
        signature="-----BEGIN SSH SIGNATURE-----\n",
    )


def test_approval_statement_has_a_fixed_text() -> None:
    made = a_preview("echo").plan
    word = an_approval(made)
    said = (
        '{"at":"2026-11-23T12:02:05.120000+00:00","by":"emil",'
        '"id":"0198c0de-0000-7000-8000-000000000001",'
        f'"plan":"{made.content_hash}","project":"{made.project}",'
        '"reason":"read \\"it\\"\\nby: ana",'
        f'"target":{json.dumps(made.target, ensure_ascii=False)},"templedb_approval":2,'
        '"through":"terminal","verdict":"approved"}'
    )
    assert word.statement == said.encode()


def test_plan_keeps_its_content_hash_when_its_target_requires_no_signature() -> None:
    """Bundles and approvals from before signatures still fit."""
    made = Plan(
        project="shop",
        target=TargetName("staging"),
        groups=(PlannedGroup(name="g", steps=()),),
        policy=Policy(approvals=1),
        databases=(DATABASE_URL,),
        variables=(),
        base=Digest("0" * 64),
    )
    assert made.content_hash.startswith("5d5ccd2f9c81d01a")


# --- keys -----------------------------------------------------------------------------------------


def test_git_signing_key_is_used_when_no_key_is_named(signed: Ring) -> None:
    made, terminal = plan(signed.shop)[:12], signed.shop.terminal
    terminal.set(TEMPLEDB_USER=EMIL)
    said = terminal("approve", made, "--reason", "x", "--sign", code=64).err
    assert "no key to sign with" in said
    assert "--sign ~/.ssh/id_ed25519" in said
    for name, value in (("gpg.format", "ssh"), ("user.signingkey", signed.key("emil"))):
        subprocess.run(["git", "config", "--global", name, value], check=True)
    assert f"signed by {EMIL}" in terminal("approve", made, "--reason", "x", "--sign").out


def test_agent_key_signs_when_only_its_public_half_is_given(signed: Ring) -> None:
    key = signed.key("emil")
    public = f"{key}.pub"
    told = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    socket, pid = (
        told.split(f"{name}=")[1].split(";")[0] for name in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")
    )
    try:
        subprocess.run(
            ["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": socket}, check=True
        )
        Path(key).unlink()
        signed.shop.terminal.set(TEMPLEDB_USER=EMIL, SSH_AUTH_SOCK=socket)
        made = plan(signed.shop)[:12]
        words = ("approve", made, "--reason", "x", "--sign")
        assert f"signed by {EMIL}" in signed.shop.terminal(*words, public).out
        literal = Path(public).read_text().strip()
        for name, value in (("gpg.format", "ssh"), ("user.signingkey", f"key::{literal}")):
            subprocess.run(["git", "config", "--global", name, value], check=True)
        assert f"signed by {EMIL}" in signed.shop.terminal(*words).out
    finally:
        os.kill(int(pid), 15)


def test_approval_fails_without_waiting_when_nobody_can_be_asked_for_the_passphrase(
    signed: Ring,
) -> None:
    signed.key("locked", passphrase="a secret")
    said = signed.say(plan(signed.shop)[:12], EMIL, "locked", code=78).err
    assert "ssh-keygen did not sign with" in said
    assert "a terminal or an ssh-agent" in said


def test_passphrase_is_asked_for_when_at_a_terminal(ring: Ring) -> None:
    ring.key("locked", passphrase="a secret")
    file = ring.signers(ring.line("locked", EMIL))
    made = ring.wants("--signed", "--signers", file)
    words = ("approve", made, "--reason", "x", "--sign", ring.key("locked"))
    pid, terminal = pty.fork()
    if not pid:
        os.environ |= ring.shop.terminal.environ | {"TEMPLEDB_USER": EMIL}
        os.execv(sys.executable, [sys.executable, "-m", "templedb_nb", *words])
    said = b""
    while b"passphrase" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, b"a secret\n")
    while chunk := _read(terminal):
        said += chunk
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said.decode()
    assert f"signed by {EMIL}" in said.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # the other end is closed
        return b""


def test_error_says_what_to_install_when_ssh_keygen_is_missing(
    signed: Ring, tmp_path: Path
) -> None:
    made = plan(signed.shop)[:12]
    signed.say(made, EMIL, "emil")
    empty = tmp_path / "bin"
    empty.mkdir()
    signed.shop.terminal.set(PATH=str(empty))
    for said in (
        signed.shop.run(code=78).err,
        signed.say(made, EMIL, "emil", code=78).err,
    ):
        assert "signatures need the program ssh-keygen" in said
        assert "apt install openssh-client" in said
    assert "signed by" not in signed.shop.terminal("approvals", made).out


# --- the file of signers --------------------------------------------------------------------------

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYyK8lJpRUeGTPTVi5wZtVHe6oAAAAAAAAAAAAAAAAA"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYyK8lJpRUeGTPTVi5wZtVHe6oAAAAAAAAAAAAAAAAB"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"*@example.com {KEY}", "is a pattern or a list"),
        (f"a@example.com,b@example.com {KEY}", "is a pattern or a list"),
        (f"a@example.com {KEY}\nb@example.com {KEY}", "line 2: a@example.com has this key already"),
        ("a@example.com", "it is not NAME [OPTIONS] KEYTYPE KEY"),
        ("a@example.com ssh-ed25519 !!!!", "it is not NAME"),
        (f"a@example.com {KEY.replace('ed25519', 'rsa', 1)}", "it is not NAME"),
        (f"{KEY}", "it is not NAME"),
    ],
)
def test_signer_line_is_refused_when_a_key_could_speak_for_two_people(text: str, why: str) -> None:
    assert why in " ".join(signers(text)[1])


def test_signer_lines_are_normalized_when_read() -> None:
    text = f'# the team\n\nb@example.com  {OTHER} b@laptop\r\na@example.com\tvalid-before="20990101 "  {KEY}\n'
    lines, problems = signers(text)
    assert problems == ()
    assert lines == (f'a@example.com valid-before="20990101 " {KEY}', f"b@example.com {OTHER}")
    assert signers("\n".join(lines)) == (lines, ())


def test_signers_file_is_refused_with_every_wrong_line_when_malformed(ring: Ring) -> None:
    file = ring.signers("*@example.com nothing", "ana@example.com")
    said = ring.shop.terminal("target", "update", "app", "staging", "--signers", file, code=78).err
    assert "line 3:" in said
    assert "line 4:" in said
    empty = ring.signers()
    said = ring.shop.terminal("target", "update", "app", "staging", "--signers", empty, code=78).err
    assert "is empty" in said
    ring.shop.terminal("target", "update", "app", "staging", "--signers", "nowhere", code=78)
    said = ring.shop.terminal("target", "update", "app", "staging", "--signed", code=64).err
    assert "names nobody who may sign" in said


def test_checked_in_file_names_signers_when_it_lists_their_lines(ring: Ring) -> None:
    line = ring.line("emil", EMIL)
    head = 'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\n'
    target = "targets:\n  live:\n    signed: true\n"
    ring.shop.terminal.file("app/templedb.yaml", f"{head}{target}    signers: ['{line}']\n")
    ring.shop.terminal("project", "sync", "app")
    said = ring.shop.terminal("target", "show", "app", "live").out
    assert "1 signed approval" in said
    assert EMIL in said
    ring.shop.terminal.file("app/templedb.yaml", head + target)
    ring.shop.terminal("project", "sync", "app")
    said = ring.shop.terminal("deploy", "config", "app", "--validate", code=78).out
    assert "names nobody" in said


def test_new_signer_of_a_checked_in_target_enters_the_ledger_when_a_reason_is_given(
    ring: Ring,
) -> None:
    shop = ring.shop
    emil, ana = ring.line("emil", EMIL), ring.line("ana", ANA)
    head = (
        'groups: [{name: migrations, file_patterns: ["migrations/*.sql"]}]\ntargets:\n  staging:\n'
    )

    def team(*lines: str) -> None:
        named = "".join(f"      - '{line}'\n" for line in lines)
        text = f"{head}    signed: true\n    signers:\n{named}"
        shop.terminal.file("app/templedb.yaml", text)
        shop.terminal("project", "sync", "app")

    team(emil)
    ring.say(plan(shop)[:12], EMIL, "emil")
    shop.run()
    team(emil, ana)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    assert "may not sign here" in ring.say(plan(shop)[:12], ANA, "ana", code=78).err
    how = ("target", "update", "app", "staging", "--signers")
    other = ring.signers(emil, ring.line("zoe", "zoe@example.com"))
    said = shop.terminal(*how, other, "--reason", "ana is new", code=78).err
    assert "edit templedb.yaml" in said
    both = ring.signers(emil, ana)
    shop.terminal(*how, both, code=78)
    assert "may not sign here" in ring.say(plan(shop)[:12], ANA, "ana", code=78).err
    assert "its ledger has this policy" in shop.terminal(*how, both, "--reason", "ana is new").out
    ring.say(plan(shop)[:12], ANA, "ana")
    shop.run()


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Policy(signed=True, signers=("a",)), Policy(), Policy(signed=True, signers=("a",))),
        (Policy(signers=("a", "b")), Policy(signers=("b", "c")), Policy(signers=("b",))),
        (Policy(signers=("a",)), Policy(signers=("b",)), Policy(signers=NOBODY)),
    ],
)
def test_stricter_policy_has_the_common_signers_when_two_policies_are_combined(
    one: Policy, other: Policy, both: Policy
) -> None:
    assert one.stricter(other) == other.stricter(one) == both


def test_certificate_signs_when_the_signer_line_names_its_authority(ring: Ring) -> None:
    authority = ring.line("ca", EMIL, "cert-authority")
    also = authority.replace(EMIL, ANA)
    made = ring.wants("--signed", "--signers", ring.signers(authority, also))
    public = f"{ring.key('laptop')}.pub"
    sign = ["ssh-keygen", "-q", "-s", ring.key("ca"), "-I", "laptop", "-n", EMIL, public]
    subprocess.run(sign, check=True)
    assert f"signed by {EMIL}" in ring.say(made, EMIL, "laptop-cert.pub").out
    assert "nothing was recorded" in ring.say(made, ANA, "laptop-cert.pub", code=78).err


# --- an approval that travels ---------------------------------------------------------------------


@pytest.fixture
def travelled(signed: Ring, tmp_path: Path) -> Ring:
    """A bundle and a signed approval, at a machine that knows nothing."""
    shop = signed.shop
    shop.terminal("deploy", "plan", "app", "--out", "shop.plan")
    signed.say("shop.plan", EMIL, "emil", "--out", "approval.json")
    ci = shop.terminal
    ci.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"), DATABASE_URL=shop.pg.dsn)
    return signed


RUN = ("deploy", "run", "--plan", "shop.plan")


def test_signed_approval_counts_when_it_travels_as_a_file(travelled: Ring) -> None:
    ci = travelled.shop.terminal
    assert "has no approval" in ci(*RUN, code=20).err
    assert "2 migrations applied" in ci(*RUN, "--approval", "approval.json").out
    kept = travelled.shop.pg.query("SELECT given_by, used_by <> '' FROM templedb.approval")
    assert kept == [(EMIL, True)]


def test_approval_file_verifies_when_checked_by_hand_with_ssh_keygen(travelled: Ring) -> None:
    """As docs/formats.md has it, with ssh-keygen and a program that knows JSON."""
    home = travelled.shop.terminal.home
    own = json.loads((home / "approval.json").read_text())
    (home / "approval.sig").write_text(own["signature"])
    said = {
        name: own[name]
        for name in (
            "templedb_approval",
            "id",
            "project",
            "target",
            "verdict",
            "reason",
            "through",
        )
    }
    said |= {"plan": own["content_hash"], "by": own["given_by"], "at": own["given_at"]}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    file = travelled.folder / "allowed_signers"
    words = ["ssh-keygen", "-Y", "verify", "-f", str(file), "-I", EMIL, "-n", "templedb", "-s"]
    subprocess.run([*words, str(home / "approval.sig")], input=text.encode(), check=True)


def test_approval_file_does_not_count_again_when_used_up(travelled: Ring, tmp_path: Path) -> None:
    shop = travelled.shop
    ci = shop.terminal
    shop.pg.query(f"CREATE TABLE users (id int); ALTER TABLE users OWNER TO {shop.pg.role}")
    ci(*RUN, "--approval", "approval.json", code=10)
    shop.pg.query("DROP TABLE users")
    ci(*RUN)
    ((used,),) = shop.pg.query("SELECT used_by FROM templedb.approval")
    assert used
    ci.set(TEMPLEDB_STATE=str(tmp_path / "third" / "state.duckdb"))
    shop.pg.query("DELETE FROM templedb.migration; DROP TABLE users, orders")
    assert "has no approval" in ci(*RUN, "--approval", "approval.json", code=20).err


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("reason", "something else", "its signature is invalid, or is for something else"),
        ("given_by", ANA, "its signature is invalid, or is for something else"),
        ("through", "notebook button", "its signature is invalid, or is for something else"),
        ("templedb_approval", 4, "a newer templedb wrote"),
        ("content_hash", "0" * 64, "is for another plan"),
        ("target", "production", "is for another plan"),
        ("signature", "", "is not signed: a file counts only if it is signed"),
    ],
)
def test_approval_file_does_not_count_when_changed(
    travelled: Ring, name: str, value: str, why: str
) -> None:
    path = travelled.shop.terminal.home / "approval.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    code = 78 if name == "templedb_approval" else 20
    said = travelled.shop.terminal(*RUN, "--approval", "approval.json", code=code).err
    assert why in said
    assert travelled.shop.pg.tables() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"templedb_approval": 1}',
        '{"templedb_approval": 2}',
        '{"templedb_approval": 3}',
    ],
)
def test_approval_file_is_refused_when_it_is_not_an_approval(travelled: Ring, text: str) -> None:
    travelled.shop.terminal.file("bad.json", text)
    said = travelled.shop.terminal(*RUN, "--approval", "bad.json", code=78).err
    assert "bad.json" in said


def test_approval_file_is_refused_when_it_claims_to_be_verified(travelled: Ring) -> None:
    path = travelled.shop.terminal.home / "approval.json"
    own = json.loads(path.read_text())
    assert not {"identity", "used_by"} & own.keys()
    path.write_text(json.dumps({**own, "identity": f"signed by {EMIL}"}))
    travelled.shop.terminal(*RUN, "--approval", "approval.json", code=78)


def test_approval_file_does_not_count_when_the_target_has_no_signers(
    ring: Ring, tmp_path: Path
) -> None:
    ring.wants("--approvals", "1")
    ring.shop.terminal("deploy", "plan", "app", "--out", "shop.plan")
    said = ring.say("shop.plan", EMIL, "emil", "--out", "approval.json").out
    assert "it stays unverified" in said
    said = ring.shop.terminal(*RUN, "--approval", "approval.json", code=20).err
    assert "names nobody who may sign" in said
    words = ("approve", "shop.plan", "--reason", "x", "--out", str(tmp_path / "other.json"))
    assert "--out requires --sign" in ring.shop.terminal(*words, code=64).err


def test_signed_rejection_counts_when_it_travels_as_a_file(travelled: Ring) -> None:
    travelled.say("shop.plan", ANA, "ana", "--out", "no.json", verb="reject", reason="not now")
    said = travelled.shop.terminal(
        *RUN, "--approval", "approval.json", "--approval", "no.json", code=21
    )
    assert f"rejected by {ANA}: not now" in said.err


# --- ledgers of the former format -----------------------------------------------------------------


def test_former_ledger_is_read_and_upgraded_when_a_signature_is_recorded(signed: Ring) -> None:
    shop = signed.shop
    signed.say(plan(shop)[:12], EMIL, "emil")
    shop.run()
    former.demote(shop.pg, 1, owner=shop.pg.role)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    made = plan(shop)[:12]
    shop.judge("reject", made, "zoe", "an unsigned word fits the former format")
    assert shop.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("1",)]
    assert "was rejected by zoe" in shop.run(code=21).err
    shop.pg.query("DELETE FROM templedb.approval WHERE given_by = 'zoe'")
    with StateFile(shop.terminal.state).session() as session:
        session.execute("DELETE FROM approvals WHERE given_by = 'zoe'")
    assert "recorded here and in the target's ledger" in signed.say(made, EMIL, "emil").out
    assert shop.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]
    shop.run()
    assert "more" in shop.pg.tables()


def test_former_ledger_is_upgraded_when_a_run_uses_it(shop: Shop) -> None:
    shop.run()
    former.demote(shop.pg, 1, owner=shop.pg.role)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    shop.run()
    assert shop.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]


def test_role_is_told_what_the_owner_must_run_when_it_may_not_upgrade_the_ledger(
    shop: Shop, pg: Database
) -> None:
    shop.run()
    former.demote(pg, 1)
    pg.query(
        f"GRANT USAGE ON SCHEMA templedb TO {pg.role};"
        f" GRANT ALL ON ALL TABLES IN SCHEMA templedb TO {pg.role};"
        f" GRANT ALL ON ALL SEQUENCES IN SCHEMA templedb TO {pg.role}"
    )
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    assert "templedb target ledger-sql --upgrade" in shop.run(code=69).err
    pg.query(shop.terminal("target", "ledger-sql", "--upgrade").out)
    shop.run()


def test_duckdb_ledger_keeps_signatures_when_upgraded(signed: Ring, tmp_path: Path) -> None:
    shop, path = signed.shop, tmp_path / "shop.duckdb"
    address = f"duckdb://{path}"
    shop.terminal("env", "set", "app", "DATABASE_URL", address, "--target", "staging", "--plain")
    signed.say(plan(shop)[:12], EMIL, "emil")
    shop.run()
    former.demote_file(path, 1)
    shop.migration("003.sql", "CREATE TABLE more (id int);")
    shop.terminal("deploy", "plan", "app", "--out", "shop.plan")
    signed.say("shop.plan", EMIL, "emil")
    ci = shop.terminal
    ci.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"), DATABASE_URL=address)
    assert "1 migration applied" in ci(*RUN).out
    with duckdb.connect(f"duckdb:{path}", read_only=True) as file:
        kept = file.execute("SELECT v FROM templedb.meta WHERE k = 'format'").fetchall()
        ((signature, verdict, at),) = file.execute(
            "SELECT signature, verdict, given_at FROM templedb.approval ORDER BY id DESC LIMIT 1"
        ).fetchall()
    assert kept == [("4",)]
    assert signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert (verdict, at.tzinfo) == (Verdict.APPROVED, None)
    assert at < datetime.now(UTC).replace(tzinfo=None)
