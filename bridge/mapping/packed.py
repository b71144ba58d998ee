"""Keeps a parsed document as small as it gets, for a process that may need it again and does not want to parse it."""

from __future__ import annotations

import marshal
from zlib import compress, decompress

from bridge.mapping.yamlfile import Document

_FAST = 1


def pack(document: Document) -> bytes:
    """A document in a form for this process alone: it is neither kept in files nor taken from anywhere else."""
    parts = (document.file, document.text, document.data, document.values, document.keys, document.source)
    return compress(marshal.dumps(parts), _FAST)


def unpack(packed: bytes) -> Document:
    """The document again."""
    file, text, data, values, keys, source = marshal.loads(decompress(packed))
    return Document(file, data, values, keys, source, text)
