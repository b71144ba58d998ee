"""The local API as the station's reader: `{"do": "present", "station": "...", "evse": 1, "token": {...}}`.

`token` is an IdTokenType: `{"idToken": "...", "type": "ISO14443"}`. Without `evse` it is presented to the station's one
reader. The answer tells what came of it: accepted, denied or stopped, why, and at which EVSEs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import BridgeError
from bridge.station.local_authorization import LONGEST_TOKEN
from bridge.station.messages import IdToken, IdTokenKind

if TYPE_CHECKING:
    from bridge.station.local_authorization import Presented
    from bridge.station.station import Station

_FIELDS: Final = frozenset({"idToken", "type"})


class TokenError(BridgeError):
    """What was presented is no token; the message says what is wrong with it."""


async def present(stations: Mapping[str, Station], request: Mapping[str, Any]) -> dict[str, Any]:
    """Present a token, and tell what came of it. Raises `TokenError`."""
    station = stations.get(str(request.get("station")))
    if station is None:
        raise TokenError(f'"station" is one of {", ".join(sorted(stations))}')
    evse_id = request.get("evse")
    if evse_id is not None and (type(evse_id) is not int or evse_id not in station.positions):
        raise TokenError(f'"evse" is one of {sorted(station.positions)}, or left out for the reader of the station')
    return _plain(await station.reader.present(token_of(request.get("token")), evse_id))


def token_of(said: object) -> IdToken:
    """An IdTokenType from JSON. Raises `TokenError`; what the token says is in no message (C04.FR.04)."""
    if not isinstance(said, Mapping) or not said.keys() >= _FIELDS:
        raise TokenError('"token" is an object with "idToken" and "type"')
    if unknown := sorted(str(name) for name in said.keys() - _FIELDS):
        raise TokenError(f'"token" has nothing but "idToken" and "type": leave out {", ".join(unknown)}')
    text, kind = said["idToken"], said["type"]
    if kind not in list(IdTokenKind):
        raise TokenError(f'"type" of the token is one of {", ".join(IdTokenKind)}')
    if not isinstance(text, str) or len(text) > LONGEST_TOKEN:
        raise TokenError(f'"idToken" is a text of at most {LONGEST_TOKEN} characters')
    if not text and kind != IdTokenKind.NO_AUTHORIZATION:
        raise TokenError(f'"idToken" may be empty only where "type" is {IdTokenKind.NO_AUTHORIZATION}')
    return IdToken(text, IdTokenKind(kind))


def _plain(presented: Presented) -> dict[str, Any]:
    status = {} if presented.status is None else {"status": str(presented.status)}
    return {
        "outcome": str(presented.outcome),
        "reason": presented.reason,
        "evses": list(presented.evses),
        **status,
    }
