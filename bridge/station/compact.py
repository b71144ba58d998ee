"""JSON as it goes over the wire and into the store: no spaces, and nothing that JSON does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

#: Made once: `json.dumps` would make a new encoder for every call that has an option.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

#: A value as text. Raises ValueError for what JSON does not have (NaN, infinity).
compact: Final[Callable[[Any], str]] = _ENCODER.encode
