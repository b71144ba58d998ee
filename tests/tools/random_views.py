"""Views of units as no unit ever was, but each of which a table must be able to answer."""

import random
from typing import Any

from bridge.echonet.dictionary import RELEASES, DeviceClass
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, StateCodec, StructCodec
from bridge.evse import Amount, Mode, Reading, Urgency, Wanted
from bridge.mapping.decision import Fact, Measures, View

NOW = 10_000_000
_AGES = (0, 1000, 59_000, 60_001, 179_000, 180_001, 200_000, 200_001, 500_000)
_NUMBERS = (0, 1, 99, 100, 101, 1000, 3000, 6000, 999_999_999)


def _edt(codec: Codec, rng: random.Random) -> bytes:
    if isinstance(codec, StateCodec):
        code = rng.choice([first for first, _, _ in codec.codes]) if rng.random() < 0.9 else rng.randrange(256)
        return code.to_bytes(codec.size, "big")
    if isinstance(codec, IntegerCodec):
        if rng.random() < 0.1:
            return rng.randbytes(codec.size)
        number = rng.choice(_NUMBERS) * rng.choice((1, 1, -1))
        return codec.encode(min(max(number, codec.minimum), codec.maximum))
    if isinstance(codec, OneOfCodec):
        return _edt(rng.choice(codec.options), rng)
    if isinstance(codec, StructCodec):
        return b"".join(_edt(part, rng) for _, part in codec.fields)
    return rng.randbytes(rng.randrange(1, 5))


class Views:
    """Random views of one class, the same ones for the same seed."""

    def __init__(self, device: DeviceClass, seed: int) -> None:
        self.rng = random.Random(seed)
        self.by_release = {letter: device.at(letter).by_epc for letter in (*RELEASES, "") if letter in device.releases}
        self.by_release[""] = device.at("").by_epc
        self.latest = device.latest.by_epc
        self.letters = sorted(self.by_release)
        self.epcs = sorted(self.latest)

    def view(self) -> View:
        """The next one."""
        rng = self.rng
        release = rng.choice(self.letters)
        known = self.by_release[release]
        facts, refused = {}, set()
        for epc in self.epcs:
            prop = known.get(epc) if rng.random() < 0.95 else self.latest[epc]
            draw = rng.random()
            if prop is not None and draw < 0.6:
                at = NOW - (0 if rng.random() < 0.5 else rng.choice(_AGES))
                facts[epc] = Fact(_edt(prop.codec, rng), at, rng.random() < 0.3)
            elif draw > 0.9:
                refused.add(epc)
        reachable = rng.random() < 0.8
        return View(
            now=NOW,
            release=release,
            facts=facts,
            refused=frozenset(refused),
            gettable=self._some(),
            settable=self._some(),
            announced=self._some(),
            reachable=reachable,
            lost_for=0 if reachable else rng.choice((0, 1000, 59_999, 60_000, 100_000)),
            wanted=self._wanted(),
            confirmed=rng.random() < 0.5,
            contested=rng.random() < 0.2,
            foreign=rng.random() < 0.3,
            discharge_allowed=rng.random() < 0.7,
            soc_floor=rng.choice((0, 20_000, 97_000)),
            wrote={epc: NOW - rng.choice(_AGES) for epc in self.epcs if rng.random() < 0.3},
            seen=frozenset({"plugKnown"} if rng.random() < 0.3 else ()),
            meter=self._measures(),
            counted=rng.choice((0, 5_000_000)),
        )

    def _some(self) -> frozenset[int]:
        share = self.rng.choice((0.5, 0.9, 1.0))
        return frozenset(epc for epc in self.epcs if self.rng.random() < share)

    def _wanted(self) -> Wanted:
        rng = self.rng
        bounds: dict[str, Any] = {
            name: rng.choice((None, None, 0, 999, 1000, 1_000_000, 3_000_000, 7_000_000))
            for name in ("charge_bound", "discharge_bound")
        }
        return Wanted(
            mode=rng.choice(list(Mode)),
            target=rng.choice((None, 0, 500_000, 3_000_000, -3_000_000)),
            amount=Amount("x", energy=rng.choice((None, 1_000_000, 20_000_000))) if rng.random() < 0.3 else None,
            urgency=rng.choice(list(Urgency)),
            authorized=rng.random() < 0.7,
            in_transaction=rng.random() < 0.7,
            **bounds,
        )

    def _measures(self) -> Measures | None:
        if self.rng.random() < 0.6:
            return None
        power = self.rng.choice((-3_000_000, -100_000, -99_999, 0, 99_999, 100_000, 3_000_000))
        return Measures(power=Reading(power, NOW - self.rng.choice(_AGES)))
