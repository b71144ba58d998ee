"""Our messages against OCPP 2.0.1's own schemas and the `ocpp` package's enumerations."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from importlib.resources import files
from typing import Any

import ocpp.v21.enums as later_enums
import ocpp.v201.enums as package_enums
import pytest

from bridge.station import messages
from bridge.station.compact import compact
from bridge.station.messages import enums
from bridge.station.messages.base import format_time, parse_time
from bridge.station.messages.v201 import LATER_FIELDS, Adapter
from bridge.station.messages.wire import CLASSES

ADAPTER = Adapter()
MESSAGES = sorted(name for name in CLASSES if ADAPTER.supports(name.removesuffix("Request").removesuffix("Response")))
OUR_OWN_NAMES = {"IdTokenKind": "IdTokenEnumType"}
NOT_IN_MESSAGES = {"TxPoint"}

CUSTOM = {"vendorId": "com.example", "snake_case": {"camelCase": None, "so_c": [1.0, None]}, "associationId": "x"}


def schema(name: str, version: str = "v201") -> dict[str, Any]:
    return json.loads((files("ocpp") / version / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig"))


def sample(node: dict[str, Any], definitions: dict[str, Any], full: bool) -> Any:
    """A value that a schema allows: with every optional field, or with none."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return CUSTOM if name == "CustomDataType" else sample(definitions[name], definitions, full)
    if "enum" in node:
        return node["enum"][-1]
    match node.get("type"):
        case "object":
            required = node.get("required", [])
            wanted = {name: part for name, part in node.get("properties", {}).items() if full or name in required}
            found = {name: sample(part, definitions, full) for name, part in wanted.items()}
            if "type" in wanted.get("chargingLimitSource", {}):  # in 2.1 a word of an open list: one of those we say
                found["chargingLimitSource"] = "EMS" if wanted["chargingLimitSource"]["type"] == "string" else ["EMS"]
            return found
        case "array":
            return [sample(node["items"], definitions, full)] * (2 if full and node.get("maxItems", 2) > 1 else 1)
        case "string":
            return "2026-01-05T03:17:00.120Z" if node.get("format") == "date-time" else "x" * node.get("maxLength", 5)
        case "integer":
            return min(7, int(node.get("maximum", 7)))
        case "number":
            return min(1.5, node.get("maximum", 1.5))
        case "boolean":
            return True
    return {"anyType": [None, {"snake_case": 1}], "soC": None}


def decode(name: str, payload: dict[str, Any]) -> Any:
    if name.endswith("Request"):
        return ADAPTER.decode_request(name.removesuffix("Request"), payload)
    return ADAPTER.decode_response(name.removesuffix("Response"), payload)


def encode(message: Any) -> dict[str, Any]:
    return (
        ADAPTER.encode_request(message)[1]
        if type(message).__name__.endswith("Request")
        else ADAPTER.encode_response(message)
    )


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("full", [True, False])
def test_every_field_survives_the_round_trip(name, full):
    own = schema(name)
    payload = sample(own, own["definitions"], full)
    message = decode(name, payload)
    assert encode(message) == payload
    if full:
        later = LATER_FIELDS.get(type(message), frozenset())
        assert all(getattr(message, field.name) is not None for field in fields(message) if field.name not in later)


@pytest.mark.parametrize("name", [name for name in MESSAGES if name.endswith("Request")])
def test_every_request_names_its_response(name):
    (base,) = CLASSES[name].__orig_bases__
    assert base.__args__ == (CLASSES[name.removesuffix("Request") + "Response"],)


def our_enums() -> dict[str, type[StrEnum]]:
    found = {
        name: value for name, value in vars(enums).items() if isinstance(value, type) and issubclass(value, StrEnum)
    }
    return {name: value for name, value in found.items() if value is not StrEnum and name not in NOT_IN_MESSAGES}


@pytest.mark.parametrize("name", sorted(our_enums()))
def test_enums_have_the_values_of_the_schemas_and_of_the_package(name):
    """Those of 2.0.1 and of 2.1 together."""
    ours = {member.value for member in our_enums()[name]}
    theirs_name = OUR_OWN_NAMES.get(name, f"{name}EnumType")
    defined, packaged = set(), set()
    for message in CLASSES:
        for version in ("v201", "v21") if message in MESSAGES else ("v21",):
            defined.update(schema(message, version)["definitions"].get(theirs_name, {}).get("enum", ()))
    for version in (package_enums, later_enums):
        packaged |= {member.value for member in getattr(version, theirs_name, ())}
    assert ours == defined
    assert ours <= packaged


def test_custom_data_and_vendor_data_are_never_touched():
    data = {"association": None, "so_c": {"SoC": [None, 1.0]}, "evseID": "x"}
    request = messages.DataTransferRequest("com.example", data=data, custom_data={"vendorId": "v", **data})
    action, payload = ADAPTER.encode_request(request)
    assert payload == {"vendorId": "com.example", "data": data, "customData": {"vendorId": "v", **data}}
    assert ADAPTER.decode_request(action, payload) == request


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-05T03:17:00Z", datetime(2026, 1, 5, 3, 17, tzinfo=UTC)),
        ("2026-01-05T03:17:00.123456789Z", datetime(2026, 1, 5, 3, 17, 0, 123456, tzinfo=UTC)),
        ("2026-01-05T12:17:00+09:00", datetime(2026, 1, 5, 3, 17, tzinfo=UTC)),
        ("2026-01-05t03:17:00.5z", datetime(2026, 1, 5, 3, 17, 0, 500_000, tzinfo=UTC)),
        ("2026-01-05T03:17:00", datetime(2026, 1, 5, 3, 17, tzinfo=UTC)),  # naive: a habit of some CSMSs
    ],
)
def test_times_that_are_read(text, moment):
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-01-05", "20260105T031700Z", "2026-13-05T03:17:00Z", "2026-02-30T03:17:00Z", "1700000000",
     "2026-01-05T24:01:00Z", "2026-W02-1T03:17:00Z", "0001-01-01T00:00:00+09:00", "２０２６-01-05T03:17:00Z"],
)  # fmt: skip
def test_times_that_are_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever text
        parse_time(text)
    with pytest.raises(messages.CallError) as caught:
        ADAPTER.decode_response("Heartbeat", {"currentTime": text})
    assert caught.value.code is messages.ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


