"""Plans of an earlier version keep their addresses: approvals and bundles bind to them.

`RECORDED` was written by the version that came before the steps declared what proves them; an
address that changes here voids every approval of such a plan.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest

from templedb_nb.model.artifact import Artifact, ArtifactRule
from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.blue_green import BlueGreen, Router, RouterType, Slot
from templedb_nb.model.config import Executor
from templedb_nb.model.dual_write import DualWrite, DualWriteTable
from templedb_nb.model.file import FileEntry
from templedb_nb.model.foreign_history import ImportConfidence
from templedb_nb.model.health import (
    CommandCheck,
    HealthRole,
    HttpCheck,
    JsonExpectation,
    SqlCheck,
    TcpCheck,
    Timing,
)
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.layout import Layout, Reading
from templedb_nb.model.ledger import Checksums, Entry, EntryKind, State
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.serialization import Digest, from_plain, to_plain
from templedb_nb.model.step import (
    Amend,
    Apply,
    ImportEntry,
    Mode,
    Restore,
    Revert,
    RunCommand,
    RunScript,
    Step,
    Verb,
)
from templedb_nb.model.switch_step import RoutedGroup, SlotUse, SwitchSlot
from templedb_nb.model.target import DATABASE_URL, Policy, TargetName
from templedb_nb.model.work_folder import WorkFolderKind

BLOB = Digest("b" * 64)
INTO = DualWriteTable(tool="flyway", schema="public", table="flyway_schema_history")
SHADOW = DualWrite(into=INTO, key="m/1.sql", version="1", name="users", script="V1__users.sql")
READING = Reading(layout=Layout.GOOSE, no_transaction="NO TRANSACTION", values=(("a", "b"),))
ON: dict[str, Any] = {
    "group": "migrations",
    "database": DATABASE_URL,
    "key": "m/1.sql",
    "file": "m/1.sql",
    "checksums": Checksums(text=Digest("1" * 64), tokens=Digest("2" * 64)),
}
STEPS: dict[str, Step] = {
    "apply": Apply(**ON, blob=BLOB),
    "apply in full": Apply(
        **ON,
        blob=BLOB,
        mode=Mode.STATEMENTS,
        executor=Executor.PSQL,
        reading=READING,
        shadow=SHADOW,
    ),
    "revert": Revert(**ON, blob=BLOB, reason="broke the shop"),
    "revert in full": Revert(
        **(ON | {"file": "m/1.down.sql"}),
        blob=BLOB,
        mode=Mode.STATEMENTS,
        reading=READING,
        shadow=SHADOW,
        reason="broke the shop",
    ),
    **{f"amend {verb}": Amend(**ON, verb=verb, reason="by hand") for verb in Verb},
    "amend in full": Amend(
        **ON,
        verb=Verb.RENAME,
        reason="moved",
        old_key="m/0.sql",
        old_checksum="3" * 64,
        shadow=SHADOW,
        into=INTO,
        behind=(SHADOW,),
    ),
    "adopt": ImportEntry(
        **ON, verb=Verb.IMPORT, reason="moved", source="flyway", verdict=ImportConfidence.VERIFIED
    ),
    "restore": Restore(
        group="ledger",
        database=DATABASE_URL,
        entry=Entry(
            key="001.sql",
            file="001.sql",
            kind=EntryKind.RUN,
            state=State.APPLIED,
            checksums=Checksums(text=Digest("a"), tokens=Digest("b")),
        ),
        reason="wiped",
        seen="its row is gone",
    ),
    "adopt in full": ImportEntry(
        **ON,
        verb=Verb.IMPORT,
        reason="moved",
        source="flyway",
        verdict=ImportConfidence.IN_DOUBT,
        state=State.IN_DOUBT,
        note="a note",
        at="2025-01-02 03:04:05",
        by="ada",
        row='{"version": "1"}',
        locks=(1, 2),
        layout="flyway",
        blob=BLOB,
        reading=READING,
        ran="SELECT 1",
    ),
    "command": RunCommand(group="app", phase=Phase.DEPLOY, command="./ship"),
    "command in full": RunCommand(
        group="app",
        phase=Phase.POST_DEPLOY,
        command="./ship {file}",
        file="a.txt",
        blob=BLOB,
        environment=(("A", "b"),),
        allow_dangerous_env=("LD_PRELOAD",),
        workdir=WorkFolderKind.PROJECT,
        timeout_s=30,
        attempts=3,
        retry_delay_s=2,
        mutates=True,
        critical=False,
    ),
    "keep artifacts": KeepArtifacts(
        group="app", rules=(ArtifactRule(name="site", files=("dist/**",)),)
    ),
    "keep artifacts in full": KeepArtifacts(
        group="app",
        rules=(ArtifactRule(name="image", image_from="build/digest"),),
        limit=1000,
        store="../store",
        protected=True,
    ),
    "place artifacts": PlaceArtifacts(
        group="app",
        artifacts=(
            Artifact(
                name="site",
                files=(FileEntry(path="dist/a", blob=BLOB, size=3, executable=True),),
                patterns=("dist/**",),
            ),
        ),
    ),
    "place artifacts in full": PlaceArtifacts(
        group="app",
        artifacts=(Artifact(name="image", image="app@sha256:1", patterns=("build/digest",)),),
        store="../store",
        replaces=("build", "test"),
        reason="promoted artifact",
    ),
    "health": CheckHealth(
        group="app",
        checks=(TcpCheck(name="app/tcp", group="app", timing=Timing(), host="shop", port=443),),
    ),
    "soak": CheckHealth(
        group="target staging",
        role=HealthRole.SOAK,
        checks=(
            HttpCheck(
                name="app/http",
                group="app",
                timing=Timing(soak_s=600),
                url="{var:URL}/health",
                headers=(("X-Token", "{var:TOKEN}"),),
                expect_json=(JsonExpectation(path="$.up", equals="true"),),
            ),
            CommandCheck(
                name="app/command",
                group="app",
                timing=Timing(soak_s=60, interval_s=1),
                command="./smoke.sh",
                environment=(("A", "b"),),
            ),
            SqlCheck(name="app/sql", group="app", timing=Timing(soak_s=60), query="SELECT true"),
        ),
    ),
    "script": RunScript(
        group="deploy.sh", file="deploy.sh", blob=BLOB, arguments=(), executable=True
    ),
    "script in full": RunScript(
        group="deploy.sh",
        file="deploy.sh",
        blob=BLOB,
        arguments=("--target", "staging"),
        executable=False,
        workdir=WorkFolderKind.PROJECT,
    ),
}
ROUTED = RoutedGroup(
    group="m",
    blue_green=BlueGreen(
        slots=(Slot(name="blue", values=(("PORT", "8001"),)), Slot(name="green")),
        router=Router(type=RouterType.SYMLINK, path="current", to="{slot}"),
    ),
)
STEPS |= {
    "switch": SwitchSlot(routed=ROUTED, live="blue", to="green", gate=()),
    "command in a slot": RunCommand(
        group="m",
        phase=Phase.DEPLOY,
        command="make deploy",
        slot=SlotUse(routed=ROUTED, slot="green", live="blue"),
    ),
}
RECORDED: dict[str, str] = {
    "switch": (
        "7c4885b40cf67554297d3e08f6af8e10f26c9443d1d5a60bad209d9dab7efb1b"
        " 28bd3b3e8c0843283d4e7b8b9adfbf527c6abf6dc6049f7310628f85531719de"
    ),
    "command in a slot": (
        "c56a79657cb2fcd2b5e48631b8cbc5eb7ba7f000a1b399fd5b349276be52d785"
        " 0fd1666865ca87e7703e3c60b7dae2ea861444b0753454ab59e6baf150013f60"
    ),
    "health": (
        "ac69b22d3d86029646154bc72a21daaf90a9faaa1a1c32bb6f6a8d81b7b98e46"
        " 96cc87ff81d5823b68834baab12b17129fe0dea9b30b65eb4ee9d5baa3b1250d"
    ),
    "soak": (
        "d7f4ac9530f75a3c5647f7384273f95bc0fb7010f7a811c1aea12b00ac587821"
        " f4c62b768673e6954e19f7085340577785ab4daaeb150dcd5383205f715b2f74"
    ),
    "apply": (
        "87e4b86723827d306c8b5f521d4a841c9c25e9d1c8fff837cb10ff901df5b4dc"
        " c6460586b412b6ce3048b2e393454e9b289935d714f28513d1994c86e2ea36f2"
    ),
    "apply in full": (
        "6bbeb882a0b306d37bca801e98bb5085e694e22e2a81b18b16b220d42d9d2bce"
        " 768e2d794bd74533e579ea12e5f6f2f52f612e9cc24fad4bff8dfc7a0df9b455"
    ),
    "revert": (
        "097ccfd8f3f2c1b525853e39782e8506b5c4365b8b209153779168e4ca94a3c1"
        " 99c7d4e331b2552ea783321adab442eb5323f3240a1170c6aa5c6b52ead088fe"
    ),
    "revert in full": (
        "7f27b0ed501da1b5e5cbcb03d4e4e9e1954813ccb7f6d57bc6ab51b9e5e2cfb8"
        " 4530a1f224cc025598665c2f8cf0bb9b8a999fa873881a4ec1cec500793b0d44"
    ),
    "amend mark-applied": (
        "d2facd4b6c13c19f3352d0ada5c0d0231a2cbb57b648bc0f70fdcc3ba6a17a80"
        " 4f6945b63a727e14d87fceab52729ca2fb5e275b5556527e7d6c4dc594ec0a2a"
    ),
    "amend mark-reverted": (
        "31c585bda2ed6f2d9189c3c686d34d36409f17643abcd0241d7f00a1d2477bdc"
        " 2443574660b33ff6910a0c2a6f3a532860a21adf20aa565aec9a5049b92e02c0"
    ),
    "amend accept-checksum": (
        "2292d5f457bcd44a0f84d0bc0e7f72c717bf27ec3cfb9c5a17f2bf5e6e5a8e6e"
        " f7b7a93c96cb494c39cfc65385e6547fb0417b78c4ecb51545d3515833670c6a"
    ),
    "amend rename": (
        "4a96cd83006096f17a044c77244a40dffe77f0da3f43fd0a5c21e30466e86ce6"
        " ccbd5ceb3f288cff4280c73d1abde2c79a81424f51693bf4838ba4217974c721"
    ),
    "amend resolve-applied": (
        "25758507695dd91d22b954bcb0d9ea16e063f365f1a76b10e4e6b48d8c22cef7"
        " b1437209b706cc2d0c780abbe20585633ae1bff9410de1bb4907072e13eba461"
    ),
    "amend resolve-not-applied": (
        "8931863cfc4465ba3326c06018e7cbde29e9abe08b55faa866d8d2fcc6c46ab2"
        " 6b9810f3bb9b46c26b0fed86ad9b180b11a6f0e9e869d9abf3975dcfb6c0a1ec"
    ),
    "amend import": (
        "fd534e6c2a0f016f9b81ca6d35443ecff351ae12997b4717e3fa7d8c93a640e9"
        " 284fb1d9ad435987fadf38669966cde6a7ae930db2ac70d989ff714402945188"
    ),
    "amend shadow": (
        "b00861ca6c586369ee7cc3cd9bb8f3d301cd44e1633944be16e911ffd4a98e6e"
        " f512607ef52e53eb1f2688e43bfce162532fa5be3cea552aa76f0500f1f6e458"
    ),
    "amend no-shadow": (
        "85e4573c16d0d9d1d71969d1b82bf73ac711d4bfe686a18ffceb2043725b1052"
        " a0ae6eaea84d5840ff2086c8d5d3b0995d2b85c81cab0d7e6ef5aa8db15911d8"
    ),
    "amend in full": (
        "3bb5838e15bad457a823bf41a0d5f7c80719f9bf51beb55df6e746dce3e8cd90"
        " 9c10960749a1fc8005271bde8fbb4511ef963970460de97ac14a5eb1aeb4919d"
    ),
    "adopt": (
        "d89be13805a51b6b4915a0f39d6ac5a59980a52531151ddbb4a89da9a1d7d0be"
        " 31e62106d649ef3aab1756ae8efeed5835c308427f1c5e9af8f44716923977c7"
    ),
    "adopt in full": (
        "5b92cec794d42b16b28ae45224668cbae9480959540f76a518986393dd6bd9fd"
        " 9b9bcfebde1225b84a387c2bf2b596c4beaec3f0d5650d89210a2b74c1241770"
    ),
    "command": (
        "f5af17afd3c87e0fbd41cb0ea42f7d7eaac7ecdc46ef89443b293a4ceef076ff"
        " cab9d25c05d58ab85eee51cf1bccb5e2570011eca632ec29b06817bf76def10e"
    ),
    "command in full": (
        "d2f0336e9aeeb0cd5289808d417808428572a083359c0aa759e3f37c8fe4a195"
        " 9d8d1d80861872e015343e03019e71b4a82c5b62c3fc495ea1320a960b92d179"
    ),
    "keep artifacts": (
        "a0e9aa2306b39f38f0a2c4179f77c0bcc1f59c574f3be20fd5d8833160418107"
        " e16464c6044e4906cb89cf834721f3e612fbcf0f4cf11480c85fecc8d76e110a"
    ),
    "keep artifacts in full": (
        "689115b61bd0ffb8f5c992c3908df27098ffc9faf9993fecef4af8bea639eb11"
        " 5c5ef40513f4cd8176cb0ec1618eb04b682d9f1308b2b15b566cba7b15c6cdfe"
    ),
    "place artifacts": (
        "2c90359b654ae31782c6780e370624fe9f3e32b91890b0954706db2b97605e3c"
        " 0595dc95b93e1bafcb64ec1bf54858706e8b046a12e3475b6b460ff0e5e888ef"
    ),
    "place artifacts in full": (
        "2d6625bf2db213e94da249776e02e122481df967bb5e5d5d4d5c27a588ae7d29"
        " f4e4a4a7e7c80e5551fc750e8fe42369b6cd620d9d7a58b6eb8d8f911381514b"
    ),
    "restore": (
        "b69912f79a2f1a61226dd851a435e64c7e25b0279ecd17a791a2179f2728a047"
        " a3bf0ed2b65110f7776c50d57c00c7d1d87b3982ecd21819d4681938fd13a6f5"
    ),
    "script": (
        "e0770ce5ed090578cee23b3de45ce6d665c9605a95a1feebca80fe087505f5b0"
        " 7e91eb764c7343d673e0f864f7fe95e44c122c4d58c4f4e42e84edc029d4a902"
    ),
    "script in full": (
        "692c1277281de3f8c0a42b35c6ef6a0b4e29c9eab3d4ee9eaca6b998f7b6b11b"
        " 91c7771a10d8f0cd4dad870abc0ef1e030637ddd94618be5810b6449dbf1be39"
    ),
}


def a_plan(step: Step) -> Plan:
    return Plan(
        project="app",
        target=TargetName("staging"),
        groups=(PlannedGroup(name=step.group, steps=(step,)),),
        policy=Policy(),
        databases=(DATABASE_URL,),
        variables=("DATABASE_URL",),
        base=Digest("a" * 64),
    )


@pytest.mark.parametrize("name", RECORDED)
def test_plan_hash_stays_the_recorded_hash(name: str) -> None:
    plan = a_plan(STEPS[name])
    assert f"{plan.content_hash} {plan.id}" == RECORDED[name]


@pytest.mark.parametrize("name", STEPS)
def test_step_keeps_its_class_when_read_back_from_its_plain_form(name: str) -> None:
    plan = a_plan(STEPS[name])
    back: Plan = from_plain(Plan, to_plain(plan))
    assert back == plan
    assert type(back.steps[0]) is type(STEPS[name])


def test_step_kinds_all_have_a_recorded_plan() -> None:
    assert {type(step) for step in STEPS.values()} == set(get_args(Step))


def test_step_kind_is_not_a_subclass_of_another_kind() -> None:
    """`case Apply()` would swallow it, and mypy could not say which `match` misses it."""
    kinds = get_args(Step)
    assert [(a, b) for a in kinds for b in kinds if a is not b and issubclass(a, b)] == []
