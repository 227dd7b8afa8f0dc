"""Health asked at any time of a group with slots: the slot that serves answers."""

from __future__ import annotations

from tests.app.slots.test_blue_green import Slots, slots

__all__ = ["slots"]


def test_serving_slot_is_measured_when_a_group_has_slots(slots: Slots) -> None:
    slots.deploy("v1")
    slots.deploy("v2")
    (slots.place / "blue" / "ill").write_text("")
    slots.terminal("health", "check", "app")
    slots.terminal("health", "check", "app", "--once")
    (slots.place / "green" / "ill").write_text("")
    said = slots.terminal("health", "check", "app", "--once", code=10)
    assert "503" in said.out


def test_measurement_is_inconclusive_when_the_router_names_no_slot(slots: Slots) -> None:
    slots.deploy("v1")
    slots.link.unlink()
    said = slots.terminal("health", "check", "app", code=14)
    assert "nobody knows which slot of web to ask" in said.err
    assert "templedb deploy slots app --target prod" in said.err
