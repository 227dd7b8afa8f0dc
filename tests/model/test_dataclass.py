"""Our dataclasses are those of the standard library; only their methods are made later."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, field, replace
from typing import Any, ClassVar

import pytest

import templedb_nb.model.dataclass as ours
from templedb_nb.model.dataclass import dataclass

HOW: dict[str, bool] = {"frozen": True, "slots": True, "kw_only": True}


class Fields:
    """Every sort of field that our values have."""

    kinds: ClassVar[int] = 3
    name: str
    count: int = 0
    hidden: str = field(default="secret", repr=False)
    note: str = field(default="", compare=False)
    parts: dict[str, int] = field(default_factory=dict, hash=False)
    made: list[int] = field(default_factory=list, init=False, hash=False)

    def __post_init__(self) -> None:
        """Refuse what is not a count."""
        if self.count < 0:
            raise ValueError(self.count)


def both(**how: bool) -> tuple[Any, Any]:
    """Return the same class, made by the standard library and by us."""
    body = {
        name: value
        for name, value in vars(Fields).items()
        if name not in {"__dict__", "__weakref__"}
    }
    make: Any = dataclasses.dataclass(**how)
    return make(type("Fields", (), dict(body))), ours._dataclass(**how)(
        type("Fields", (), dict(body))
    )


@pytest.mark.parametrize("how", [HOW, {"frozen": True}, {"slots": True}, {"kw_only": True}, {}])
def test_values_behave_as_those_of_the_standard_library(how: dict[str, bool]) -> None:
    made = [
        (repr(each(name="a", parts={"b": 1})), each(name="a") == each(name="a", note="other"),
         each(name="a") == each(name="b"), each(name="a") != object(), hasattr(each(name="a"), "__dict__"),
         [f.name for f in dataclasses.fields(each)], each.__match_args__, str(inspect.signature(each)),
         dataclasses.asdict(replace(each(name="a"), count=2)), copy.deepcopy(each(name="a", count=7)).count,
         each(name="a").parts is each(name="a").parts, each.__hash__ is None)
        for each in both(**how)
    ]  # fmt: skip
    assert made[0] == made[1]


def test_equal_values_have_equal_hashes_when_they_are_frozen() -> None:
    theirs, own = both(**HOW)
    assert hash(own(name="a", note="x")) == hash(own(name="a", note="y"))
    assert hash(own(name="a")) == hash(theirs(name="a"))
    assert own(name="a") != theirs(name="a")


@pytest.mark.parametrize("call", [lambda c: c(), lambda c: c("a"), lambda c: c(name="a", no=1)])
def test_wrong_arguments_are_refused_in_the_same_words(call: Any) -> None:
    told = []
    for each in both(**HOW):
        with pytest.raises(TypeError) as error:
            call(each)
        told.append(str(error.value))
    assert told[0] == told[1]


def test_post_init_refuses_a_value() -> None:
    with pytest.raises(ValueError, match="-1"):
        both(**HOW)[1](name="a", count=-1)


@pytest.mark.parametrize("how", [HOW, {"frozen": True}])
def test_frozen_value_is_not_changed(how: dict[str, bool]) -> None:
    told = []
    for each in both(**how):
        value = each(name="a")
        with pytest.raises(FrozenInstanceError) as assigned:
            value.name = "b"
        with pytest.raises(FrozenInstanceError) as deleted:
            del value.name
        told.append((str(assigned.value), str(deleted.value)))
        assert value.name == "a"
    assert told[0] == told[1]


@pytest.mark.parametrize("how", [HOW, {"frozen": True}])
def test_frozen_value_gets_no_new_attribute(how: dict[str, bool]) -> None:
    value = both(**how)[1](name="a")
    with pytest.raises(FrozenInstanceError, match="'new'"):
        value.new = 1


def test_own_methods_are_kept() -> None:
    @dataclass(frozen=True, slots=True)
    class Own:
        name: str

        def __repr__(self) -> str:
            return "***"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own("a")), Own("a") == Own("b"), hash(Own("a"))) == ("***", True, 7)


def test_own_way_to_set_attributes_is_refused_when_frozen() -> None:
    with pytest.raises(TypeError, match="__setattr__"):

        @dataclass(frozen=True)
        class Own:
            def __setattr__(self, name: str, value: object) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A value that another one extends."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Base):
    """It has a field more."""

    count: int = 1


def test_subclass_has_the_fields_of_both() -> None:
    assert repr(Derived(name="a")) == "Derived(name='a', count=1)"
    assert Derived(name="a") != Base(name="a")


def test_value_is_pickled() -> None:
    assert pickle.loads(pickle.dumps(Derived(name="a", count=3))) == Derived(name="a", count=3)


def test_import_compiles_no_method() -> None:
    program = (
        "import dataclasses, templedb_nb.model.step as step\n"
        "from templedb_nb.model.event import RunStarted\n"
        "assert 'compiled' in vars(RunStarted.__init__), 'compiled before its first value'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
