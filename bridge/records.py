"""`dataclass` as Python's own, in less than half the memory and import time; used like it, and instead of it.

Python's writes, compiles and keeps methods for every class: of a frozen one with slots 14 KB, of which 8 are in
`__repr__`, `__eq__`, `__hash__`, `__setattr__` and `__delattr__`. Here all classes share these five, and only
`__init__` is a class's own. A gateway has some three hundred such classes. What they do, and what `fields`, `replace`
and the type checker see, is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        cls: Any = None, /, *, repr: bool = True, eq: bool = True, frozen: bool = False, **others: bool
    ) -> Any:
        """Python's, with its parameters; `unsafe_hash` is not offered."""
        if others.get("unsafe_hash"):
            raise TypeError("unsafe_hash: who needs it takes Python's own dataclass")

        def make(given: Any) -> Any:
            _share(given, repr=repr, eq=eq, frozen=frozen)
            # What stands in a class's body Python leaves as it is. It asks for `eq` where there is an order.
            made = dataclasses.dataclass(repr=False, eq=others.get("order", False), frozen=frozen, **others)(given)
            if eq:
                made.__compared__ = _compared(made)
            if frozen:  # these it does not let a body have
                made.__setattr__ = _refuse_to_set
                made.__delattr__ = _refuse_to_delete
            return made

        return make if cls is None else make(cls)


def _share(given: Any, *, repr: bool, eq: bool, frozen: bool) -> None:
    """Give a class the shared methods where it has none of its own."""
    own = vars(given)
    if repr and "__repr__" not in own:
        given.__repr__ = _repr
    if eq:
        hashable = own.get("__hash__")  # None where there is an `__eq__` alone
        given.__compared__ = None  # its place: a class that grows later takes more memory
        if "__eq__" not in own:
            given.__eq__ = _eq
        given.__hash__ = hashable or (_hash if frozen else None)


def _compared(made: Any) -> Callable[[Any], Any]:
    """What gives an instance's compared values: a tuple, of one field the bare value, which does as well."""
    if any(field.hash is not None for field in dataclasses.fields(made)):
        raise TypeError(f"{made.__name__}: who needs a field with a `hash` of its own takes Python's dataclass")
    names = tuple(field.name for field in dataclasses.fields(made) if field.compare)
    return attrgetter(*names) if names else staticmethod(_nothing)


def _nothing(_: Any) -> tuple[()]:
    return ()


@recursive_repr()
def _repr(self: Any) -> str:
    told = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({told})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = self.__compared__
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(self.__compared__(self))


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _refuse_to_delete(self: Any, name: str) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _is_frozen(self: Any, name: str) -> bool:
    """As in Python: a class that only inherits from a dataclass may have attributes of its own."""
    return "__dataclass_params__" in vars(type(self)) or name in self.__dataclass_fields__
