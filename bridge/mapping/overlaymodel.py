"""What an overlay file may contain (`kind: overlay`), as pydantic models. Unknown keys are errors."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bridge.mapping.model import ClassCode, ExampleModel, Releases, ReplayModel, RowId, Strict, Version
from bridge.mapping.versions import version_range

ID: Final = r"^[a-z0-9][a-z0-9-]*$"
OverlayId = Annotated[str, Field(pattern=ID)]
_MAKER_CODE = re.compile(r"0x[0-9A-F]{6}")
_PRODUCT_CODE = re.compile(r"(?! )[ -)+-~]{0,11}[!-)+-~]\*?")


def _maker_code(text: str) -> str:
    if not _MAKER_CODE.fullmatch(text):
        raise PydanticCustomError("WRONG-VALUE", f'"{text}" is no maker\'s code: three bytes, like "0x00000B"')
    return text


def _product_codes(codes: str | list[str]) -> str | list[str]:
    """A product code, several, or how one begins: `ABC-1*`."""
    for code in [codes] if isinstance(codes, str) else codes:
        if not _PRODUCT_CODE.fullmatch(code):
            text = f'"{code}" is no product code: at most 12 characters of ASCII, or how it begins, like ABC-1*'
            raise PydanticCustomError("WRONG-VALUE", text)
    return codes


def _firmware(text: str) -> str:
    try:
        version_range(text)
    except ValueError as reason:
        raise PydanticCustomError("FIRMWARE", str(reason)) from None
    return text


class MatchModel(Strict):
    """For which units an overlay is: all keys must hold, those of its parents too.

    `firmware`: a version or a range like `2.1-` or `2.1-2.4`; a bound says nothing about the parts behind it.
    """

    manufacturer: Annotated[str, AfterValidator(_maker_code)] | None = None
    product_code: Annotated[str | Annotated[list[str], Field(min_length=1)], AfterValidator(_product_codes)] | None = (
        Field(None, alias="productCode")
    )
    release: Releases | None = None
    firmware: Annotated[str, AfterValidator(_firmware)] | None = None


class ChangeModel(Strict):
    """One change: exactly one of `override`, `add` and `remove`, each with the path of what it is about.

    A path is of key names with dots (`setpoints.charge.ways.power`); rows that have an id are named by it.
    `before`, `after`, `last`: where a row goes. `why` is for the person who reads it in a year.
    """

    override: str | None = None
    add: str | None = None
    remove: str | None = None
    value: Any = Field(None, alias="with")
    before: RowId | None = None
    after: RowId | None = None
    last: bool = False
    why: str | None = None


class OwnPropertyModel(Strict):
    """A property of the maker's own (`add`, 0xF0 to 0xFF), or another form of one that the class has (`override`).

    `with` is as in a dictionary file: `epc`, `en`, `ja`, `definitions`; an override's definitions take the place of
    the class's in the releases that they name.
    """

    override: str | None = None
    add: str | None = None
    value: dict[str, Any] = Field(alias="with")
    why: str | None = None


class OverlayModel(Strict):
    """An overlay file. It changes the class's table, or what its parent overlay makes of that."""

    mapping: Version
    kind: Literal["overlay"]
    id: OverlayId
    class_code: ClassCode = Field(alias="class")
    title: str = ""
    parent: OverlayId | None = None
    match: MatchModel
    changes: list[ChangeModel] = Field(default_factory=list)
    properties: list[OwnPropertyModel] = Field(default_factory=list)
    examples: list[ExampleModel] = Field(default_factory=list)
    replays: list[ReplayModel] = Field(default_factory=list)
