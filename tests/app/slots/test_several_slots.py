"""More than two slots, and more than one group with slots: each goes its own way."""

from __future__ import annotations

import json

from tests.app.slots.test_blue_green import Slots, free_port, slots

__all__ = ["slots"]


def three(slots: Slots, **more: object) -> None:
    """Give the group a third slot."""
    ports = (*slots.ports, free_port())
    names = ("blue", "green", "red")
    slots.write(slots={n: {"PORT": str(p)} for n, p in zip(names, ports, strict=True)}, **more)


def test_each_release_goes_into_the_slot_that_is_not_kept_when_there_are_three(
    slots: Slots,
) -> None:
    three(slots)
    slots.deploy("v1")
    slots.deploy("v2")
    slots.deploy("v3")
    assert slots.deployed == ["blue none v1", "green blue v2", "red green v3"]
    refused = slots.deploy("v4", code=78)
    assert "keeps the previous release" in refused.err
    assert slots.serves == "red"
    slots.switch("blue")
    assert slots.serves == "blue"
    assert slots.states() == {"blue": "live", "green": "warm", "red": "warm"}
    slots.deploy("v5", "--discard-old")
    assert slots.deployed[-1].split()[1:] == ["blue", "v5"]


def two(slots: Slots, **changed: object) -> None:
    """Write two groups with slots of the same names, each with a link of its own."""
    links = [slots.place / each for each in ("one", "two")]
    groups = []
    for link in links:
        blue_green = {
            "slots": ["blue", "green"],
            "router": {"type": "symlink", "path": str(link), "to": "{slot}"},
            "keep_old": 0,
        }
        deploy = f"mkdir -p {slots.place}/$TEMPLEDB_SLOT; echo {link.name} $TEMPLEDB_SLOT >> {slots.place}/log; [ ! -f fails-{link.name} ]"
        check = {"type": "command", "command": "true"}
        groups.append(
            {
                "name": link.name,
                "deploy_command": deploy,
                "health_check": check,
                "blue_green": blue_green | changed,
            }
        )
    document = {"groups": groups, "targets": {"prod": {"type": "service"}}}
    slots.place.mkdir(exist_ok=True)
    slots.terminal.file("app/templedb.yaml", json.dumps(document))


def serving(slots: Slots) -> list[str]:
    return [str((slots.place / each).readlink()) for each in ("one", "two")]


def test_groups_are_switched_each_by_its_own_router_when_both_have_slots(slots: Slots) -> None:
    two(slots)
    slots.deploy("v1")
    assert serving(slots) == ["blue", "blue"]
    slots.deploy("v2")
    assert serving(slots) == ["green", "green"]
    refused = slots.switch("blue", code=64)
    assert "several groups have a slot blue: one, two" in refused.err
    slots.switch("blue", "--group", "two")
    assert serving(slots) == ["green", "blue"]
    slots.deploy("v3")
    assert serving(slots) == ["blue", "green"]


def test_first_group_stays_switched_when_the_second_one_fails(slots: Slots) -> None:
    two(slots)
    slots.deploy("v1")
    slots.terminal.file("app/fails-two", "")
    said = slots.deploy("v2", code=12)
    assert serving(slots) == ["green", "blue"]
    assert "[ ! -f fails-two ] exited with 1" in said.out
    (slots.terminal.home / "app/fails-two").unlink()
    slots.deploy("v3")
    assert serving(slots) == ["blue", "green"]


def test_run_waits_for_each_group_in_its_turn_when_promotion_is_manual(slots: Slots) -> None:
    two(slots, promote="manual")
    slots.deploy("v1", code=20)
    slots.switch("blue", "--group", "one", code=20)
    slots.switch("blue", "--group", "two")
    assert serving(slots) == ["blue", "blue"]
    slots.deploy("v2", code=20)
    slots.switch("green", "--group", "one", code=20)
    slots.switch("blue", "--group", "one")
    said = slots.switch("green", "--group", "two")
    assert serving(slots) == ["blue", "green"]
    assert "app to prod, 1 step" in said.out
