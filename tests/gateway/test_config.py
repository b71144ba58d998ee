"""The site configuration: every kind of mistake is told with its place, all at once, with the nearest name."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.gateway.checking import check_site
from bridge.gateway.config import OnShutdown, PlugTokenConfig, load_config
from bridge.gateway.process import STORE
from bridge.gateway.stations import dialer_for
from bridge.policies import PlugSource
from bridge.station.device_model_table import Key
from bridge.station.network_profiles import Profile, slot_setting
from bridge.store.sqlite import open_store

GOOD = """\
config: 1
state_dir: state
networks:
  home: {bind: 192.0.2.10}
units:
  car: {network: home, address: 192.0.2.20}
stations:
  - id: CS-1
    csms: {url: wss://csms.example.com/ocpp, security_profile: 2, password_file: secret}
    evses:
      - {id: 1, unit: car}
"""
EXAMPLE = Path(__file__).parents[2] / "config" / "site.yaml"


def _write(folder: Path, text: str) -> Path:
    path = folder / "site.yaml"
    path.write_text(text)
    return path


def _secret(folder: Path, text: str = "a password\n", mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_right_one_is_read_with_defaults_and_absolute_paths(tmp_path: Path) -> None:
    site = load_config(_write(tmp_path, GOOD))
    assert site.state_dir == tmp_path / "state"
    assert site.stations[0].csms.password_file == tmp_path / "secret"
    assert site.stations[0].evses[0].on_shutdown is OnShutdown.PAUSE
    assert site.stations[0].evses[0].discharge == ()
    assert site.units["car"].eoj == 0x027E01
    assert site.echonet.response_timeout == 20


def test_a_site_without_a_reader_names_what_plugging_in_presents(tmp_path: Path) -> None:
    def plug_token(text: str) -> object:
        right = GOOD.replace("unit: car}", f"unit: car, plug_token: {text}}}")
        return load_config(_write(tmp_path, right)).stations[0].evses[0].plug_token

    assert plug_token("{id: HOME, type: ISO14443}") == PlugTokenConfig(id="HOME", type="ISO14443")
    assert plug_token('{id: "", type: NoAuthorization}') == PlugTokenConfig(id="", type="NoAuthorization")
    assert plug_token("vehicle-id") is PlugSource.VEHICLE_ID


MISTAKES = [
    (
        "unit: car}",
        "unit: car, plug_token: {id: A, type: ISO1444}}",
        11,
        "CONFIG-TOKEN 'ISO1444' is no type of token - ",
    ),
    ("unit: car}", "unit: car, plug_token: {id: ''}}", 11, "CONFIG-TOKEN the token is empty: write what its reader"),
    ("unit: car}", "unit: car, plug_token: vehicle}", 11, 'WRONG-VALUE "vehicle-id" is expected, not "vehicle"'),
    ("state_dir: state", "statedir: state", 2, 'UNKNOWN-KEY unknown key "statedir" - did you mean "state_dir"?'),
    ("state_dir: state\n", "", 1, 'MISSING-KEY the key "state_dir" is missing'),
    ("config: 1", "config: 2", 1, "WRONG-VALUE"),
    ("network: home, ad", "network: hom, ad", 6, "CONFIG-NAME there is no network 'hom' - did you mean \"home\"?"),
    ("unit: car}", "unit: cart}", 11, "CONFIG-NAME there is no unit 'cart' - did you mean \"car\"?"),
    ("{bind: 192.0.2.10}", "{bind: 192.0.2.300}", 4, "CONFIG-ADDRESS '192.0.2.300' is no IPv4 or IPv6 address"),
    ("address: 192.0.2.20", "address: garage", 6, "CONFIG-ADDRESS 'garage'"),
    ("wss://", "https://", 9, "CONFIG-URL 'https://csms.example.com/ocpp' must begin with ws:// or wss://"),
    ("wss://", "ws://", 9, "CONFIG-URL security profile 2 is TLS: write wss://"),
    (", password_file: secret", "", 9, "CONFIG-PASSWORD security profile 2 authenticates the station"),
    ("security_profile: 2", "security_profile: 7", 9, "WRONG-VALUE"),
    ("id: 1, unit", "id: 2, unit", 11, "CONFIG-EVSE EVSEs count from 1: this one is 1"),
    ("id: CS-1", 'id: "CS 1"', 8, "WRONG-VALUE"),
    ("id: CS-1", "id: 17", 8, "WRONG-TYPE"),
    ("unit: car}", "unit: car, on_shutdown: paus}", 11, 'did you mean "pause"?'),
    ("unit: car}", "unit: car, discharge: [v2x]}", 11, "WRONG-VALUE"),
    ("unit: car}", "unit: car, grid: {voltage: 5}}", 11, "OUT-OF-RANGE"),
    ("192.0.2.20}", "192.0.2.20, soc_floor: 101}", 6, "OUT-OF-RANGE"),
    ("192.0.2.20}", "192.0.2.20, soc_floor: 60, soc_ceiling: 60}", 6, "CONFIG-SOC a ceiling of 60 % leaves nothing"),
    ("192.0.2.20}", "192.0.2.20, soc_ceiling: 101}", 6, "OUT-OF-RANGE"),
    ("unit: car}", "unit: car, max_offline_discharge: -1}", 11, "OUT-OF-RANGE"),
    ("unit: car}", "unit: car, after_discharge: paus}", 11, 'did you mean "pause"?'),
    ("192.0.2.20}", "192.0.2.20, control: dryrun}", 6, 'did you mean "dry-run"?'),
    ("192.0.2.20}", "192.0.2.20, identity: FE00}", 6, "WRONG-VALUE"),
    ("192.0.2.20}", "192.0.2.20, class: 0x27}", 6, "units"),
    ("stations:", "echonet: {response_timeout: 5}\nstations:", 7, "OUT-OF-RANGE"),
    ("stations:", "log: {level: loud}\nstations:", 7, "WRONG-VALUE"),
    ("config: 1", "config: 1\nconfig: 1", 2, 'YAML-DUPLICATE the key "config" stands in line 1 already'),
    ("{bind: 192.0.2.10}", "&a {bind: 192.0.2.10}", 4, "YAML-ANCHOR"),
    ("{bind: 192.0.2.10}", "{bind: 192.0.2.10", 5, "YAML-SYNTAX"),
    ("    evses:\n      - {id: 1, unit: car}\n", "    evses: []\n", 10, "evses"),
    ("networks:\n  home: {bind: 192.0.2.10}", "networks: {}", 3, ""),
]


@pytest.mark.parametrize(("right", "wrong", "line", "message"), MISTAKES, ids=[str(m[1])[:40] for m in MISTAKES])
def test_a_mistake_is_told_with_its_place(tmp_path: Path, right: str, wrong: str, line: int, message: str) -> None:
    assert right in GOOD
    path = _write(tmp_path, GOOD.replace(right, wrong, 1))
    with pytest.raises(ConfigError) as told:
        load_config(path)
    lines = str(told.value).splitlines()
    assert all(re.match(rf"{re.escape(str(path))}:\d+:\d+: [A-Z-]+ .", one) for one in lines)
    mine = [one for one in lines if one.startswith(f"{path}:{line}:")]
    assert mine, lines
    if message not in ("units", "evses"):
        assert any(message in one for one in mine), lines


METERS = """\
  six: {bind: 2001:db8::1, gap: 50}
units:
  car: {network: home, address: 192.0.2.20, gap: 300}
  van: {class: "0x02A1", instance: 3, address: 2001:db8::20}
  bus: {}
meters:
  house: {class: "0x0288"}
  board: {class: "0x0287", address: 192.0.2.30}
receiving_point: {meter: house, reverse_flow: false, margin: 200}
stations:
  - id: CS-1
    csms: {url: wss://csms.example.com/ocpp, security_profile: 2, password_file: secret}
    evses:
      - {id: 1, unit: car, meter: {meter: board, channel: 7, duplex: true}}
      - {id: 2, unit: van}
"""
FULL = GOOD[: GOOD.index("units:")] + METERS


def test_meters_networks_and_gaps_are_read(tmp_path: Path) -> None:
    site = load_config(_write(tmp_path, FULL))
    assert site.meters["house"].eoj == 0x028801
    assert site.units["van"].eoj == 0x02A103
    assert site.networks_of(site.units["car"]) == ("home",)
    assert site.networks_of(site.units["van"]) == ("six",)
    assert site.networks_of(site.units["bus"]) == ("home", "six")
    assert site.receiving_point is not None
    assert site.receiving_point.margin == 200
    use = site.stations[0].evses[0].meter
    assert use is not None
    assert (use.meter, use.channel, use.duplex) == ("board", 7, True)
    gaps = [site.gap_of("home"), site.gap_of("six"), site.gap_of("six", site.units["van"])]
    assert [*gaps, site.gap_of("home", site.units["car"])] == [100, 50, 50, 300]


@pytest.mark.parametrize(
    ("said", "milliwatts"),
    [("60 A", 6_000_000), ("30A", 3_000_000), ("6 kVA", 6_000_000), ("7.5 kW", 7_500_000), ("8000 VA", 8_000_000),
     ("5500 W", 5_500_000), (None, None)],
)  # fmt: skip
def test_a_contract_is_told_in_amperes_or_in_power(tmp_path: Path, said: str | None, milliwatts: int | None) -> None:
    """Japan: contract amperes are those of 100 V."""
    point = "" if said is None else f", contract: {said}"
    site = load_config(_write(tmp_path, FULL.replace(", margin: 200}", f", margin: 200{point}}}")))
    assert site.receiving_point is not None
    assert site.receiving_point.contract_power == milliwatts
    assert (site.receiving_point.contract_margin, site.receiving_point.without_meter) == (300, 0)


def test_what_others_set_at_a_unit_lasts_a_day_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    site = load_config(_write(tmp_path, FULL))
    assert (site.stations[0].evses[0].foreign_limit.hems, site.stations[0].evses[0].foreign_limit.lasts) == (
        False,
        86_400,
    )
    other = FULL.replace("{id: 2, unit: van}", "{id: 2, unit: van, foreign_limit: {hems: true, lasts: null}}")
    assert load_config(_write(tmp_path, other)).stations[0].evses[1].foreign_limit.lasts is None


MORE_MISTAKES = [
    ("margin: 200", "contract: 60", 13, "is no contract: write it as 60 A (of 100 V) or as 6 kVA"),
    ("margin: 200", "contract: 60 amperes", 13, "CONFIG-CONTRACT '60 amperes' is no contract: write it as 60 A"),
    ("margin: 200", "contract: 3 A", 13, "CONFIG-CONTRACT 3 A less a margin of 300 W leaves nothing for charging"),
    ("margin: 200", "without_meter: 500", 13, "CONFIG-CONTRACT without_meter is about a contract: say which one"),
    ("margin: 200", "contract_margin: 500", 13, "CONFIG-CONTRACT contract_margin is about a contract"),
    ("margin: 200", "contract: 30 A, without_meter: 4000", 13, "CONFIG-CONTRACT without its meter, 4000 W is more"),
    ("unit: van}", "unit: van, foreign_limit: {lasts: 5}}", 19, "OUT-OF-RANGE"),
    ("meter: house,", "meter: hous,", 13, "CONFIG-NAME there is no meter 'hous' - did you mean \"house\"?"),
    ("meter: board, channel: 7", "meter: bord, channel: 7", 18, "CONFIG-NAME there is no meter 'bord'"),
    (", channel: 7, duplex: true", "", 18, "CONFIG-CHANNEL 'board' is a board with many channels: say which one"),
    ("meter: board,", "meter: house,", 18, "CONFIG-CHANNEL 'house' is a smart meter, which has no channels"),
    ("channel: 7", "channel: 0", 18, "OUT-OF-RANGE"),
    ("margin: 200", "margin: -1", 13, "OUT-OF-RANGE"),
    ('house: {class: "0x0288"}', 'house: {class: "0x027E"}', 11, "WRONG-VALUE"),
    ("house: {", "car: {", 11, "CONFIG-TWICE a unit is named 'car' already; give the meter a name of its own"),
    ("network: home, address: 192.0.2.20", "network: six, address: 192.0.2.20", 7,
     "CONFIG-ADDRESS '192.0.2.20' is an IPv4 address, but network 'six' is IPv6: add a network that has it"),
    ("  six: {bind: 2001:db8::1, gap: 50}\n", "", 7,
     "CONFIG-ADDRESS '2001:db8::20' is an IPv6 address, but every network here is IPv4"),
    ("bus: {}", 'bus: {class: "0x027E", network: home, address: 192.0.2.20}', 9,
     "CONFIG-TWICE 'car' has this address already; name the instance of each, or another address"),
    ("bus: {}", "bus: {gap: 99999}", 9, "OUT-OF-RANGE"),
    ("bus: {}", "bus: {instance: 128}", 9, "OUT-OF-RANGE"),
    ("receiving_point:", "recieving_point:", 13, 'UNKNOWN-KEY unknown key "recieving_point" - did you mean "receiving'),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "line", "message"), MORE_MISTAKES, ids=[m[3][:50] for m in MORE_MISTAKES])
def test_a_mistake_about_meters_and_networks_is_told(
    tmp_path: Path, right: str, wrong: str, line: int, message: str
) -> None:
    assert right in FULL
    path = _write(tmp_path, FULL.replace(right, wrong, 1))
    with pytest.raises(ConfigError) as told:
        load_config(path)
    mine = [one for one in str(told.value).splitlines() if re.match(rf"{re.escape(str(path))}:{line}:\d+: ", one)]
    assert any(message in one for one in mine), str(told.value)


def test_a_unit_belongs_to_one_evse_and_a_station_has_one_name(tmp_path: Path) -> None:
    second = GOOD[GOOD.index("  - id: CS-1") :]
    with pytest.raises(ConfigError) as told:
        load_config(_write(tmp_path, GOOD + second))
    assert "CONFIG-TWICE a second station is named 'CS-1'" in str(told.value)
    assert "CONFIG-TWICE unit 'car' belongs to CS-1 EVSE 1 already" in str(told.value)


def test_all_mistakes_come_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    wrong = (
        GOOD.replace("192.0.2.10", "here")
        .replace("network: home, ad", "network: x, ad")
        .replace("unit: car", "unit: u")
    )
    with pytest.raises(ConfigError) as told:
        load_config(_write(tmp_path, wrong))
    assert [int(line.split(":")[1]) for line in str(told.value).splitlines()] == [4, 6, 11]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r":1:1: FILE cannot be read"):
        load_config(tmp_path / name)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(b"config: 1\nstate_dir: \xff\n")
    with pytest.raises(ConfigError, match=r":2:1: YAML-ENCODING"):
        load_config(path)


# -- secrets and checking


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    _secret(tmp_path, mode=0o644)
    with pytest.raises(ConfigError, match=r"secret can be read by others: chmod 600"):
        dialer_for(load_config(_write(tmp_path, GOOD)).stations[0])


@pytest.mark.parametrize(("text", "why"), [(None, "cannot be read"), (" \n", "is empty")])
def test_a_password_that_is_not_there_is_told(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        _secret(tmp_path, text)
    path = _write(tmp_path, GOOD)
    place = rf"{re.escape(str(path))}:9:\d+: CONFIG-PASSWORD .*{why}"
    with pytest.raises(ConfigError, match=place):
        list(check_site(path))


def test_check_names_what_it_has_looked_at(tmp_path: Path) -> None:
    _secret(tmp_path)
    said = list(check_site(_write(tmp_path, GOOD)))
    assert "1 station(s), 1 unit(s), 1 network(s)" in said[0]
    assert said[1].startswith("unit car: class 0x027E, table ")
    assert said[2].startswith("station CS-1: 1 EVSE(s)")
    assert "20 s" in said[3]
    assert "a password" not in "\n".join(said)


def test_check_tells_what_a_csms_has_set(tmp_path: Path) -> None:
    """What a CSMS sets lives in the store and wins; whoever reads the site file must not be misled."""
    _secret(tmp_path)
    path = _write(tmp_path, GOOD)
    moved = Profile("wss://new.example/ocpp", 2)

    async def keep() -> None:
        store = await open_store(load_config(path).state_dir / STORE, inline=True)
        await store.put_settings("CS-1", {slot_setting(2): moved.to_text(), Key.NETWORK_CONFIGURATION_PRIORITY: "2,1"})
        await store.close()

    asyncio.run(keep())
    said = "\n".join(check_site(path))
    assert "station CS-1: network profile 2: wss://new.example/ocpp, security profile 2 (set by the CSMS)" in said
    assert "station CS-1: network profiles are tried in the order 2, 1 (set by the CSMS)" in said


def test_check_finds_a_class_without_a_table(tmp_path: Path) -> None:
    _secret(tmp_path)
    text = GOOD.replace("192.0.2.20}", '192.0.2.20, class: "0x0130"}')
    with pytest.raises(ConfigError, match=r"site.yaml:6:\d+: CONFIG-CLASS .*no table for class 0x0130"):
        list(check_site(_write(tmp_path, text)))


def test_check_tells_all_mistakes_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("192.0.2.20}", '192.0.2.20, class: "0x0130"}') + "    variables: {NoSuch.Variable: 1}\n"
    with pytest.raises(ConfigError) as told:
        list(check_site(_write(tmp_path, text)))
    codes = [line.split(": ")[1].split()[0] for line in str(told.value).splitlines()]
    assert codes == ["CONFIG-CLASS", "CONFIG-PASSWORD", "CONFIG-VARIABLE"]


def test_check_names_the_meters_and_their_tables(tmp_path: Path) -> None:
    _secret(tmp_path)
    said = list(check_site(_write(tmp_path, FULL)))
    assert any(line.startswith("meter house: class 0x0288, table ") for line in said)
    assert any(line.startswith("meter board: class 0x0287, table ") for line in said)


@pytest.mark.parametrize(
    ("variable", "why"),
    [("NoSuch.Variable: 1", "there is no such variable"), ("OCPPCommCtrlr.HeartbeatInterval: soon", "device model")],
)
def test_check_finds_a_wrong_first_value_of_the_device_model(tmp_path: Path, variable: str, why: str) -> None:
    _secret(tmp_path)
    with pytest.raises(ConfigError, match=why):
        list(check_site(_write(tmp_path, GOOD + f"    variables: {{{variable}}}\n")))


def test_the_example_passes_once_its_password_is_there(tmp_path: Path) -> None:
    path = _write(tmp_path, EXAMPLE.read_text())
    (tmp_path / "secrets").mkdir()
    password = tmp_path / "secrets" / "csms-password"
    password.write_text("x")
    password.chmod(0o600)
    assert len(list(check_site(path))) == 4
