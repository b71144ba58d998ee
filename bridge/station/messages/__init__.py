"""OCPP messages in our own words: frozen dataclasses, and one adapter per message version."""

from bridge.station.messages.base import CustomData as CustomData
from bridge.station.messages.base import Request as Request
from bridge.station.messages.base import Response as Response
from bridge.station.messages.base import action_of as action_of
from bridge.station.messages.base import format_time as format_time
from bridge.station.messages.base import parse_time as parse_time
from bridge.station.messages.call_error import CallError as CallError
from bridge.station.messages.call_error import ErrorCode as ErrorCode
from bridge.station.messages.csms_calls import *  # noqa: F403
from bridge.station.messages.datatypes import *  # noqa: F403
from bridge.station.messages.enums import *  # noqa: F403
from bridge.station.messages.security_types import *  # noqa: F403
from bridge.station.messages.station_calls import *  # noqa: F403
