"""Long chains and dense webs of what depends on each other: no recursion, no power of their size."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.config.document import parse
from templedb_nb.core.config.groups import check, cycle, ordered
from templedb_nb.core.migrations.layouts import alembic
from templedb_nb.core.migrations.layouts.arrange import arrange
from templedb_nb.core.migrations.layouts.placing import FolderView
from templedb_nb.core.sql.psql_includes import included_openings
from templedb_nb.core.values.circles import circle
from templedb_nb.core.windows.rules import typed
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.config import Group, GroupKind
from templedb_nb.model.finding import errors
from templedb_nb.model.layout import Layout

LONG = 20_000


def group(name: str, *after: str) -> Group:
    return Group(name=name, order=1, depends_on=after, deploy_command="true", mutates=False)


def groups_in_a_chain() -> None:
    """Each group comes after the next one, the first of all last."""
    names = [f"g{n:06d}" for n in range(LONG)]
    chain = [group(name, after) for name, after in pairwise(names)]
    whole = [*chain, group(names[-1])]
    assert [each.name for each in ordered(whole)] == names[::-1]
    assert cycle(whole) == ()
    round_again = [*chain, group(names[-1], names[0])]
    assert cycle(round_again) == (*names, names[0])


def groups_of_a_config() -> None:
    groups = [{"name": f"g{n}", "deploy_command": "true", "mutates": False} for n in range(LONG)]
    config, found = parse({"groups": [*groups, *groups]})
    assert len(found) >= LONG
    check(config)


def health_checks() -> None:
    each = {"type": "command", "command": "true"}
    checks = [each] * LONG + [{**each, "name": f"c{n % 100}"} for n in range(LONG)]
    body = {"name": "g", "deploy_command": "true", "mutates": False, "health_checks": checks}
    config, found = parse({"groups": [body]})
    assert found == ()
    assert len(check(config)) >= 100


def lifecycle_of_many_targets() -> None:
    body = {"groups": [{"name": "g", "deploy_command": "true", "mutates": False}]}
    _, found = parse({**body, "lifecycle": {f"t{n}": f"t{n + 1}" for n in range(900)}})
    assert found == ()
    ends = {f"t{n}": [f"t{m}" for m in range(400) if m != n] for n in range(400)}
    _, found = parse({"lifecycle": ends, "promotion": {f"u{n}": {} for n in range(LONG)}})
    assert sum("leads from" in each.message for each in found) == 1
    wide = [[f"a{n}" for n in range(LONG)], [f"b{n}" for n in range(LONG)]]
    _, found = parse({"lifecycle": wide})
    assert any("at most 1000 targets" in each.message for each in found)


def windows_of_one_name() -> None:
    rule = {"cron": "0 18 * * FRI", "duration": "1h", "time_zone": "UTC", "reason": "x"}
    rules = [{**rule, "name": f"w{n // 2}"} for n in range(LONG)]
    with pytest.raises(InvalidConfig):
        typed([{"deny": rules}])


def files_that_include_each_other() -> None:
    """A chain of files, then files of which each includes the next one twice."""
    last = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\n"
    chain = {f"f{n}.sql": f"\\i f{n + 1}.sql\n" for n in range(3000)} | {"f3000.sql": last}
    assert [each.file for each in included_openings("\\i f0.sql\n", "m.sql", chain.get)] == ["f3000.sql"]  # fmt: skip
    twice = {f"f{n}.sql": f"\\i f{n + 1}.sql\n" * 2 for n in range(200)} | {"f200.sql": last}
    assert [each.file for each in included_openings("\\i f0.sql\n", "m.sql", twice.get)] == ["f200.sql"]  # fmt: skip
    circular = {"f0.sql": "\\i f1.sql\n", "f1.sql": "\\i f0.sql\nSELECT 1;\n"}
    assert included_openings("\\i f0.sql\n", "m.sql", circular.get) == ()


def migrations_of_yoyo_in_a_chain() -> None:
    texts = {f"m/{n:06d}.sql": f"-- depends: {n + 1:06d}\nSELECT 1;\n" for n in range(3000)}
    texts["m/003000.sql"] = "SELECT 1;\n"
    wanted = ("m/*.sql",)
    own = Group(
        name="m", order=1, kind=GroupKind.MIGRATIONS, file_patterns=wanted, layout=Layout.YOYO
    )
    found = arrange(own, sorted(texts), FolderView(texts=texts))
    assert errors(found.findings) == ()
    assert [each.path for each in found.files] == sorted(texts, reverse=True)


def revisions_of_alembic_in_a_chain() -> None:
    above = {f"{n:06d}": (f"{n + 1:06d}",) for n in range(LONG)}
    assert alembic.sorted_graph(above) == sorted(above, reverse=True)
    assert alembic.sorted_graph({"a": ("b",), "b": ("a",), "c": ()}) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "text",
    ["revision = {[]: 1}\n", "revision = {**1}\n", "revision = " + "-" * 100_000 + "1\n",
     "revision = " + "1+" * 100_000 + "1\n", "revision = " + "[" * 5000 + "]" * 5000 + "\n",
     "revision = '\\ud800'\n", "revision = f'{1}'\n", "revision = a" + ".b" * 100_000 + "\n"],
)  # fmt: skip
def test_alembic_revision_has_no_id_when_it_is_not_a_literal(text: str) -> None:
    found = alembic.revision(text)
    assert found is None or isinstance(found[0], str)


@pytest.mark.parametrize(
    "case",
    [groups_in_a_chain, groups_of_a_config, health_checks, lifecycle_of_many_targets,
     windows_of_one_name, files_that_include_each_other, migrations_of_yoyo_in_a_chain,
     revisions_of_alembic_in_a_chain],
)  # fmt: skip
def test_cost_grows_only_with_size_when_chains_are_long_or_webs_are_dense(case: object) -> None:
    name = getattr(case, "__name__", "")
    limited = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from tests.core.plan import test_chains
test_chains.{name}()
"""
    done = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


NAMES = st.sampled_from("abcde")


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3)))
def test_circle_is_found_when_dependencies_form_a_circle(after: dict[str, list[str]]) -> None:
    found = circle(after)
    if found:
        assert found[0] == found[-1]
        assert all(b in after[a] for a, b in pairwise(found))
    else:
        left = dict(after)
        while ends := [name for name, some in left.items() if not set(some) & left.keys()]:
            for name in ends:
                del left[name]
        assert left == {}


@given(st.lists(st.tuples(NAMES, st.integers(0, 3), st.lists(NAMES, max_size=2)), max_size=6))
def test_groups_come_in_order_and_after_their_dependencies_when_some_depend_on_others(
    made: list[tuple[str, int, list[str]]],
) -> None:
    unique = {name: (name, order, after) for name, order, after in made}.values()
    groups = [
        Group(name=name, order=order, depends_on=tuple(after)) for name, order, after in unique
    ]
    assert [each.name for each in ordered(groups)] == [each.name for each in _slowly(groups)]


def _slowly(groups: list[Group]) -> list[Group]:
    """Order groups as the documents say: the first that may come, or else the first."""
    waiting = sorted(groups, key=lambda each: (each.order, each.name))
    names, done = {each.name for each in groups}, list[Group]()
    while waiting:
        placed = {each.name for each in done}
        ready = [each for each in waiting if set(each.depends_on) & names <= placed]
        following = (ready or waiting)[0]
        waiting.remove(following)
        done.append(following)
    return done
