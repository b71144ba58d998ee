"""No secret reaches a log or a page."""

import json

import pytest

from bridge.station.redact import redact

VARIABLE = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
NETWORK = {"apn": {"apnPassword": "SECRET"}, "vpn": {"password": "SECRET", "key": "SECRET"}}
TOKEN = {"idToken": "SECRET", "type": "ISO14443", "additionalInfo": [{"additionalIdToken": "SECRET", "type": "x"}]}


@pytest.mark.parametrize(
    "message",
    [
        [2, "a", "SetVariables", {"setVariableData": [VARIABLE | {"attributeValue": "SECRET"}]}],
        [2, "a", "SetNetworkProfile", {"connectionData": NETWORK}],
        [2, "a", "Authorize", {"idToken": TOKEN}],
    ],
)
def test_secrets_are_hidden(message):
    text = json.dumps(message)
    clean = redact(text)
    assert "SECRET" not in clean
    assert text.count("SECRET") == clean.count("***")
    assert json.loads(clean)[:3] == message[:3]


def test_the_rest_stays():
    text = (
        '[3,"a",{"getVariableResult":[{"attributeValue":"300","variable":{"name":"HeartbeatInterval"}}],"name":"充電"}]'
    )
    assert redact(text) == text


def test_what_is_no_json_is_hidden_as_a_whole():
    assert redact('[2,"a","SetVariables",{"x":"SECRET') == "(34 characters that are no JSON)"
