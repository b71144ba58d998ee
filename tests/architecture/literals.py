"""Finds property codes and OCPP enumeration values that stand bare in the syntax tree of a module.

The rules, strict where a mistake can be told from its shape alone:

- *Property code*: a number written `0x80` to `0xFF`, a byte string of one such byte, a string such as "0xDA", or one of
  two hexadecimal digits that is neither word nor number ("C7"); and any number from 128 to 255, however written, that
  is compared with, passed as, kept as or looked up in something named after a property code. An operand of `&`, `|`,
  `^`, `<<` or `>>` is a mask, not a code.
- *Enumeration value*: a string that equals, as a whole, a value of one of the enumerations of OCPP 2.0.1 and is written
  in mixed case. Values without both cases ("W", "A", "L1", "string") cannot be told from other strings. Names of
  components, variables and messages are no enumerations of OCPP, although MessageTriggerEnumType repeats the latter.

Free everywhere: members of enumerations, and docstrings.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Callable, Iterator
from functools import cache

import ocpp.v201.enums

_HEX_NUMBER = re.compile(r"0x[89a-f][0-9a-f]", re.IGNORECASE)
_HEX_STRING = re.compile(r"0x[89A-Fa-f][0-9A-Fa-f]|[89][A-F]|[A-F][0-9]")
_NAMED_AFTER_CODES = re.compile(r"(?:^|_)(?:epcs?|property_codes?)(?:_|$)", re.IGNORECASE)
_BIT_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)


@cache
def enumeration_values() -> dict[str, str]:
    """Each value in mixed case, and an enumeration that it belongs to."""
    found: dict[str, str] = {}
    for name, kind in vars(ocpp.v201.enums).items():
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and name.endswith("EnumType"):
            found.update({str(member.value): name for member in kind if _is_mixed_case(str(member.value))})
    messages = {str(action.value) for action in ocpp.v201.enums.Action}
    return {value: name for value, name in found.items() if name != "MessageTriggerEnumType" or value not in messages}


def _is_mixed_case(value: str) -> bool:
    return value != value.lower() and value != value.upper()


def property_codes(source: str) -> list[str]:
    """What in a module looks like a property code, as "line: text"."""
    tree = ast.parse(source)
    masks = {id(side) for node in ast.walk(tree) if isinstance(node, ast.BinOp) for side in (node.left, node.right)
             if isinstance(node.op, _BIT_OPERATORS)}  # fmt: skip
    masks |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)
              and isinstance(node.op, _BIT_OPERATORS)}  # fmt: skip
    as_codes = {id(node) for node in _used_as_codes(tree)}

    def is_code(node: ast.Constant) -> bool:
        value = node.value
        if isinstance(value, bool) or id(node) in masks:
            return False
        if isinstance(value, int):
            return 0x80 <= value <= 0xFF and (id(node) in as_codes or bool(_HEX_NUMBER.fullmatch(_text(source, node))))
        if isinstance(value, bytes):
            return len(value) == 1 and value[0] >= 0x80
        return isinstance(value, str) and bool(_HEX_STRING.fullmatch(value))

    return _found(tree, source, is_code)


def ocpp_values(source: str) -> list[str]:
    """What in a module is an OCPP enumeration value, as "line: text"."""
    values = enumeration_values()
    return _found(ast.parse(source), source, lambda node: isinstance(node.value, str) and node.value in values)


def _found(tree: ast.Module, source: str, wrong: Callable[[ast.Constant], bool]) -> list[str]:
    free = {id(node) for node in _free(tree)}
    return [
        f"{node.lineno}: {_text(source, node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in free and wrong(node)
    ]


def _text(source: str, node: ast.Constant) -> str:
    """As it is written; asked for only where it matters, as it takes a look through the whole module."""
    return ast.get_source_segment(source, node) or ""


def _free(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, and the constants of enumeration members."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.ClassDef) and any(_last_name(base).endswith(("Enum", "Flag")) for base in node.bases):
            for member in node.body:
                if isinstance(member, ast.Assign):
                    parts = member.value.elts if isinstance(member.value, ast.Tuple) else [member.value]
                    yield from parts


def _used_as_codes(tree: ast.Module) -> Iterator[ast.AST]:
    """Expressions beside something named after property codes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_named_after_codes(side) for side in sides):
                for side in sides:
                    yield from ast.walk(side)
        elif isinstance(node, ast.keyword) and _NAMED_AFTER_CODES.search(node.arg or ""):
            yield from ast.walk(node.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_named_after_codes(target) for target in targets):
                yield from ast.walk(node.value)
        elif isinstance(node, ast.Subscript) and _named_after_codes(node.value):
            yield from ast.walk(node.slice)


def _named_after_codes(node: ast.AST) -> bool:
    return bool(_NAMED_AFTER_CODES.search(_last_name(node)))


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
