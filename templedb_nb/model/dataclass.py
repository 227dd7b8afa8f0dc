"""Dataclasses whose methods are made when they are first used.

``dataclasses.dataclass`` compiles up to seven methods for each class, which takes half a
millisecond. A short command imports several hundred classes and makes values of a few. Here the
standard library finds the fields and makes the slots, methods such as ``__eq__`` have one code for
all classes, and ``__init__`` is compiled when the first value is made. All else is as documented
for ``dataclasses.dataclass``, which type checkers see in its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any  # Any: a class that is being made

if TYPE_CHECKING:
    import inspect
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - the name that others import

Fields = tuple[dataclasses.Field[Any], ...]


class _Factory:
    """What a signature shows as the default of a field that has a factory."""

    def __repr__(self) -> str:
        return "<factory>"


_FROM_FACTORY = _Factory()


def _dataclass(
    cls: type[Any] | None = None, /, *, frozen: bool = False, eq: bool = True, **how: bool
) -> Any:
    """Make a class a dataclass; *how* is for the standard library: slots, kw_only."""

    def made(cls: type[Any]) -> type[Any]:
        return _made(cls, frozen=frozen, eq=eq, how=how)

    return made if cls is None else made(cls)


if not TYPE_CHECKING:
    dataclass = _dataclass


def _made(cls: type[Any], *, frozen: bool, eq: bool, how: dict[str, bool]) -> type[Any]:
    own = {name for name, value in vars(cls).items() if value is not None}
    plain = dataclasses.dataclass(init=False, repr=False, eq=False, **how)
    cls = plain(cls)
    fields = dataclasses.fields(cls)
    methods: dict[str, Any] = {"__repr__": _shown, "__init__": _first_init(cls, frozen=frozen)}
    if "__init__" not in own:
        methods["__signature__"] = _Signature(cls)
    if eq:
        methods |= _equality(fields, hashed=frozen)
    if frozen:
        if found := sorted(own & {"__setattr__", "__delattr__"}):
            raise TypeError(f"{cls.__name__} is frozen, but has a {found[0]} of its own")
        methods |= _unchangeable(cls, frozenset(each.name for each in fields))
    for name in methods.keys() - own:
        setattr(cls, name, methods[name])
    return cls


def _first_init(cls: type[Any], *, frozen: bool) -> Callable[..., None]:
    """Return an ``__init__`` that puts a compiled one in its place, and calls that."""

    def __init__(self: Any, /, *args: Any, **values: Any) -> None:  # noqa: N807
        compiled = _compiled(cls, frozen=frozen)
        cls.__init__ = compiled
        compiled(self, *args, **values)

    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__.__dict__["compiled"] = lambda: _compiled(cls, frozen=frozen)
    return __init__


def _compiled(cls: type[Any], *, frozen: bool) -> Callable[..., None]:
    """Return the ``__init__`` of a class's fields."""
    fields = dataclasses.fields(cls)
    known: dict[str, Any] = {"_set": object.__setattr__, "_FROM_FACTORY": _FROM_FACTORY}
    for each in fields:
        known[f"_default_{each.name}"] = each.default
        known[f"_make_{each.name}"] = each.default_factory
    by_place = [_parameter(each) for each in fields if each.init and not each.kw_only]
    by_name = [_parameter(each) for each in fields if each.init and each.kw_only]
    parameters = ", ".join(["self", *by_place, *(["*", *by_name] if by_name else [])])
    write = "_set(self, {0!r}, {1})" if frozen else "self.{0} = {1}"
    lines = [write.format(each.name, value) for each in fields if (value := _value(each))]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n    ".join(lines) or "pass"
    exec(f"def __init__({parameters}):\n    {body}", known)  # noqa: S102 - names of fields alone
    init: Callable[..., None] = known["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    init.__annotations__ = {each.name: each.type for each in fields if each.init}
    init.__annotations__["return"] = None
    return init


def _parameter(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}=_default_{field.name}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}=_FROM_FACTORY"
    return field.name


def _value(field: dataclasses.Field[Any]) -> str:
    """Return the expression of a field's value; empty if ``__init__`` gives it none."""
    name = field.name
    if field.default_factory is not dataclasses.MISSING:
        made = f"_make_{name}()"
        return f"{made} if {name} is _FROM_FACTORY else {name}" if field.init else made
    if field.init:
        return name
    return "" if field.default is dataclasses.MISSING else f"_default_{name}"


@recursive_repr()
def _shown(self: Any) -> str:
    fields = dataclasses.fields(self)
    values = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields if f.repr)
    return f"{type(self).__qualname__}({values})"


def _equality(fields: Fields, *, hashed: bool) -> dict[str, Any]:
    compared = _values([f.name for f in fields if f.compare])
    kept = _values([f.name for f in fields if (f.compare if f.hash is None else f.hash)])

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        if other.__class__ is self.__class__:
            return compared(self) == compared(other)
        return NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(kept(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if hashed else None}


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads these attributes of an object into a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _unchangeable(cls: type[Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the methods that refuse to change a value."""

    def __setattr__(self: Any, name: str, value: object) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    methods = {"__setattr__": __setattr__, "__delattr__": __delattr__}
    return {**methods, "__getstate__": _state, "__setstate__": _restore}


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


class _Signature:
    """The signature of a class, found when it is asked for (a notebook's help does)."""

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls

    def __get__(self, value: object, owner: type[Any]) -> inspect.Signature:
        import inspect

        if value is not None or owner is not self._cls:
            raise AttributeError("__signature__")
        init = owner.__init__
        found = inspect.signature(init.compiled() if hasattr(init, "compiled") else init)
        parameters = list(found.parameters.values())[1:]
        return found.replace(parameters=parameters)
