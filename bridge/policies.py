"""What a site may decide about a unit or an EVSE, in the words of its configuration."""

from __future__ import annotations

from enum import StrEnum


class Control(StrEnum):
    """How far the bridge may go with a unit. In a dry run writes are announced and not made."""

    ON = "on"
    DRY_RUN = "dry-run"
    OBSERVE = "observe"


class LocalPolicy(StrEnum):
    """What becomes of a start made at the unit: told as a transaction, left alone, or undone."""

    REPORT = "report"
    IGNORE = "ignore"
    ENFORCE = "enforce"


class DischargeWay(StrEnum):
    """By which words of OCPP an EVSE lets a CSMS order discharge (translation.md, "Discharge")."""

    NEGATIVE_LIMIT = "negative-limit"
    CUSTOM_DATA = "custom-data"  # OCPP 2.1's words in a period's customData
    OCPP_2_1 = "ocpp2.1"  # ... and in OCPP 2.1 itself


class AfterDischarge(StrEnum):
    """What follows when a profile that discharged has ended: what OCPP falls back to (K02.FR.08), which may be full
    charging, or nothing until the CSMS says something new."""

    FALLBACK = "fallback"
    PAUSE = "pause"


class PlugSource(StrEnum):
    """What else than a token of the site counts as presented when a vehicle is plugged in."""

    VEHICLE_ID = "vehicle-id"


class OnShutdown(StrEnum):
    """What happens to energy that flows when the gateway ends."""

    KEEP = "keep"
    PAUSE = "pause"
    STOP = "stop"
