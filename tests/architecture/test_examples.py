"""The examples in `config/` are right, and agree with the Dockerfile."""

import re
import shutil
from pathlib import Path

from ruamel.yaml import YAML

from bridge.gateway.checking import check_site

ROOT = Path(__file__).parents[2]


def test_the_site_configuration_passes_the_check(tmp_path: Path) -> None:
    shutil.copy(ROOT / "config" / "site.yaml", tmp_path)
    (tmp_path / "secrets").mkdir()
    password = tmp_path / "secrets" / "csms-password"
    password.write_text("only an example\n")
    password.chmod(0o600)
    said = list(check_site(tmp_path / "site.yaml"))
    assert any("CS-0001" in line for line in said)


def test_the_container_runs_the_gateway_and_not_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"debian:bookworm-slim"}
    assert re.search(r'^ENTRYPOINT \["ocpp-echonet"\]$', dockerfile, re.MULTILINE)
    assert re.search(r'^CMD \["run", "--config", "/etc/ocpp-echonet/site.yaml"\]$', dockerfile, re.MULTILINE)
    [user] = re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert int(user) > 0


def test_the_compose_file_mounts_what_the_configuration_names() -> None:
    compose = YAML(typ="safe").load(ROOT / "config" / "compose.yaml")
    service = compose["services"]["ocpp-echonet"]
    site = YAML(typ="safe").load(ROOT / "config" / "site.yaml")
    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    assert service["network_mode"] == "host"
    assert site["state_dir"] in mounted
    assert {"/etc/ocpp-echonet/site.yaml", "/etc/ocpp-echonet/secrets"} <= mounted


def test_the_unit_file_keeps_the_state_where_the_configuration_says() -> None:
    unit = (ROOT / "config" / "ocpp-echonet.service").read_text()
    site = YAML(typ="safe").load(ROOT / "config" / "site.yaml")
    [state] = re.findall(r"^StateDirectory=(\S+)$", unit, re.MULTILINE)
    assert site["state_dir"] == f"/var/lib/{state}"
