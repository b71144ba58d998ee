"""What the command line of `ocpp-echonet sim` says of units: options for all, and words for each."""

from __future__ import annotations

import argparse
import ipaddress
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from bridge.errors import ConfigError
from bridge.sim.hems import Contradict, Habit, Rewrite
from bridge.sim.quirks import parse
from bridge.sim.unit import SimUnitConfig

#: Devices that one process may simulate.
_MOST = 200


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """One unit: its configuration, and the address that it insists on."""

    config: SimUnitConfig
    address: str | None = None


def unit_specs(args: argparse.Namespace) -> list[UnitSpec]:
    """The units in the order of the command line. Raises `ConfigError` that names the option and the mend."""
    common = {
        "class": args.unit_class,
        "release": args.release,
        "type": args.type,
        "instance": args.instance,
        "soc": args.soc,
        "capacity": args.capacity,
        "plugged": "yes" if args.plugged else None,
    }
    if not args.unit:
        if not 1 <= args.count <= _MOST:
            raise ConfigError(f"--count: 1 to {_MOST} units")
        return [_spec({}, common, args.quirk, "")] * int(args.count)
    if args.count != 1:
        raise ConfigError("--count: give it, or --unit for each, not both")
    if len(args.unit) > _MOST:
        raise ConfigError(f"--unit: at most {_MOST}")
    return [_spec_of_words(text, common, args.quirk) for text in args.unit]


def addresses_from(first: str) -> Callable[[], str]:
    """Addresses one after the other. Raises `ConfigError`."""
    try:
        following = ipaddress.IPv4Address(first)
    except ValueError:
        raise ConfigError(f"--address: {first!r} is not an IPv4 address") from None
    number = -1

    def next_one() -> str:
        nonlocal number
        number += 1
        return str(following + number)

    return next_one


def habits(texts: list[str], targets: list[tuple[str, int]]) -> list[Habit]:
    """What another controller does to units (address, object). Raises `ConfigError`."""
    found: list[Habit] = []
    for text in texts:
        try:
            what, _, seconds = text.partition("@")
            code, _, data = what.partition("=")
            epc, edt, every = int(code, 16), bytes.fromhex(data), int(float(seconds or 0) * 1000)
            if not edt or every < 0:
                raise ValueError
        except ValueError:
            raise ConfigError(f"--hems: {text!r} is not EPC=EDT[@SECONDS] in hex, as DA=44@60") from None
        for address, own in targets:
            found.append(
                Rewrite(address, epc, edt, every, own)
                if every
                else Contradict(address, epc, edt, look_ms=10_000, eoj=own)
            )
    return found


def _spec_of_words(text: str, common: Mapping[str, str | None], quirks: list[str]) -> UnitSpec:
    words: dict[str, str] = {}
    own_quirks = list(quirks)
    for word in shlex.split(text):
        key, given, value = word.partition("=")
        if key == "quirk":
            own_quirks.append(value)
        elif key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            raise ConfigError(
                f"--unit {text!r}: {key!r} is none of {', '.join(_KEYS)}" + (f"; {near[0]}?" if near else "")
            )
        else:
            words[key] = value if given else "yes"
    # another class has other types: what is said of all does not hold for it
    if (
        "class" in words
        and "type" not in words
        and _number(words["class"], "class") != _number(common["class"], "class")
    ):
        words["type"] = "0"
    return _spec(words, common, own_quirks, f"--unit {text!r}: ")


_KEYS = ("class", "release", "type", "instance", "soc", "capacity", "plugged", "quirk", "address")


def _spec(words: Mapping[str, str], common: Mapping[str, str | None], quirks: list[str], where: str) -> UnitSpec:
    said = {**common, **words}
    try:
        soc = float(said["soc"] or 50)
        if not 0 <= soc <= 100:
            raise ConfigError(f"soc: {said['soc']} is not 0 to 100")
        instance = _number(said["instance"], "instance") if said["instance"] else None
        if instance is not None and not 1 <= instance <= 0x7F:
            raise ConfigError(f"instance: {said['instance']} is not 1 to 0x7F")
        capacity = _number(said["capacity"], "capacity")
        if not 1_000 <= capacity <= 1_000_000:
            raise ConfigError(f"capacity: {said['capacity']} Wh is not 1000 to 1000000")
        config = SimUnitConfig(
            unit_class=_number(said["class"], "class"),
            release=str(said["release"]),
            equipment_type=_number(said["type"], "type") if said["type"] else 0,
            instance=instance,
            soc_percent=soc,
            capacity_wh=capacity,
            plugged=said["plugged"] not in (None, "no"),
            quirks=dict(parse(quirk) for quirk in quirks),
        )
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{where}{error}") from None
    return UnitSpec(config, words.get("address"))


def _number(text: str | None, key: str) -> int:
    try:
        return int(text or "0", 0)
    except ValueError:
        raise ConfigError(f"{key}: {text!r} is no number, as 32 or 0x20") from None
