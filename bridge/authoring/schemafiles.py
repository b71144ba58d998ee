"""The files of `mappings/schema/`: one schema a kind, and one for each class that has a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.authoring.schema import KINDS, schema_of, text_of
from bridge.authoring.schemaclasses import class_schema
from bridge.authoring.schemaforms import Schema
from bridge.mapping.load import Mappings

_TABLE: Final = "table"
_METER: Final = "meter"


def schemas(mappings: Mappings) -> Mapping[str, Schema]:
    """All schemas by the names of their files."""
    found = {f"{kind}.json": schema_of(kind) for kind in KINDS}
    classes = [(_TABLE, code) for code in mappings.tables] + [(_METER, code) for code in mappings.meters]
    for kind, code in sorted(classes):
        found[file_for(kind, code)] = class_schema(found[f"{kind}.json"], mappings.classes[code])
    return found


def file_for(kind: str, class_code: int) -> str:
    """The name of a class' own schema: `table-0x027E.json`."""
    return f"{kind}-0x{class_code:04X}.json"


def schema_texts(mappings: Mappings) -> Mapping[str, str]:
    """The contents of the files by their names."""
    return {name: text_of(schema) for name, schema in schemas(mappings).items()}
