"""Whose fault an error is stands in its name.

Every error that the product raises on purpose is a `BridgeError`; its message says what is wrong, where, and the mend.
Anything else that is raised is a bug.
"""

from __future__ import annotations


class BridgeError(Exception):
    """The root of all errors that are expected and explained."""


class CsmsError(BridgeError):
    """The CSMS, or the way to it, did something that the standard does not allow."""


class UnitError(BridgeError):
    """A unit, or the way to it, did something that the standard does not allow."""


class NoAnswerError(UnitError):
    """A unit did not answer within the response timer (AIF 2.4.2)."""


class MappingError(BridgeError):
    """A mapping table or a property dictionary is wrong."""


class ConfigError(BridgeError):
    """The site configuration is wrong."""


class StoreError(BridgeError):
    """What must survive could not be written or read."""
