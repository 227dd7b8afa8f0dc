"""What a build made is kept, and placed elsewhere byte for byte."""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.app.container import Container
from templedb_nb.app.deploy.runs import RunOptions
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.run import images
from templedb_nb.errors import StoreError, UnavailableArtifacts
from templedb_nb.model.artifact import Artifact, Manifest
from templedb_nb.model.event import Outcome
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.store.artifact_folder import ArtifactFolder
from templedb_nb.store.artifact_registry import ArtifactRegistry
from tests.app.deploy.test_locks import until
from tests.app.recovery.test_died import killed
from tests.conftest import Database, Said, Terminal

BUILD = """
mkdir -p dist/sub build
date +%N > dist/-v.txt; head -c 3000 /dev/urandom > "dist/sub/ä b.bin"; : > dist/empty
printf '#!/bin/sh\\nexit 0\\n' > dist/run; chmod +x dist/run
echo "registry.example/app@sha256:$(head -c 9 /dev/urandom | sha256sum | cut -c1-64)" > build/digest
"""
DIGEST = "0123456789abcdef" * 4


@dataclass
class Builds:
    """A project whose build differs each time, and whose deployment copies what it made."""

    terminal: Terminal

    def project(
        self, build: str = BUILD, *, group: dict[str, Any] | None = None, **top: Any
    ) -> None:
        out = self.terminal.home / "out"
        command = (
            f'mkdir -p {out}/"$DEPLOYMENT_TARGET" && rm -rf {out}/"$DEPLOYMENT_TARGET"/* &&'
            f' cp -r dist {out}/"$DEPLOYMENT_TARGET"/ &&'
            f' env | grep ^TEMPLEDB_ARTI | sort > {out}/"$DEPLOYMENT_TARGET"/env'
        )
        app = {
            "name": "app",
            "build_command": build,
            "test_command": f"echo tested >> {self.terminal.home}/tested",
            "deploy_command": command,
            "artifacts": [
                {"name": "site", "files": ["dist/**"]},
                {"name": "image", "image_from": "build/digest"},
            ],
        } | (group or {})
        targets = top.pop("targets", {"staging": {}, "prod": {}})
        document = {"groups": [app], "targets": targets} | top
        self.terminal.file("app/templedb.yaml", json.dumps(document))

    def deploy(self, target: str = "staging", *words: str, code: int | None = 0) -> Said:
        return self.terminal("deploy", "run", "app", "--target", target, *words, code=code)

    @property
    def tested(self) -> int:
        path = self.terminal.home / "tested"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def got(self, target: str) -> dict[str, tuple[bytes, bool]]:
        """Return what a target got: each file with its bytes and its execute bit."""
        root = self.terminal.home / "out" / target / "dist"
        return {
            each.relative_to(root).as_posix(): (each.read_bytes(), os.access(each, os.X_OK))
            for each in sorted(root.rglob("*"))
            if each.is_file()
        }

    def env(self, target: str) -> dict[str, str]:
        lines = (self.terminal.home / "out" / target / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def app(self) -> Container:
        return Container.open(self.terminal.environ["TEMPLEDB_STATE"])

    def run(self, target: str = "staging") -> PastRun:
        """Return the newest run on a target."""
        return self.app.records.past_runs(Slug("app"), TargetName(target))[0]

    def promoted(self, run: PastRun | None = None) -> PlanOptions:
        """Return the options of a plan that places what a run has kept."""
        app = self.app
        kept = app.artifacts.of_run(app.projects.pick("app"), run or self.run())
        assert kept is not None
        return PlanOptions(artifacts={each.group: each.artifacts for each in kept.groups})

    def plan(self, options: PlanOptions, **how: Any) -> Preview:
        return self.app.deployments.plan(Selection(project="app", target="prod"), options, **how)

    def promote(self, options: PlanOptions) -> Result:
        choice = Selection(project="app", target="prod")
        return self.app.deployments.run(choice, RunOptions(options=options))

    @property
    def folder(self) -> Path:
        return self.app.artifacts.folder

    def blob(self, path: str) -> Path:
        """Return where the bytes of a file of the newest run on staging are kept."""
        app = self.app
        kept = app.artifacts.of_run(app.projects.pick("app"), self.run())
        assert kept is not None
        (blob,) = {each.blob for each in kept.files if each.path == path}
        return self.folder / "sha256" / blob[:2] / blob

    def another_machine(self, name: str = "other") -> None:
        """Go on with a fresh state."""
        state = self.terminal.home / name / "state.duckdb"
        self.terminal.set(TEMPLEDB_STATE=str(state))
        self.terminal("project", "import", "app")


@pytest.fixture
def builds(terminal: Terminal) -> Builds:
    made = Builds(terminal)
    made.project()
    terminal("project", "import", "app")
    return made


def test_production_gets_what_staging_got_when_artifacts_are_promoted(builds: Builds) -> None:
    builds.deploy()
    assert builds.promote(builds.promoted()).outcome is Outcome.SUCCEEDED
    assert builds.got("prod") == builds.got("staging")
    assert sorted(builds.got("prod")) == ["-v.txt", "empty", "run", "sub/ä b.bin"]
    assert builds.got("prod")["run"][1]
    assert not builds.got("prod")["empty"][1]
    assert builds.tested == 1
    staging, prod = builds.env("staging"), builds.env("prod")
    assert staging["TEMPLEDB_ARTIFACT_IMAGE"] == prod["TEMPLEDB_ARTIFACT_IMAGE"]
    assert prod["TEMPLEDB_ARTIFACT_IMAGE"].startswith("registry.example/app@sha256:")
    assert prod["TEMPLEDB_ARTIFACT_SITE"] == f"{prod['TEMPLEDB_ARTIFACTS']}/dist"
    assert builds.run("prod").manifest == builds.run().manifest != ""


def test_builds_differ_between_targets_when_no_artifacts_are_placed(builds: Builds) -> None:
    builds.deploy()
    builds.deploy("prod")
    assert builds.got("prod") != builds.got("staging")
    assert builds.run("prod").manifest != builds.run().manifest


def test_plan_names_the_skipped_build_and_test_when_artifacts_are_promoted(builds: Builds) -> None:
    builds.deploy()
    preview = builds.plan(builds.promoted())
    told = {(each.what, each.why) for each in preview.draft.skips}
    assert told == {
        ("group app: build", "promoted artifact"),
        ("group app: test", "promoted artifact"),
    }
    assert preview.draft.skipped_groups == ()
    assert "build and test skipped (promoted artifact)" in preview.plan.steps[0].title
    assert [step.kind for step in preview.plan.steps] == ["place_artifacts", "command"]
    assert preview.plan.content_hash != builds.plan(PlanOptions()).plan.content_hash


def test_health_check_gets_no_artifact_variables_when_its_group_has_artifacts(
    builds: Builds,
) -> None:
    """It is asked outside of runs, too, and must be the same there."""
    check = {"type": "command", "command": "! env | grep ^TEMPLEDB_ARTI", "interval": 1}
    builds.project(group={"health_check": check})
    builds.deploy()
    builds.terminal("health", "check", "app", "--target", "staging")


def test_artifacts_are_visible_to_later_groups_when_an_earlier_group_builds_or_places_them(
    builds: Builds,
) -> None:
    out = builds.terminal.home / "later"
    builds.project()
    document = json.loads((builds.terminal.home / "app" / "templedb.yaml").read_text())
    command = f'cat "$TEMPLEDB_ARTIFACT_SITE/-v.txt" >> {out}'
    document["groups"].append({"name": "later", "deploy_command": command})
    builds.terminal.file("app/templedb.yaml", json.dumps(document))
    builds.deploy()
    builds.promote(builds.promoted())
    first, second = out.read_text().splitlines()
    assert first == second


def test_promotion_plan_places_kept_artifacts_when_run_later_by_its_id(builds: Builds) -> None:
    builds.deploy()
    preview = builds.plan(builds.promoted())
    said = builds.terminal("deploy", "run", "--plan", preview.plan.id)
    assert "build and test skipped (promoted artifact)" in said.out
    assert builds.got("prod") == builds.got("staging")


def test_config_document_names_no_artifacts_when_the_group_lists_none(builds: Builds) -> None:
    builds.project(group={"artifacts": [], "deploy_command": "true"})
    builds.deploy()
    shown = json.loads(builds.terminal("deploy", "config", "app", "--show").out)
    assert set(shown) == {"groups"}
    assert "artifacts" not in shown["groups"][0]
    assert builds.run().manifest == ""
    assert not builds.folder.exists()


def test_promote_places_kept_artifacts_when_the_source_target_has_a_build(builds: Builds) -> None:
    builds.project(lifecycle=["staging", "prod"])
    builds.deploy()
    said = builds.terminal("promote", "app", "--from", "staging", "--to", "prod")
    assert "build and test skipped (promoted artifact)" in said.out
    assert builds.got("prod") == builds.got("staging")
    assert builds.tested == 1


def test_promote_places_what_is_in_place_when_a_rollback_built_again(builds: Builds) -> None:
    builds.project(lifecycle=["staging", "prod"])
    builds.deploy()
    gone = builds.blob("dist/-v.txt")
    builds.terminal.file("app/note", "2")
    builds.deploy()
    gone.unlink()
    builds.terminal("deploy", "rollback", "app", "--target", "staging")
    builds.terminal("promote", "app", "--from", "staging", "--to", "prod")
    assert builds.got("prod") == builds.got("staging")


def test_release_is_not_in_place_already_when_the_source_was_built_again(builds: Builds) -> None:
    builds.project(lifecycle=["staging", "prod"])
    builds.deploy()
    words = ("promote", "app", "--from", "staging", "--to", "prod")
    builds.terminal(*words)
    assert "in place already" in builds.terminal(*words, "--dry-run").out
    builds.deploy()
    assert "in place already" not in builds.terminal(*words, "--dry-run").out
    builds.terminal(*words)
    assert builds.got("prod") == builds.got("staging")


@pytest.mark.parametrize(
    "store", ["../store", "memory://store/of/artifacts", "file://{home}/store"]
)
def test_artifacts_are_promoted_from_another_state_when_the_store_is_shared(
    builds: Builds, store: str
) -> None:
    builds.project(artifacts_store=store.format(home=builds.terminal.home))
    builds.deploy()
    assert not builds.folder.exists()
    run = builds.run()
    builds.another_machine()
    assert builds.promote(builds.promoted(run)).outcome is Outcome.SUCCEEDED
    assert builds.got("prod") == builds.got("staging")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield a registry of container images of one's own."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    made = Registry(program, tmp_path)
    made.start()
    yield made
    made.stop()


@dataclass
class Registry:
    """The registry's own program, on a free port."""

    program: str
    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"oci+http://127.0.0.1:{self.port}/team/artifacts"

    @property
    def config(self) -> Path:
        return self.folder / "registry.yml"

    def start(self) -> None:
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", self.port))
            self.port = free.getsockname()[1]
        storage = {"filesystem": {"rootdirectory": str(self.folder / "registry")}}
        http = {"addr": f"127.0.0.1:{self.port}"}
        self.config.write_text(json.dumps({"version": "0.1", "storage": storage, "http": http}))
        self.process = subprocess.Popen(
            [self.program, "serve", self.config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def test_artifacts_are_promoted_from_another_state_when_a_registry_has_collected_garbage(
    builds: Builds, registry: Registry
) -> None:
    """The registry's own clean-up leaves what a manifest names."""
    builds.project(artifacts_store=registry.url)
    builds.deploy()
    run = builds.run()
    registry.stop()
    words = [registry.program, "garbage-collect", "--delete-untagged", str(registry.config)]
    subprocess.run(words, check=True, capture_output=True)
    registry.start()
    builds.another_machine()
    assert builds.promote(builds.promoted(run)).outcome is Outcome.SUCCEEDED
    assert builds.got("prod") == builds.got("staging")


def test_registry_is_given_up_when_it_accepts_a_connection_and_sends_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"oci+http://127.0.0.1:{silent.getsockname()[1]}/team/artifacts"
        with pytest.raises(UnavailableArtifacts, match="cannot be read or written"):
            ArtifactRegistry(url, timeout_s=0.5).has(Digest(DIGEST))


def test_deploy_step_fails_when_the_registry_does_not_answer(
    builds: Builds, registry: Registry
) -> None:
    registry.stop()
    builds.project(artifacts_store=registry.url)
    said = builds.deploy(code=10)
    assert f"the artifacts in {registry.url} cannot be read or written" in said.out
    assert builds.tested == 0


def test_promotion_names_each_missing_piece_when_another_state_lacks_the_artifacts(
    builds: Builds,
) -> None:
    builds.deploy()
    run = builds.run()
    builds.another_machine()
    with pytest.raises(UnavailableArtifacts) as raised:
        builds.promoted(run)
    assert any("the record of its artifacts" in each for each in raised.value.problems)
    assert any(str(builds.folder) in each for each in raised.value.problems)
    assert "artifacts_store" in raised.value.hint
    assert "--with-artifacts" in raised.value.hint


def test_promotion_names_the_file_and_its_store_when_an_artifact_file_is_missing(
    builds: Builds,
) -> None:
    builds.project(artifacts_store="../store")
    builds.deploy()
    kept = builds.promoted().artifacts["app"][0]
    gone = next(each for each in kept.files if each.path == "dist/run")
    (builds.terminal.home / "store" / "sha256" / gone.blob[:2] / gone.blob).unlink()
    with pytest.raises(UnavailableArtifacts) as raised:
        builds.promoted()
    told = "\n".join(raised.value.problems)
    assert "missing: dist/run of site" in told
    assert f"{builds.terminal.home}/app/../store" in told


def test_bundle_takes_artifacts_to_another_state_when_planned_with_artifacts(
    builds: Builds,
) -> None:
    builds.deploy()
    bundle = builds.terminal.home / "plan.bundle"
    builds.plan(builds.promoted(), out=bundle, with_artifacts=True)
    builds.another_machine()
    builds.terminal("deploy", "run", "--plan", str(bundle))
    assert builds.got("prod") == builds.got("staging")
    assert builds.run("prod").manifest
    assert builds.promoted(builds.run("prod")).artifacts  # for a rollback, they stay


def test_bundle_run_fails_before_the_first_change_when_the_bundle_has_no_artifacts(
    builds: Builds,
) -> None:
    builds.deploy()
    bundle = builds.terminal.home / "plan.bundle"
    builds.plan(builds.promoted(), out=bundle)
    builds.another_machine()
    said = builds.terminal("deploy", "run", "--plan", str(bundle), code=10)
    assert "missing or damaged" in said.out
    assert "dist/run" in said.out
    assert not (builds.terminal.home / "out" / "prod").exists()


def test_bundle_is_refused_when_its_artifact_bytes_differ(builds: Builds) -> None:
    builds.deploy()
    bundle = builds.terminal.home / "plan.bundle"
    builds.plan(builds.promoted(), out=bundle, with_artifacts=True)
    forged = builds.terminal.home / "forged.bundle"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(forged, "w") as new:
        for info in old.infolist():
            body = old.read(info)
            if info.filename.startswith("artifacts/") and len(body) == 3000:
                body = bytes(3000)
            new.writestr(info.filename, body)
    said = builds.terminal("deploy", "run", "--plan", str(forged), code=22)
    assert "the artifact dist/sub/ä b.bin does not match its hash" in said.err + said.out


def test_promotion_fails_before_the_first_change_when_a_kept_file_is_damaged(
    builds: Builds,
) -> None:
    builds.deploy()
    options = builds.promoted()
    builds.deploy("prod")
    before = builds.got("prod")
    work = next(builds.folder.parent.glob("work/app-prod-*")) / "tree" / "dist"
    placed = {each: each.read_bytes() for each in work.rglob("*") if each.is_file()}
    path = builds.blob("dist/sub/ä b.bin")
    path.write_bytes(b"x" * 3000)
    result = builds.promote(options)
    assert result.outcome is Outcome.FAILED
    assert result.exit_code == 10
    assert "dist/sub/ä b.bin" in result.message
    assert "damaged in" in result.message
    assert {each: each.read_bytes() for each in work.rglob("*") if each.is_file()} == placed
    assert builds.got("prod") == before


def test_damaged_blob_is_replaced_when_a_later_build_keeps_the_same_file(builds: Builds) -> None:
    builds.project("mkdir -p dist build; echo same > dist/a; cp digest build/digest")
    builds.terminal.file("app/digest", f"app@sha256:{DIGEST}\n")
    builds.deploy()
    path = builds.blob("dist/a")
    path.write_bytes(b"lost\n")
    builds.deploy()
    assert path.read_bytes() == b"same\n"


def test_build_keeps_only_its_own_files_when_an_earlier_build_left_others(builds: Builds) -> None:
    builds.project('mkdir -p dist build; touch "dist/$(date +%N)"; cp digest build/digest')
    builds.terminal.file("app/digest", f"app@sha256:{DIGEST}\n")
    builds.deploy()
    builds.deploy()
    assert len(builds.got("staging")) == 1


def test_build_keeps_only_its_own_files_when_a_failed_attempt_left_others(builds: Builds) -> None:
    tries = builds.terminal.home / "tries"
    builds.project(
        f"mkdir -p dist build; echo x >> {tries}; touch dist/$(wc -l < {tries});"
        f" cp digest build/digest; test $(wc -l < {tries}) = 2",
        group={"retry_attempts": 1},
    )
    builds.terminal.file("app/digest", f"app@sha256:{DIGEST}\n")
    builds.deploy()
    assert sorted(builds.got("staging")) == ["2"]


def test_build_is_refused_when_only_an_earlier_build_wrote_the_image_file(builds: Builds) -> None:
    builds.deploy()
    builds.project("mkdir -p dist; touch dist/a")
    said = builds.deploy(code=10)
    assert "the build did not write build/digest" in said.out


def test_release_files_remain_for_the_build_when_they_lie_in_the_artifact_folder(
    builds: Builds,
) -> None:
    builds.terminal.file("app/dist/own.txt", "checked in\n")
    builds.project("touch dist/made; mkdir -p build; cp digest build/digest")
    builds.terminal.file("app/digest", f"app@sha256:{DIGEST}\n")
    builds.deploy()
    assert sorted(builds.got("staging")) == ["made", "own.txt"]


def test_artifact_includes_a_file_when_a_pre_deploy_hook_makes_the_file(builds: Builds) -> None:
    builds.project(group={"pre_deploy": ["mkdir -p dist; touch dist/by-hook"]})
    builds.deploy()
    assert "by-hook" in builds.got("staging")


def test_placed_files_have_the_rights_of_built_files_when_promoted(builds: Builds) -> None:
    builds.deploy()
    builds.promote(builds.promoted())
    umask = os.umask(0o22)
    os.umask(umask)
    work = next(builds.folder.parent.glob("work/app-prod-*")) / "tree" / "dist"
    assert stat.S_IMODE((work / "run").stat().st_mode) == 0o777 & ~umask
    assert stat.S_IMODE((work / "empty").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((work / "sub").stat().st_mode) == 0o777 & ~umask


UNFIT = {
    "nothing": ("mkdir -p dist build", "'dist/**' matches no file after the build"),
    "no digest": ("mkdir -p dist; touch dist/a", "the build did not write build/digest"),
    "empty digest": ("mkdir -p dist build; touch dist/a build/digest", "build/digest is empty"),
    "bare digest": (
        f"mkdir -p dist build; touch dist/a; echo sha256:{DIGEST} > build/digest",
        "holds a digest alone",
    ),
    "two lines": (
        "mkdir -p dist build; touch dist/a; printf 'a\\nb\\n' > build/digest",
        "has 2 lines",
    ),
    "words": (
        "mkdir -p dist build; touch dist/a; echo 'not an image' > build/digest",
        "does not hold the reference of an image",
    ),
    "no text": (
        "mkdir -p dist build; touch dist/a; printf '\\377\\376' > build/digest",
        "is not UTF-8 text",
    ),
    "long": (
        "mkdir -p dist build; touch dist/a; head -c 9999 /dev/zero > build/digest",
        "too many for the reference of an image",
    ),
    "link out": (
        "mkdir -p dist build; ln -sfn /etc/passwd dist/a",
        "is a link that leads out of the work folder",
    ),
    "link up": (
        "mkdir -p dist build; ln -sfn ../../../.. dist/up",
        "is a link that leads out of the work folder",
    ),
    "broken link": ("mkdir -p dist build; ln -sfn gone dist/a", "is a link that leads nowhere"),
    "link to a folder": (
        "mkdir -p dist lib build; touch lib/x dist/a; ln -sfn ../lib dist/lib",
        "is a link to a folder",
    ),
    "link on the way": (
        "rm -rf dist out; mkdir -p out build; touch out/a; ln -s out dist",
        "'dist' is a link to a folder; an artifact has files: let the build copy it",
    ),
    "link on the way out": (
        "rm -rf dist; mkdir -p build; ln -s /etc dist",
        "'dist' is a link that leads out of the work folder",
    ),
    "pipe": ("mkdir -p dist build; mkfifo dist/p", "is not a regular file"),
    "name": ("mkdir -p dist build; touch $'dist/\\xff'", "has a name that is not UTF-8"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_build_is_refused_with_its_group_and_reason_when_its_artifacts_do_not_fit(
    builds: Builds, case: str
) -> None:
    build, told = UNFIT[case]
    builds.project(build)
    said = builds.deploy(code=10)
    assert told in said.out
    assert "group app" in said.out
    assert builds.tested == 0
    assert builds.run().manifest == ""


def test_next_build_succeeds_when_an_earlier_build_left_a_link(builds: Builds) -> None:
    outside = builds.terminal.home / "outside"
    outside.mkdir()
    (outside / "a").write_text("not ours")
    builds.project(f"mkdir -p build; ln -s {outside} dist")
    builds.deploy(code=10)
    builds.project()
    builds.deploy()
    assert "run" in builds.got("staging")
    assert (outside / "a").read_text() == "not ours"


def test_deploy_leaves_out_changes_when_a_test_command_made_them(builds: Builds) -> None:
    """No other target gets them: there, nothing is tested again."""
    home = builds.terminal.home
    test = (
        f"touch {home}/tested; echo more >> dist/-v.txt; chmod -x dist/run; rm dist/empty;"
        " mkdir dist/cache; touch dist/cache/x; echo app:latest > build/digest"
    )
    builds.project(group={"test_command": test})
    builds.deploy()
    got = builds.got("staging")
    assert {*got} == {"-v.txt", "sub/ä b.bin", "empty", "run"}
    assert b"more" not in got["-v.txt"][0]
    assert got["run"][1]
    builds.promote(builds.promoted())
    assert builds.got("prod") == got


def test_changes_of_a_deploy_command_are_repeated_when_artifacts_are_promoted(
    builds: Builds,
) -> None:
    """Only tests are left out elsewhere; a command that deploys runs there, too."""
    out = builds.terminal.home / "out"
    more = f"cp dist/-v.txt {out}/$DEPLOYMENT_TARGET/dist/"
    builds.project(
        group={"pre_deploy": ["true"], "post_deploy": ["echo more >> dist/-v.txt", more]}
    )
    builds.deploy()
    assert b"more" in builds.got("staging")["-v.txt"][0]
    builds.promote(builds.promoted())
    assert builds.got("prod") == builds.got("staging")


def test_link_is_kept_as_its_file_when_it_points_within_the_folder(builds: Builds) -> None:
    builds.project(BUILD + "ln -s sub/../run dist/also")
    builds.deploy()
    builds.promote(builds.promoted())
    assert builds.got("prod")["also"] == builds.got("prod")["run"]


def test_build_is_refused_with_its_largest_file_when_artifacts_exceed_the_limit(
    builds: Builds,
) -> None:
    builds.project(artifacts_limit="2 kB")
    said = builds.deploy(code=10)
    assert "the limit is 2000" in said.out
    assert "dist/sub/ä b.bin 3000" in said.out
    assert not list(builds.folder.glob("sha256/*/*"))


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 500_000_000), ("2 GiB", 2 << 30), (77, 77), ("12", 12), ("1kb", 1000), ("3B", 3)],
)
def test_artifacts_limit_is_read_in_bytes_when_written_in_the_config(
    builds: Builds, text: str | int, size: int
) -> None:
    builds.project(artifacts_limit=text)
    builds.terminal("project", "sync", "app")
    app = builds.app
    project = app.projects.pick("app")
    config = app.configs.current(project, app.projects.release(project, None)).config
    assert config.artifacts_limit == size


WRONG = {
    "both": (
        [{"name": "a", "files": ["x"], "image_from": "y"}],
        {},
        "needs either files or image_from",
    ),
    "neither": ([{"name": "a"}], {}, "needs either files or image_from"),
    "twice": (
        [{"name": "a", "files": ["x"]}, {"name": "a", "files": ["y"]}],
        {},
        "appears more than once",
    ),
    "alike": (
        [{"name": "a-b", "files": ["x"]}, {"name": "a.b", "files": ["y"]}],
        {},
        "TEMPLEDB_ARTIFACT_A_B",
    ),
    "up": ([{"name": "a", "files": ["../x"]}], {}, "has a segment '..'"),
    "absolute": ([{"name": "a", "image_from": "/x"}], {}, "is not the path of a file"),
    "folder": ([{"name": "a", "files": ["x"]}], {"workdir": "project"}, "copy of the release"),
    "no build": ([{"name": "a", "files": ["x"]}], {"build_command": ""}, "builds nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_artifacts_config_is_refused_with_a_reason_when_it_is_wrong(
    builds: Builds, case: str
) -> None:
    artifacts, more, told = WRONG[case]
    builds.project(group={"artifacts": artifacts} | more)
    said = builds.deploy(code=78)
    assert told in said.out + said.err


def test_store_is_refused_when_it_lies_in_the_project_folder(builds: Builds) -> None:
    builds.project(artifacts_store="store")
    said = builds.deploy(code=78)
    assert "lies in the project's folder" in said.out + said.err
    assert builds.tested == 0


def test_store_is_refused_without_showing_the_password_when_its_url_contains_a_password(
    builds: Builds,
) -> None:
    builds.project(artifacts_store="s3://key:hunter22@bucket/x")
    said = builds.deploy(code=78)
    assert "contains a password" in said.out + said.err
    assert "hunter22" not in said.out + said.err


@pytest.mark.parametrize("where", ['touch "dist/$TOKEN"', 'echo "app/$TOKEN:1" > build/digest'])
def test_artifact_name_is_refused_when_it_contains_a_secret(builds: Builds, where: str) -> None:
    builds.terminal("env", "set", "app", "TOKEN", "hunter22hunter22", "--target", "staging")
    builds.project(f"{BUILD}{where}")
    said = builds.deploy(code=10)
    assert "the name of an artifact contains a secret" in said.out
    assert "hunter22" not in said.out
    for each in builds.folder.parent.parent.rglob("*"):
        if each.is_file() and "work" not in each.parts and "artifacts" not in each.parts:
            assert b"hunter22" not in each.read_bytes()


@pytest.mark.parametrize("store", ["s3://bucket/x", "nobody-has-this://x"])
def test_deploy_step_fails_when_the_library_of_the_store_is_missing(
    builds: Builds, store: str
) -> None:
    builds.project(artifacts_store=store)
    said = builds.deploy(code=10)
    assert store in said.out
    assert builds.tested == 0


def test_content_is_not_placed_when_a_url_store_returns_damaged_bytes(builds: Builds) -> None:
    builds.project(artifacts_store=f"file://{builds.terminal.home}/store")
    builds.deploy()
    options = builds.promoted()
    for each in (builds.terminal.home / "store" / "sha256").rglob("*"):
        if each.is_file() and each.stat().st_size == 3000:
            each.write_bytes(bytes(3000))
    assert builds.promote(options).exit_code == 10
    assert not (builds.terminal.home / "out" / "prod").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_store_is_usable_when_another_user_shares_it() -> None:
    """What another user has kept there is not written again, and not touched."""
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o755)
        shared_with_another_user(Path(shared) / "store")


def shared_with_another_user(root: Path) -> None:
    body = b"the same"
    address = Digest(hashlib.sha256(body).hexdigest())

    def keep() -> None:
        with ArtifactFolder(root).sink() as sink:
            sink.write(body)
            sink.commit(address, len(body))

    keep()
    for each in (root, *(path for path in root.rglob("*") if path.is_dir())):
        each.chmod(0o777)
    place = root / "sha256" / address[:2] / address
    before = place.stat().st_mtime_ns, place.stat().st_ino
    uid = os.geteuid()
    os.seteuid(65534)
    try:
        keep()
    finally:
        os.seteuid(uid)
    assert (place.stat().st_mtime_ns, place.stat().st_ino) == before


def test_deploy_step_fails_when_the_parent_of_the_store_is_missing(builds: Builds) -> None:
    builds.project(artifacts_store="/nowhere/at/all")
    said = builds.deploy(code=10)
    assert "/nowhere/at/all" in said.out
    assert builds.tested == 0


def test_mutable_tag_is_a_warning_when_the_target_is_not_protected(builds: Builds) -> None:
    builds.project("mkdir -p dist build; touch dist/a; echo app:latest > build/digest")
    said = builds.deploy()
    assert "app:latest: a tag, which may be another image tomorrow" in said.out
    assert "1 warning" in said.out
    assert builds.tested == 1


def test_mutable_tag_is_refused_when_the_building_target_is_protected(builds: Builds) -> None:
    builds.project(
        "mkdir -p dist build; touch dist/a; echo app:latest > build/digest",
        targets={"staging": {"protected": True, "self_approval": True}},
    )
    plan = builds.app.deployments.plan(Selection(project="app", target="staging")).plan
    builds.terminal("approve", plan.id, "--reason", "fine")
    said = builds.terminal("deploy", "run", "--plan", plan.id, code=10)
    assert "names app:latest: a tag, which may be another image tomorrow" in said.out
    assert "a protected target refuses it" in said.out
    assert builds.tested == 0


def test_mutable_tag_is_refused_when_placed_on_a_protected_target(builds: Builds) -> None:
    builds.project(
        "mkdir -p dist build; touch dist/a; echo app:latest > build/digest",
        targets={"staging": {}, "prod": {"protected": True}},
    )
    builds.deploy()
    preview = builds.plan(builds.promoted())
    assert any("a protected target refuses it" in str(each) for each in preview.findings)
    assert any(each.severity == "error" for each in preview.findings)


@pytest.mark.parametrize(
    ("reference", "fits"),
    [
        (f"app@sha256:{DIGEST}", True),
        (f"localhost:5000/a/b_c/d-e:v1.2@sha256:{DIGEST}", True),
        (f"ghcr.io/Org/app@sha256:{DIGEST}", False),
        ("app", True),
        ("registry.example/app:1.0", True),
        (f"app@sha256:{DIGEST[1:]}", False),
        (f"app@md5:{DIGEST}", False),
        ("app latest", False),
        ("https://registry.example/app", False),
    ],
)
def test_image_reference_is_accepted_only_when_it_is_well_formed(
    reference: str, *, fits: bool
) -> None:
    found, wrong = images.reference(f"{reference}\n")
    assert bool(found) is fits
    assert bool(wrong) is not fits
    assert images.pinned(reference) is (fits and "@" in reference)


@pytest.mark.parametrize(
    ("patterns", "place"),
    [
        (("dist/app.tar",), "dist/app.tar"),
        (("dist/**",), "dist"),
        (("dist/*.whl", "dist/*.gz"), "dist"),
        (("dist/a/*.js", "dist/b/*.js"), "dist"),
        (("*.whl",), ""),
        (("a/x", "b/y"), ""),
        (("out/[*]",), "out"),
    ],
)
def test_artifact_place_follows_from_its_patterns(patterns: tuple[str, ...], place: str) -> None:
    assert Artifact(name="a", patterns=patterns).place == place


PLACES = ("artifacts.begun", "artifacts.stored", "artifacts.kept", "artifacts.recorded")


@pytest.mark.parametrize("place", PLACES)
def test_run_is_resumed_when_killed_while_keeping_artifacts(builds: Builds, place: str) -> None:
    killed(builds.terminal, place, "deploy", "run", "app", "--target", "staging")
    builds.terminal("deploy", "resume", "app", "--target", "staging")
    assert builds.run().outcome is Outcome.SUCCEEDED
    assert builds.promote(builds.promoted()).outcome is Outcome.SUCCEEDED
    assert builds.got("prod") == builds.got("staging")


@pytest.mark.parametrize(
    "place",
    [
        "artifacts.begun",
        "artifacts.staged",
        "artifacts.placing@2",
        "artifacts.kept",
        "artifacts.recorded",
    ],
)
def test_run_is_resumed_when_killed_while_placing_artifacts(builds: Builds, place: str) -> None:
    builds.deploy()
    preview = builds.plan(builds.promoted())
    killed(builds.terminal, place, "deploy", "run", "--plan", preview.plan.id)
    assert not (builds.terminal.home / "out" / "prod").exists()
    builds.terminal("deploy", "resume", "app", "--target", "prod")
    assert builds.got("prod") == builds.got("staging")
    assert builds.run("prod").manifest == builds.run().manifest


def test_resumed_run_deploys_kept_artifacts_when_the_work_folder_was_changed(
    builds: Builds,
) -> None:
    """Somebody touched the work folder meanwhile, and the run goes on with what it had tested."""
    builds.project(
        group={"post_deploy": [{"command": f"test -e {builds.terminal.home}/go", "critical": True}]}
    )
    builds.deploy(code=12)
    kept = builds.run().manifest
    tree = next(builds.folder.parent.glob("work/app-staging-*")) / "tree"
    (tree / "dist" / "-v.txt").write_text("forged")
    builds.terminal.file("go", "")
    builds.terminal("deploy", "resume", "app", "--target", "staging")
    assert builds.run().manifest == kept
    assert (tree / "dist" / "-v.txt").read_text() != "forged"


def test_run_is_resumed_with_its_own_build_when_its_store_failed(builds: Builds) -> None:
    store = builds.terminal.file("store", "no folder")
    builds.project(artifacts_store="../store")
    builds.deploy(code=10)
    store.unlink()
    builds.terminal("deploy", "resume", "app", "--target", "staging")
    assert "run" in builds.got("staging")


@pytest.mark.parametrize("keeps", [True, False])
def test_resumed_run_keeps_nothing_when_another_plan_has_built_in_the_work_folder(
    builds: Builds, *, keeps: bool
) -> None:
    store = builds.terminal.file("store", "no folder")
    builds.project(artifacts_store="../store")
    builds.deploy(code=10)
    first = builds.run().run
    store.unlink()
    more: dict[str, Any] = {} if keeps else {"artifacts": []}
    builds.project(artifacts_store="../store", group={"test_command": "exit 1", **more})
    builds.deploy(code=10)
    for _ in range(2):
        said = builds.terminal("deploy", "resume", "app", first, "--target", "staging", code=10)
        assert "another plan has worked in the work folder since the build" in said.out
        assert not (builds.terminal.home / "out").exists()
    builds.project(artifacts_store="../store")
    builds.deploy()
    assert "run" in builds.got("staging")


def test_rollback_places_the_artifacts_when_the_older_run_kept_them(builds: Builds) -> None:
    builds.deploy()
    first = builds.got("staging")
    builds.terminal.file("app/note", "2")
    builds.deploy()
    assert builds.got("staging") != first
    said = builds.terminal("deploy", "rollback", "app", "--target", "staging")
    assert builds.got("staging") == first
    assert "build and test skipped (kept artifact)" in said.out
    assert builds.tested == 2


def test_rollback_builds_again_and_says_so_when_artifacts_are_gone(builds: Builds) -> None:
    builds.deploy()
    path = builds.blob("dist/run")
    gone = builds.blob("dist/-v.txt")
    builds.terminal.file("app/note", "2")
    builds.deploy()
    gone.unlink()
    assert path.exists()
    said = builds.terminal("deploy", "rollback", "app", "--target", "staging", "--dry-run")
    assert "its groups build again" in said.out
    assert "dist/-v.txt" in said.out
    builds.terminal("deploy", "rollback", "app", "--target", "staging")
    assert builds.tested == 3


def test_rollback_places_what_was_in_place_when_a_deployment_fails(builds: Builds) -> None:
    builds.project(on_failure="rollback")
    builds.deploy()
    first = builds.got("staging")
    fails = {"post_deploy": [{"command": "test ! -e broken", "critical": True}]}
    builds.project(on_failure="rollback", group=fails)
    builds.deploy()
    second = builds.got("staging")
    builds.terminal.file("app/broken", "")
    builds.deploy(code=11)
    assert builds.got("staging") == second != first


def test_ledger_keeps_the_artifact_record_when_a_run_keeps_artifacts(
    builds: Builds, pg: Database
) -> None:
    for target in ("staging", "prod"):
        builds.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", target)
    builds.project(artifacts_store="../store")
    builds.deploy()
    kept = builds.run().manifest
    assert pg.query("SELECT manifest FROM templedb.run") == [(kept,)]
    builds.another_machine()
    for target in ("staging", "prod"):
        builds.terminal("env", "set", "app", "DATABASE_URL", pg.dsn, "--target", target)
    app = builds.app
    with app.plans.of_target("app", "staging") as opened:
        (ledger,) = opened.ledgers.values()
    (past,) = ledger.runs
    assert past.manifest == kept
    assert builds.promote(builds.promoted(past)).outcome is Outcome.SUCCEEDED
    assert builds.got("prod") == builds.got("staging")


def test_artifact_record_is_stored_as_its_own_content_when_a_run_keeps_artifacts(
    builds: Builds,
) -> None:
    builds.deploy()
    address = builds.run().manifest
    body = builds.app.content.read([address])[address]  # type: ignore[list-item,index]  # a digest
    assert hashlib.sha256(body).hexdigest() == address
    stored = builds.folder / "sha256" / address[:2] / address
    assert stored.read_bytes() == body
    names = {each["name"] for group in json.loads(body)["groups"] for each in group["artifacts"]}
    assert names == {"site", "image"}


def test_artifact_is_not_read_into_memory_when_the_file_is_large(builds: Builds) -> None:
    builds.project(
        "mkdir -p dist build; head -c 200000000 /dev/urandom > dist/big; cp digest build/digest"
    )
    builds.terminal.file("app/digest", f"app@sha256:{DIGEST}\n")
    bundle = str(builds.terminal.home / "plan.bundle")
    assert _peak(builds, "deploy", "run", "app", "--target", "staging") < 180
    builds.plan(builds.promoted(), out=Path(bundle), with_artifacts=True)
    assert _peak(builds, "deploy", "run", "--plan", bundle) < 180
    one, two = (builds.terminal.home / "out" / each / "dist/big" for each in ("staging", "prod"))
    assert filecmp.cmp(one, two, shallow=False)


MEASURED = """
import sys
from pathlib import Path
from templedb_nb.cli import run
code = run(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print("PEAK", next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
sys.exit(code)
"""
"""Not its rusage: that has the memory of the process that it was forked from."""


def _peak(builds: Builds, *words: str) -> int:
    """Return how many MiB a process of a command had at most."""
    command = [sys.executable, "-c", MEASURED, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=builds.terminal.home
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split()[-1]) >> 10


def age(builds: Builds) -> None:
    """Let every file that is kept be two hours old."""
    for each in builds.folder.rglob("*"):
        if each.is_file():
            status = each.stat()
            os.utime(each, (status.st_atime - 7200, status.st_mtime - 7200))


def test_gc_keeps_artifacts_when_they_are_in_place_or_needed_for_a_rollback(builds: Builds) -> None:
    manifests = []
    for number in range(4):
        builds.terminal.file("app/note", str(number))
        builds.deploy()
        manifests.append(builds.run().manifest)
    age(builds)
    before = sorted(builds.folder.rglob("*"))
    builds.terminal("state", "gc", "--keep-runs", "0", "--dry-run")
    assert sorted(builds.folder.rglob("*")) == before
    said = builds.terminal("state", "gc", "--keep-runs", "0")
    assert "in place" in said.out
    assert "a rollback places them" in said.out
    there = [(builds.folder / "sha256" / each[:2] / each).exists() for each in manifests]
    assert there == [False, False, True, True]
    second = builds.terminal("deploy", "rollback", "app", "--target", "staging")
    assert "build and test skipped (kept artifact)" in second.out


def test_gc_keeps_artifacts_when_they_are_young_or_of_the_newest_runs(builds: Builds) -> None:
    for number in range(4):
        builds.terminal.file("app/note", str(number))
        builds.deploy()
    before = sorted(builds.folder.rglob("*"))
    builds.terminal("state", "gc", "--keep-runs", "0")
    assert sorted(builds.folder.rglob("*")) == before  # younger than an hour
    age(builds)
    builds.terminal("state", "gc", "--keep-runs", "9")
    assert sorted(builds.folder.rglob("*")) == before


def test_gc_keeps_artifacts_when_a_live_run_has_kept_them(builds: Builds) -> None:
    home = builds.terminal.home
    wait = f"touch {home}/begun; until test -e {home}/go; do sleep 0.05; done; test ! -e {home}/bad"
    builds.project(group={"post_deploy": [{"command": wait, "critical": True}]})
    builds.terminal.file("bad", "")
    process = builds.terminal.process("deploy", "run", "app", "--target", "staging")
    try:
        while not (home / "begun").exists():
            assert process.poll() is None
        age(builds)
        said = builds.terminal("state", "gc", "--keep-runs", "0")
        assert "removed: 0 files" in said.out
        assert "still running" in said.out
    finally:
        builds.terminal.file("go", "")
        process.communicate(timeout=60)
    (home / "bad").unlink()
    builds.terminal("deploy", "resume", "app", "--target", "staging")


def test_gc_keeps_artifacts_when_a_waiting_plan_places_them(builds: Builds) -> None:
    builds.deploy()
    options = builds.promoted()
    preview = builds.plan(options)
    for number in range(3):
        builds.terminal.file("app/note", str(number))
        builds.deploy()
    age(builds)
    builds.terminal("state", "gc", "--keep-runs", "0")
    builds.terminal("project", "sync", "app")
    files = [file for each in options.artifacts["app"] for file in each.files]
    assert all(builds.app.artifacts.own.has(each.blob) for each in files)
    assert preview.plan.placed == options.artifacts


def test_gc_removes_nothing_when_a_kept_record_is_lost(builds: Builds) -> None:
    builds.deploy()
    builds.terminal.file("app/note", "2")
    builds.deploy()
    kept = builds.run().manifest
    age(builds)
    app = builds.app
    with app.state.session() as session:
        session.execute("DELETE FROM content_blobs WHERE sha256 = ?", [kept])
    with pytest.raises(StoreError):
        app.content.read([kept])  # type: ignore[list-item]  # a digest
    (builds.folder / "sha256" / kept[:2] / kept).unlink()
    before = sorted(builds.folder.rglob("*"))
    builds.terminal("state", "gc", "--keep-runs", "0", code=69)
    assert sorted(builds.folder.rglob("*")) == before


def test_manifest_digest_depends_only_on_its_content_when_groups_are_added_in_any_order() -> None:
    one = Artifact(name="a", files=(), image=f"app@sha256:{DIGEST}")
    first = Manifest().with_group("x", (one,)).with_group("y", ())
    second = Manifest().with_group("y", ()).with_group("x", (one,))
    assert first.digest == second.digest
    assert first.digest != Manifest().with_group("x", (replace(one, name="b"),)).digest
    assert first.of("x") == (one,)
    assert first.of("nobody") == ()


def test_report_names_the_place_step_when_artifacts_are_promoted(builds: Builds) -> None:
    builds.deploy()
    preview = builds.plan(builds.promoted())
    junit = builds.terminal.home / "report.xml"
    builds.terminal("deploy", "run", "--plan", preview.plan.id, "--junit", str(junit))
    assert "build and test skipped (promoted artifact)" in junit.read_text()
