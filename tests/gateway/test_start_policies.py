"""The policies of config/start-policies.md are configurations that work: they load, and their station can be made."""

import json
import re
from pathlib import Path

import pytest

from bridge.gateway.checking import check_site

PAGE = Path(__file__).parents[2] / "config" / "start-policies.md"
POLICIES = re.findall(r"^## (.+?)$.*?```yaml\n(.+?)```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
REST = """\
config: 1
state_dir: state
networks: {home: {bind: 127.0.0.1}}
units: {v2h: {address: 127.0.0.2}}
"""


def test_there_are_three() -> None:
    assert [title for title, _ in POLICIES] == [
        "Remote only",
        "Plug and charge with a site token",
        "An app or a card at the house, through the local API",
    ]


@pytest.mark.parametrize(("title", "stations"), POLICIES)
def test_a_policy_passes_check(tmp_path: Path, title: str, stations: str) -> None:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "csms-password"
    secret.write_text("a password of 16+")
    secret.chmod(0o600)
    site = tmp_path / "site.yaml"
    site.write_text(REST + stations)
    lines = check_site(site)
    assert any("HOME-0001" in line for line in lines), json.dumps(list(lines))
