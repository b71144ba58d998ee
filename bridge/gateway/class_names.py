"""What the classes of objects are called, also those without a dictionary: `discover` shows all it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.mapping.load import Mappings

#: By group and class, as the Appendix names them; a class with a dictionary has its name from there.
_NAMES: Final[Mapping[int, str]] = {
    0x0001: "Gas leak sensor",
    0x0002: "Crime prevention sensor",
    0x0003: "Emergency button",
    0x0007: "Human detection sensor",
    0x000D: "Illuminance sensor",
    0x0011: "Temperature sensor",
    0x0012: "Humidity sensor",
    0x001B: "CO2 sensor",
    0x0022: "Electric energy sensor",
    0x0023: "Current value sensor",
    0x0130: "Home air conditioner",
    0x0133: "Ventilation fan",
    0x0134: "Air conditioner ventilation fan",
    0x0135: "Air cleaner",
    0x0260: "Electrically operated blind/shade",
    0x0263: "Electrically operated shutter",
    0x026B: "Electric water heater",
    0x026F: "Electric lock",
    0x0272: "Instantaneous water heater",
    0x0273: "Bathroom heater dryer",
    0x0279: "Household solar power generation",
    0x027A: "Cold or hot water heat source equipment",
    0x027B: "Floor heater",
    0x027C: "Fuel cell",
    0x027D: "Storage battery",
    0x027E: "EV charger/discharger",
    0x0280: "Watt-hour meter",
    0x0281: "Water flow meter",
    0x0282: "Gas meter",
    0x0287: "Power distribution board metering",
    0x0288: "Low-voltage smart electric energy meter",
    0x028A: "High-voltage smart electric energy meter",
    0x028D: "Smart electric energy sub-meter",
    0x0290: "General lighting",
    0x0291: "Mono functional lighting",
    0x02A1: "EV charger",
    0x02A3: "Lighting system",
    0x02A4: "Extended lighting system",
    0x02A5: "Multiple input PCS",
    0x02A6: "Hybrid water heater",
    0x02A7: "Frequency control",
    0x03B7: "Refrigerator",
    0x03B9: "Cooking heater",
    0x03BB: "Rice cooker",
    0x03C5: "Washing machine",
    0x03D3: "Washer and dryer",
    0x0602: "Television",
    0x05FB: "DR event controller",
    0x05FD: "Switch",
    0x05FF: "Controller",
    0x0EF0: "Node profile",
}


def class_name(mappings: Mappings, class_code: int) -> str:
    """The English name of a class; its code where nobody here knows it."""
    known = mappings.classes.get(class_code)
    if known is not None:
        return known.name_en
    return _NAMES.get(class_code, f"class 0x{class_code:04X}")
