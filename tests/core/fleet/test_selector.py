"""Selectors: what they mean, and where their mistakes are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.fleet.selector import facts, holds, keys, selected, selector
from templedb_nb.errors import UnknownName, UsageProblem
from templedb_nb.model.selector import AllOf, AnyOf, Condition, HasLabel, LabelIn, NotThat
from templedb_nb.model.target import Target, TargetName

ACME = {"region": "eu", "tier": "gold", "note": "it's 5 o'clock (late)"}


@pytest.mark.parametrize(
    ("text", "holds_for_acme"),
    [
        ("region=eu", True),
        ("region == eu", True),
        ("region!=eu", False),
        ("region=EU", False),
        ("plan!=free", True),
        ("plan=free", False),
        ("tier", True),
        ("plan", False),
        ("not plan", True),
        ("not not tier", True),
        ("tier in (gold, silver)", True),
        ("tier in(silver)", False),
        ("tier not in (gold)", False),
        ("plan not in (gold)", True),
        ("region=eu and tier!=free", True),
        ("region=us or tier=gold and region=eu", True),
        ("(region=us or tier=gold) and region=us", False),
        ("not region=us and tier", True),
        ("not (region=us or tier)", False),
        ("region=us AND tier OR Not plan", True),
        ("note='it''s 5 o''clock (late)'", True),
        ("note=\"it's 5 o'clock (late)\"", True),
        ("tier=in", False),
        ("  tier  ", True),
    ],
)
def test_selector_holds_when_the_labels_are_as_it_says(text: str, *, holds_for_acme: bool) -> None:
    assert holds(selector(text).condition, ACME) is holds_for_acme


@pytest.mark.parametrize(
    ("text", "at", "told"),
    [
        ("", 1, "it is empty"),
        ("region=", 8, "expected a value"),
        ("region=eu tier", 11, "expected `and`, `or` or the end"),
        ("(region=eu", 11, "expected `)`"),
        ("region=eu)", 10, "expected `and`, `or` or the end"),
        ("tier in gold", 9, "expected `(`"),
        ("tier in (gold,)", 15, "expected a value"),
        ("and tier", 1, "expected the key of a label"),
        ("tier and", 9, "expected the key of a label"),
        ("!tier", 1, "write `!=`"),
        ("note='a", 6, "a quote is not closed"),
        ("region=eu-*", 11, "* has no meaning here"),
        ("region=eu && tier", 11, "& has no meaning here"),
        ("(" * 60 + "tier" + ")" * 60, 51, "nested more than 50"),
        ("not " * 60 + "tier", 201, "nested more than 50"),
    ],
)
def test_selector_is_refused_with_its_place_when_it_is_mistyped(
    text: str, at: int, told: str
) -> None:
    with pytest.raises(UsageProblem) as refused:
        selector(text)
    assert f"at character {at}: " in refused.value.message
    assert told in refused.value.message


def test_mistake_is_marked_below_the_text_when_the_selector_is_long() -> None:
    text = " and ".join(f"label{n}=value" for n in range(100)) + " and region=eu tier=x"
    with pytest.raises(UsageProblem) as refused:
        selector(text)
    shown, mark = refused.value.problems
    assert shown[mark.index("^") :] == "tier=x"


def _written(condition: Condition) -> str:
    match condition:
        case HasLabel():
            return condition.key
        case LabelIn():
            values = ", ".join("'" + each.replace("'", "''") + "'" for each in condition.values)
            return f"{condition.key} in ({values})"
        case NotThat():
            return f"not ({_written(condition.of)})"
        case AllOf():
            return " and ".join(f"({_written(each)})" for each in condition.of)
        case AnyOf():
            return " or ".join(f"({_written(each)})" for each in condition.of)


_KEYS = st.sampled_from(["a", "b", "region", "x.y-z_1"])
_LEAVES = st.one_of(
    st.builds(HasLabel, key=_KEYS),
    st.builds(LabelIn, key=_KEYS, values=st.lists(st.text(), min_size=1, max_size=3).map(tuple)),
)
_CONDITIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(NotThat, of=inner),
        st.builds(AllOf, of=st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(AnyOf, of=st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(_CONDITIONS)
def test_condition_is_read_again_as_it_was_written(condition: Condition) -> None:
    assert selector(_written(condition)).condition == condition


@given(_CONDITIONS, st.dictionaries(_KEYS, st.text(max_size=2)))
def test_negation_holds_exactly_where_the_condition_does_not(
    condition: Condition, known: Mapping[str, str]
) -> None:
    assert holds(NotThat(of=condition), known) is not holds(condition, known)


@given(st.text(alphabet="ab=!(),'\" inotrd*\n\x00é", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = selector(text)
    except UsageProblem:
        return
    assert keys(found.condition)


def a_target(name: str, **labels: str) -> Target:
    return Target(name=TargetName(name), labels=labels)


def test_selected_refuses_a_key_that_no_target_has() -> None:
    """Mistyped behind a `not` it would select every target."""
    targets = [a_target("a", region="eu"), a_target("b", tier="free")]
    with pytest.raises(UnknownName, match="no target has a label regoin; did you mean region"):
        selected(selector("not regoin=eu"), targets)
    assert selected(selector("not region=eu"), targets) == (targets[1],)
    assert selected(selector("not region=eu"), []) == ()


def test_fields_of_a_target_are_selected_like_its_labels() -> None:
    one = Target(name=TargetName("a"), region="eu", protected=True)
    assert facts(one) == {"name": "a", "type": "database", "region": "eu", "protected": "true"}
    assert selected(selector("protected=true and not host and name in (a, b)"), [one]) == (one,)