def test_times_are_written_in_utc_with_three_decimals():
    tokyo = timezone(timedelta(hours=9))
    assert format_time(datetime(2026, 1, 5, 12, 17, 0, 999_999, tzinfo=tokyo)) == "2026-01-05T03:17:00.999Z"


@pytest.mark.parametrize(
    "message",
    [
        messages.HeartbeatResponse(datetime(2026, 1, 5)),  # it knows no zone
        messages.ResetResponse(messages.ResetStatus.ACCEPTED, messages.StatusInfo(7)),
        messages.ResetResponse("Soon"),
    ],
)
def test_what_the_wire_cannot_carry_is_not_encoded(message):
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own
        ADAPTER.encode_response(message)


@pytest.mark.parametrize("limit", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_not_written(limit):
    period = messages.ChargingSchedulePeriod(0, limit)
    schedule = messages.ChargingSchedule(1, messages.ChargingRateUnit.W, (period,))
    profile = messages.ChargingProfile(
        1,
        0,
        messages.ChargingProfilePurpose.TX_DEFAULT_PROFILE,
        messages.ChargingProfileKind.ABSOLUTE,
        (schedule,),
    )
    with pytest.raises(ValueError):  # noqa: PT011 - json's own
        compact(ADAPTER.encode_request(messages.SetChargingProfileRequest(1, profile))[1])


def test_what_the_schema_forbids_is_not_sent():
    info = messages.StatusInfo("x" * 21)
    with pytest.raises(ValueError, match="statusInfo/reasonCode"):
        ADAPTER.encode_response(messages.ResetResponse(messages.ResetStatus.REJECTED, info))
    with pytest.raises(ValueError, match="getVariableResult"):
        ADAPTER.encode_response(messages.GetVariablesResponse(()))


PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
    ],
}


def setting(**changed: Any) -> dict[str, Any]:
    return {"evseId": 1, "chargingProfile": PROFILE | changed}


OCCURRENCE = "OccurrenceConstraintViolation"
TYPE = "TypeConstraintViolation"
VALUE = "PropertyConstraintViolation"
FORMAT = "FormatViolation"

BAD_PAYLOADS = [
    ("Fly", {}, "NotImplemented"),
    ("boot", {}, "NotImplemented"),
    ("Reset-Signed", {}, "NotImplemented"),
    ("PublishFirmware", {}, "NotSupported"),
    ("SetChargingProfile", {"evseId": 1}, OCCURRENCE),
    ("SetChargingProfile", setting(chargingSchedule=[]), OCCURRENCE),
    ("SetChargingProfile", setting() | {"evseId": "1"}, TYPE),
    ("SetChargingProfile", setting() | {"evseId": True}, TYPE),
    ("SetChargingProfile", setting() | {"evseId": 1.5}, TYPE),
    ("SetChargingProfile", {"evseId": 1, "chargingProfile": None}, TYPE),
    ("SetChargingProfile", setting(transactionId=None), TYPE),
    ("SetChargingProfile", setting(transactionId="x" * 37), VALUE),
    ("SetChargingProfile", setting(chargingProfileKind="x"), VALUE),
    ("SetChargingProfile", setting(validTo="soon"), VALUE),
    ("SetChargingProfile", setting() | {"evseId": 2**31}, VALUE),
    ("SetChargingProfile", setting() | {"EvseId": 1}, FORMAT),
    ("SetChargingProfile", {"evse_id": 1, "chargingProfile": PROFILE}, FORMAT),
    ("SetChargingProfile", setting() | {"evseId": "\ud800"}, FORMAT),
]


@pytest.mark.parametrize(("action", "payload", "code"), BAD_PAYLOADS)
def test_bad_payloads_get_the_code_of_part_4(action, payload, code):
    with pytest.raises(messages.CallError) as caught:
        ADAPTER.decode_request(action, payload)
    assert caught.value.code == code


def test_an_integer_may_be_written_with_a_point():
    request = ADAPTER.decode_request("SetChargingProfile", {"evseId": 1.0, "chargingProfile": PROFILE | {"id": 5.0}})
    assert (request.evse_id, request.charging_profile.id) == (1, 5)
    assert type(request.evse_id) is int


def test_an_error_tells_no_value():
    payload = {
        "setVariableData": [{"attributeValue": "secret" * 500, "component": {"name": "c"}, "variable": {"name": "v"}}]
    }
    with pytest.raises(messages.CallError) as caught:
        ADAPTER.decode_request("SetVariables", payload)
    assert "secret" not in str(caught.value)
    assert "setVariableData/0/attributeValue" in str(caught.value)


def test_the_package_itself_is_not_loaded():
    """Its message classes and RPC layer cost memory; the schemas are read as resources."""
    import subprocess
    import sys

    code = "import sys; from bridge.station.messages.v201 import Adapter; Adapter().decode_request('Heartbeat', {}); " \
           "print([m for m in sys.modules if m.startswith('ocpp.')])"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
