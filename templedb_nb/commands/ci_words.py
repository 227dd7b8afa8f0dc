"""What pipelines say that deploy a release, and those that promote one, host by host."""

from __future__ import annotations

from collections.abc import Mapping

HOSTS = {"github": ".github/workflows/templedb.yml", "gitlab": ".gitlab-ci.templedb.yml"}
PROMOTING = {
    "github": ".github/workflows/templedb-promote.yml",
    "gitlab": ".gitlab-ci.templedb-promote.yml",
}
_DEPLOYED = {
    "github": """\
# Written by `templedb ci github`. A pull request gets a plan. After the merge, a new plan is made;
# it waits for the environment's reviewers, and exactly that plan is deployed, or nothing.""",
    "gitlab": """\
# A merge request gets a plan. After the merge, a new plan is made; it waits for somebody who may
# deploy to the environment, and exactly that plan is deployed, or nothing.""",
}
_PROMOTED = {
    "github": """\
# Written by `templedb ci github --from`. Started by hand: what @SOURCE@ has is planned for
# @TARGET@; the plan waits for the environment's reviewers, and exactly that is deployed.""",
    "gitlab": """\
# Started by hand: what @SOURCE@ has is planned for @TARGET@; the plan waits for somebody who may
# deploy to the environment, and exactly that is deployed, or nothing.""",
}
_ON_PUSH = {
    "github": """\
  pull_request:
  push:
    branches: [main]""",
    "gitlab": """\
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH""",
}
_BY_HAND = {
    "github": """\
  workflow_dispatch:
    inputs:
      run: {description: "A run on @SOURCE@, or a release. Empty: what is in place there"}""",
    "gitlab": """\
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
      when: manual
      allow_failure: true""",
}
_DEPLOY = "templedb deploy plan @PROJECT@ --target @TARGET@"
_PROMOTE = """\
templedb promote @PROJECT@ --from @SOURCE@ --to @TARGET@ ${RUN:+--run "$RUN"} --with-artifacts"""


def pipeline_words(host: str, source: str) -> Mapping[str, str]:
    """Return what a template says; with *source*, of a promotion from there.

    A promotion finds the release in the history of the checkout: it takes the whole.
    """
    promotes = bool(source)
    depth = {"github": ", fetch-depth: 0", "gitlab": '    GIT_DEPTH: "0"\n'}[host]
    return {
        "ABOUT": (_PROMOTED if promotes else _DEPLOYED)[host],
        "NAME": "templedb-promote" if promotes else "templedb",
        "EVENTS": (_BY_HAND if promotes else _ON_PUSH)[host],
        "PLAN": _PROMOTE if promotes else _DEPLOY,
        "DEPTH": depth if promotes else "",
        "PLANNED": "          RUN: ${{ inputs.run }}\n" if promotes else "",
        "WHEN": "workflow_dispatch" if promotes else "push",
        "SOURCE": source,
    }
