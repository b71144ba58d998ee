"""Takes out of frames and values what tells a person, a car or one single device from the others.

The same secret always becomes the same stand-in within one dump, of the same length and form, so that a redacted dump
still shows that two frames speak of the same thing. Makers and product codes stay: tables are chosen by them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.frame import Frame, Property
from bridge.echonet.wellknown import IDENTIFICATION, INSTALLATION_LOCATION, SERIAL_NUMBER

#: FE and the maker's code stand before an identification's unique part.
_MAKER_END: Final = 4
#: A location of this many bytes holds a position on the map.
_POSITION: Final = 17
#: The short names of properties that name a vehicle, a place or one single device, in whatever dictionary.
_NAMES: Final = ("vehicleId", "locationInformation", "uid")


class Redactor:
    """One dump's stand-ins. `salt` must be new for each dump: with it alone a secret could be guessed back."""

    def __init__(self, salt: bytes, device: DeviceClass | None) -> None:
        self._salt = salt
        self._rules: dict[int, Callable[[bytes], bytes]] = {
            IDENTIFICATION: self._after(_MAKER_END),
            SERIAL_NUMBER: self._text,
            INSTALLATION_LOCATION: lambda edt: self._after(1)(edt) if len(edt) == _POSITION else edt,
        }
        for name in _NAMES:
            epc = device.epc_of(name) if device is not None else None
            if epc is not None:
                # The first byte counts the ones behind it (0xE6), or says what kind it is; the rest is the secret.
                self._rules[epc] = self._after(1)

    def values(self, values: Mapping[int, bytes]) -> dict[int, bytes]:
        """Values by EPC."""
        return dict(self._property(prop) for prop in values.items())

    def frame(self, frame: Frame) -> Frame:
        """A frame, with both its blocks."""
        return frame._replace(
            properties=tuple(map(self._property, frame.properties)), second=tuple(map(self._property, frame.second))
        )

    def address(self, address: str) -> str:
        """A documentation address (RFC 5737, RFC 3849) in an address' place."""
        number = self._bytes(address.encode(), 2)
        if ":" in address:
            return f"2001:db8::{number.hex()}"
        return f"192.0.2.{1 + number[0] % 254}"

    def _property(self, prop: Property) -> Property:
        epc, edt = prop
        rule = self._rules.get(epc)
        return (epc, rule(edt)) if rule is not None and edt else prop

    def _after(self, start: int) -> Callable[[bytes], bytes]:
        """Replace what stands behind the first bytes; all zeros say that there is nothing, and stay."""

        def replaced(edt: bytes) -> bytes:
            secret = edt[start:]
            return edt[:start] + self._bytes(secret, len(secret)) if any(secret) else edt

        return replaced

    def _text(self, edt: bytes) -> bytes:
        """Digits in a serial number's place, its padding kept."""
        secret = edt.rstrip(b"\x00 ")
        digits = bytes(0x30 + each % 10 for each in self._bytes(secret, len(secret)))
        return digits + edt[len(secret) :]

    def _bytes(self, secret: bytes, size: int) -> bytes:
        made, counter = b"", 0
        while len(made) < size:
            made += hmac.new(self._salt, bytes((counter,)) + secret, hashlib.sha256).digest()
            counter += 1
        return made[:size]
