"""The libraries that checks over HTTP need; they come with the extra `health`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from templedb_nb.errors import ConfigError, InvalidConfig
from templedb_nb.model.health import Check, HttpCheck

_NEEDED = {"urllib3": "urllib3", "jsonpath": "python-jsonpath"}
INSTALL = "pip install 'templedb-nb[health]'"


def refuse_unfit(checks: Iterable[Check]) -> None:
    """Raise what is missing for these checks, or wrong with their JSONPaths."""
    asked = [each for each in checks if isinstance(each, HttpCheck)]
    needed = [*(["urllib3"] if asked else [])]
    needed += [*(["jsonpath"] if any(each.expect_json for each in asked) else [])]
    if missing := [_NEEDED[each] for each in needed if find_spec(each) is None]:
        message = f"checks over HTTP need {' and '.join(missing)}, and it is not installed"
        raise ConfigError(message, hint=INSTALL)
    if problems := list(_paths(asked)):
        raise InvalidConfig("health checks are wrong", problems=problems)


def refuse_without_http(router: str) -> None:
    """Raise if the library is missing that asks the status of a group's router over HTTP."""
    if find_spec("urllib3") is None:
        message = f"the status of the router of {router} is a URL, which needs urllib3"
        raise ConfigError(f"{message}, and it is not installed", hint=INSTALL)


def _paths(asked: Iterable[HttpCheck]) -> Iterable[str]:
    from templedb_nb.health.json_path import complaint

    for check in asked:
        for each in check.expect_json:
            if told := complaint(each.path):
                yield f"{check.name}: expect_json: {each.path} is not a JSONPath: {told}"
