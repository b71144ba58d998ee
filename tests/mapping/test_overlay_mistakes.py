"""Broken overlays: each mistake is told with file, line, column, code and the nearest name, all of them at once."""

from pathlib import Path

import pytest

from bridge.mapping.load import default_folder
from tests.tools.overlay_files import CHANGE, MAKER, load, mistakes, overlay

#: A property's definition, but for its type.
FORM = 'definitions: [{release: D-, access: {get: O, set: "-", inf: "-"}, encoding: %s}]'
BYTE = FORM % "{type: uint8, range: [0, 1]}"


def line_of(text: str, file: str = "tables/0x027E.yaml") -> int:
    """The first line of a shipped file with this text."""
    lines = (default_folder() / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def changes(*lines: str) -> str:
    """The changes begin in line 7."""
    return overlay("changes:\n" + "".join(f"  - {{{line}}}\n" for line in lines))


TABLE = "mappings/tables/0x027E.yaml"
POWER = f"{TABLE}:{line_of('{id: power,          when')}"

CASES = {
    "a verb that is misspelt": (
        changes("overide: chargingState.power, with: 1, why: x"),
        ['mine.yaml:7:6: UNKNOWN-KEY unknown key "overide" - did you mean "override"?'],
    ),
    "two verbs": (
        changes("add: chargingState.power, remove: chargingState.power, why: x"),
        ["mine.yaml:7:5: OVERLAY-VERB a change has one of override, add, remove, not add and remove"],
    ),
    "no verb": (
        changes("with: 1, why: x"),
        ["mine.yaml:7:5: OVERLAY-VERB a change has one of override, add, remove, not none of them"],
    ),
    "paths that do not exist": (
        changes(
            "override: setpoints.charge.ways.powr, with: {}, why: x",
            "remove: setpoint.charge, why: x",
            "override: setpoints.charge.ways.power.whn, with: {}, why: x",
            "override: pollign.state.y, with: {}, why: x",
            "remove: identity.serial, why: x",
        ),
        [
            'mine.yaml:7:16: OVERLAY-PATH there is no row "powr" in "setpoints.charge.ways" - did you mean "power"?',
            'mine.yaml:8:14: OVERLAY-PATH there is no key "setpoint" in the table - did you mean "setpoints"?',
            'mine.yaml:9:16: OVERLAY-PATH there is no key "whn" in "setpoints.charge.ways.power" - '
            'did you mean "when"?',
            'mine.yaml:10:16: OVERLAY-PATH there is no key "pollign" in the table - did you mean "polling"?',
            'mine.yaml:11:14: OVERLAY-PATH there is no key "serial" in "identity" - known here: manufacturer, '
            "productCode",
        ],
    ),
    "paths into what has no parts": (
        changes(
            "override: polling.state.read.0, with: operationMode, why: x",
            "override: release.x, with: 1, why: x",
            "remove: attributes.id, why: x",
        ),
        [
            'mine.yaml:7:16: OVERLAY-PATH the rows of "polling.state.read" have no id: override the list as a whole',
            'mine.yaml:8:16: OVERLAY-PATH "release" is a single value: nothing stands below it',
            'mine.yaml:9:14: OVERLAY-PATH the rows of "attributes" have no id: override the list as a whole',
        ],
    ),
    "what makes a table the table of its class": (
        changes('override: class, with: "0x02A1", why: x', "remove: examples, why: x"),
        [
            'mine.yaml:7:16: OVERLAY-PATH "class" is not for an overlay to change',
            'mine.yaml:8:14: OVERLAY-PATH "examples" is not for an overlay to change',
        ],
    ),
    "what exists already": (
        changes(
            "add: chargingState.power, before: gone, with: {chargingState: keep}, why: x",
            "add: local.chargingCurrent, with: NotifyChargingLimit, why: x",
        ),
        [
            f'mine.yaml:7:11: OVERLAY-EXISTS "chargingState.power" exists already ({POWER}): override it',
            'mine.yaml:8:11: OVERLAY-EXISTS "local.chargingCurrent" exists already '
            f"({TABLE}:{line_of('  chargingCurrent: Notify')}): override it",
        ],
    ),
    "no reason": (
        changes("remove: chargingState.inferred", 'remove: chargingState.inferred-order, why: " "'),
        [
            "mine.yaml:7:5: OVERLAY-WHY every change says why, for the person who reads it in a year",
            "mine.yaml:8:49: OVERLAY-WHY every change says why, for the person who reads it in a year",
        ],
    ),
    "a reason that is cut off by a comma": (
        changes("remove: chargingState.inferred, why: this, and that"),
        [
            'mine.yaml:7:49: UNKNOWN-KEY unknown key "and that" - a comma ends a text within braces: '
            "put the text in quotes"
        ],
    ),
    "nothing is changed": (
        overlay(""),
        [
            "mine.yaml:3:5: OVERLAY-EMPTY it changes nothing: it has neither changes nor properties, "
            "nor a dump that is replayed"
        ],
    ),
    "the same value": (
        changes("override: chargingState.vehicle-waits.hold, with: 10s, why: x"),
        [
            'mine.yaml:7:16: OVERLAY-EMPTY "chargingState.vehicle-waits.hold" is so already '
            f"({TABLE}:{line_of('hold: 10s')}): this changes nothing"
        ],
    ),
    "the same row in the same place": (
        changes("override: chargingState.power, after: gone, why: x"),
        [f'mine.yaml:7:16: OVERLAY-EMPTY "chargingState.power" is so already ({POWER}): this changes nothing'],
    ),
    "the same thing twice": (
        changes(
            "override: chargingState.vehicle-waits.hold, with: 9s, why: x",
            "remove: chargingState.vehicle-waits.hold, why: x",
        ),
        ['mine.yaml:8:14: OVERLAY-TWICE "chargingState.vehicle-waits.hold" is changed in line 7 already'],
    ),
    "rows without a place": (
        changes(
            "add: chargingState.mine, with: {chargingState: keep}, why: x",
            "add: local.mine, before: operationMode, with: {}, why: x",
            "add: chargingState.more, before: powr, with: {chargingState: keep}, why: x",
            "add: chargingState.most, before: power, last: true, with: {chargingState: keep}, why: x",
        ),
        [
            'mine.yaml:7:5: OVERLAY-FORM a row goes to one place: "before" or "after" the id of another row, '
            'or "last: true"',
            'mine.yaml:8:31: OVERLAY-FORM "before" is for rows: keys have no order',
            'mine.yaml:9:39: OVERLAY-PATH there is no row "powr" beside it - did you mean "power"?',
            'mine.yaml:10:5: OVERLAY-FORM a row goes to one place: "before" or "after" the id of another row, '
            'or "last: true"',
        ],
    ),
    "what a verb needs and does not take": (
        changes(
            "remove: chargingState.inferred, with: 1, why: x",
            "add: terms.x, why: x",
            "override: terms.mode, why: x",
            "override: chargingState.power, with: [1], why: x",
            "override: chargingState.gone, with: {id: went, chargingState: keep}, why: x",
        ),
        [
            'mine.yaml:7:44: OVERLAY-FORM "remove" takes no "with"',
            'mine.yaml:8:5: OVERLAY-FORM "add" needs "with": what is added',
            'mine.yaml:9:5: OVERLAY-FORM "override" needs "with": what stands there instead',
            "mine.yaml:10:43: OVERLAY-FORM a row is a mapping",
            'mine.yaml:11:47: OVERLAY-FORM the row\'s id is "gone" by the path, and "went" here',
        ],
    ),
    "a value that the table does not take": (
        changes("override: chargingState.vehicle-waits.hold, with: 10, why: x"),
        ["mine.yaml:7:56: WRONG-TYPE a time needs a unit, like 10s"],
    ),
    "a name that does not exist": (
        changes("override: chargingState.gone.when, with: {plgu: no}, why: x"),
        ['mine.yaml:7:48: UNKNOWN-NAME "plgu" is no property, term or signal - did you mean "plug"?'],
    ),
    "what others need is removed": (
        changes("remove: setpoints.charge.limit.volts, why: x"),
        ['mine.yaml:7:5: MISSING-KEY the key "volts" is missing'],
    ),
    "what other rows name is removed": (
        changes("remove: terms.endedByVehicle, why: x"),
        [
            f'{TABLE}:{line}:{column}: UNKNOWN-NAME "endedByVehicle" is no property, term or signal '
            '- did you mean "vehicleId"? (with the overlay "mine", mine.yaml)'
            for line, column in (
                (number, text.index("endedByVehicle:") + 1)
                for number, text in enumerate((default_folder() / "tables/0x027E.yaml").read_text().splitlines(), 1)
                if "endedByVehicle: true" in text
            )
        ],
    ),
    "a section is removed": (
        changes("remove: chargingState, why: x"),
        ['mine.yaml:7:3: MISSING-KEY the key "chargingState" is missing'],
    ),
    "nothing to match by": (
        overlay(head="match: {}"),
        ["mine.yaml:5:8: MISSING-KEY it needs a key at least: for which units?"],
    ),
    "no match at all": (overlay(head="title: x"), ['mine.yaml:1:1: MISSING-KEY the key "match" is missing']),
    "a match of nonsense": (
        overlay(
            "changes:\n  - {remove: chargingState.infered}\n",
            head='match: {manufacturer: "0xFF", produktCode: "A*", productCode: "*", release: O, firmware: "2.x"}',
        ),
        [
            'mine.yaml:5:23: WRONG-VALUE "0xFF" is no maker\'s code: three bytes, like "0x00000B"',
            'mine.yaml:5:31: UNKNOWN-KEY unknown key "produktCode" - did you mean "productCode"?',
            'mine.yaml:5:63: WRONG-VALUE "*" is no product code: at most 12 characters of ASCII, or how it begins, '
            "like ABC-1*",
            'mine.yaml:5:77: RELEASE "O" is no release or range like N, D-F or G- (there is no O)',
            'mine.yaml:5:90: FIRMWARE "2.x" is no version or range like 2.1, 2.1- or 2.1-2.4',
        ],
    ),
    "a range of versions that ends before it begins": (
        overlay(head='match: {firmware: "2.4-2.1"}'),
        ['mine.yaml:5:19: FIRMWARE "2.4-2.1" ends before it begins'],
    ),
    "firmware that no property tells": (
        overlay(head='match: {firmware: "2.1-"}'),
        [
            "mine.yaml:5:19: OVERLAY-MATCH no property of this class is said to tell it: "
            '"identity.firmware" is missing from the table'
        ],
    ),
    "an identity that the class does not have": (
        changes("add: identity.firmware, with: firmwareVersion, why: x"),
        ['mine.yaml:7:36: UNKNOWN-PROPERTY class 0x027E has no "firmwareVersion"'],
    ),
    "a parent that is misspelt": (
        overlay(head=MAKER + "\nparent: exampel-on-off"),
        [
            'mine.yaml:6:9: OVERLAY-PARENT there is no overlay "exampel-on-off" to stand on - '
            'did you mean "example-on-off"?'
        ],
    ),
    "itself as its parent": (
        overlay(head=MAKER + "\nparent: mine"),
        ["mine.yaml:6:9: OVERLAY-CYCLE it stands on itself: mine -> mine"],
    ),
    "a parent of another class": (
        overlay(code="0x02A1", head=MAKER + "\nparent: example-on-off"),
        ['mine.yaml:6:9: OVERLAY-PARENT "example-on-off" is for class 0x027E, this one for 0x02A1'],
    ),
    "a class without a table": (
        overlay(code="0x027F"),
        [
            "mine.yaml:4:8: UNKNOWN-CLASS there is no table for class 0x027F that an overlay could change "
            "(meters have none)"
        ],
    ),
    "a class that is only read": (
        overlay(code="0x0288"),
        [
            "mine.yaml:4:8: UNKNOWN-CLASS there is no table for class 0x0288 that an overlay could change "
            "(meters have none)"
        ],
    ),
    "releases in which the class does not exist": (
        overlay(head="match: {release: A-C}"),
        ['mine.yaml:5:18: OVERLAY-NOTHING no unit can match it: class 0x027E leaves nothing of its "release"'],
    ),
    "releases outside those of the parent": (
        overlay(head="match: {release: D-N}\nparent: example-signed-power"),
        [
            'mine.yaml:5:18: OVERLAY-NOTHING no unit can match it: its parent "example-signed-power" '
            '(mappings/vendors/example-signed-power.yaml) leaves nothing of its "release"'
        ],
    ),
    "another product than the parent's": (
        overlay(head='match: {productCode: "EXAMPLE-S"}\nparent: example-signed-power'),
        [
            'mine.yaml:5:22: OVERLAY-NOTHING no unit can match it: its parent "example-signed-power" '
            '(mappings/vendors/example-signed-power.yaml) leaves nothing of its "productCode"'
        ],
    ),
    "properties at codes that are not the maker's": (
        overlay(
            "properties:\n"
            f'  - {{add: mine, with: {{epc: "0xDA", en: a, ja: b, {BYTE}}}, why: x}}\n'
            f'  - {{add: other, with: {{epc: "0xE8", en: a, ja: b, {BYTE}}}, why: x}}\n'
        ),
        [
            "mine.yaml:7:29: OVERLAY-EPC 0xDA is operationMode already",
            "mine.yaml:8:30: OVERLAY-EPC 0xE8 is no maker's own: those are 0xF0 to 0xFF",
        ],
    ),
    "properties that exist, do not, or change their code": (
        overlay(
            "properties:\n"
            '  - {add: operationMode, with: {epc: "0xF0"}, why: x}\n'
            "  - {override: operatonMode, with: {}, why: x}\n"
            '  - {override: operationMode, with: {epc: "0xF1"}, why: x}\n'
            "  - {override: operationMode, with: {name: x}}\n"
        ),
        [
            'mine.yaml:7:11: OVERLAY-EXISTS "operationMode" exists already (0xDA): override it',
            'mine.yaml:8:16: OVERLAY-PATH class 0x027E has no property "operatonMode" - did you mean "operationMode"?',
            "mine.yaml:9:43: OVERLAY-EPC the code of operationMode is 0xDA; another form of a property keeps it",
            "mine.yaml:10:5: OVERLAY-WHY every change says why, for the person who reads it in a year",
            "mine.yaml:10:44: OVERLAY-FORM the name stands beside the verb already",
        ],
    ),
    "a property that lacks parts": (
        overlay('properties:\n  - {add: mine, with: {epc: "0xF1"}, why: x}\n'),
        ['mine.yaml:7:23: MISSING-KEY the keys "en", "ja", "definitions" are missing'],
    ),
    "two properties at one code": (
        overlay(
            "properties:\n"
            f'  - {{add: mine, with: {{epc: "0xF0", en: a, ja: b, {BYTE}}}, why: x}}\n'
            f'  - {{add: other, with: {{epc: "0xF0", en: a, ja: b, {BYTE}}}, why: x}}\n'
        ),
        ["mine.yaml:8:76: OVERLAP 0xF0 in Release D is defined in line 7 already"],
    ),
    "a range that its type cannot hold": (
        overlay(
            'properties:\n  - add: mine\n    with:\n      epc: "0xF0"\n      en: a\n      ja: b\n'
            f"      {FORM % '{type: uint8, range: [0, 256]}'}\n    why: x\n"
        ),
        ["mine.yaml:12:104: OUT-OF-RANGE 0..256 is no range within uint8 (0..255)"],
    ),
    "no overlay at all": (
        overlay().replace("kind: overlay", "kind: overlai"),
        ['mine.yaml:2:7: KIND its "kind" is none of devices, table, meter, overlay - did you mean "overlay"?'],
    ),
    "an id of capitals": (
        overlay(name="Mine"),
        ['mine.yaml:3:5: WRONG-VALUE "Mine" is no id: small letters, digits and -'],
    ),
    "bare hex": (
        overlay(head="match: {manufacturer: 0x0000AA}"),
        ['mine.yaml:5:23: WRONG-TYPE a text is expected - quote it: "0x0000AA"'],
    ),
    "mistakes of head and body": (
        overlay("changes:\n  - {remove: chargingState.inferred, wy: x}\n", head='match: {manufacturer: "AA"}'),
        [
            'mine.yaml:5:23: WRONG-VALUE "AA" is no maker\'s code: three bytes, like "0x00000B"',
            'mine.yaml:7:38: UNKNOWN-KEY unknown key "wy" - did you mean "why"?',
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_told_where_it_stands(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert mistakes(tmp_path, mine=text) == expected


def test_overlays_that_stand_on_each_other(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path,
        a=overlay(name="a", head=MAKER + "\nparent: b"),
        b=overlay(name="b", head=MAKER + "\nparent: c"),
        c=overlay(name="c", head=MAKER + "\nparent: a"),
        d=overlay(name="d", head=MAKER + "\nparent: a"),
    )
    assert said == [
        "a.yaml:6:9: OVERLAY-CYCLE it stands on itself: a -> b -> c -> a",
        "b.yaml:6:9: OVERLAY-CYCLE it stands on itself: b -> c -> a -> b",
        "c.yaml:6:9: OVERLAY-CYCLE it stands on itself: c -> a -> b -> c",
        'd.yaml:6:9: OVERLAY-PARENT its parent "a" has mistakes (a.yaml)',
    ]


def test_an_id_that_is_taken(tmp_path: Path) -> None:
    said = mistakes(tmp_path, a=overlay(), b=overlay(head='match: {manufacturer: "0x0000BB"}'))
    assert said == ['b.yaml:3:5: OVERLAY-ID the overlay in a.yaml is called "mine" already']


def tie(first: str, second: str) -> dict[str, str]:
    return {"a": overlay(name="a", head=f"match: {first}"), "b": overlay(name="b", head=f"match: {second}")}


ONE = '{manufacturer: "0x0000AA", productCode: "ABC-1*"}'
TIE = (
    'b.yaml:5:8: OVERLAY-TIE a unit can match both this and "a" (a.yaml:5) equally well: make one the parent of the '
    "other, or let one ask for more"
)


@pytest.mark.parametrize(
    "second",
    [
        '{manufacturer: "0x0000AA", productCode: "ABC-1*"}',
        '{manufacturer: "0x0000AA", productCode: "ABC*"}',
        '{manufacturer: "0x0000AA", productCode: [XYZ, ABC-12]}',
        '{manufacturer: "0x0000AA", release: P-}',
        '{productCode: "ABC-1*", release: D-}',
    ],
)
def test_overlays_that_tie(tmp_path: Path, second: str) -> None:
    assert mistakes(tmp_path, **tie(ONE, second)) == [TIE]


@pytest.mark.parametrize(
    "second",
    [
        '{manufacturer: "0x0000AB", productCode: "ABC-1*"}',
        '{manufacturer: "0x0000AA", productCode: "ABC-2*"}',
        '{manufacturer: "0x0000AA", productCode: "ABC-"}',
        '{manufacturer: "0x0000AA"}',
        '{manufacturer: "0x0000AA", productCode: "ABC-1*", release: D-}',
    ],
)
def test_overlays_that_do_not_tie(tmp_path: Path, second: str) -> None:
    assert mistakes(tmp_path, **tie(ONE, second)) == []


def test_a_more_specific_overlay_for_all_of_the_units_settles_a_tie(tmp_path: Path) -> None:
    pair = tie(ONE, '{manufacturer: "0x0000AA", release: P-}')
    both = 'match: {manufacturer: "0x0000AA", productCode: "ABC*", release: %s}'
    assert mistakes(tmp_path, **pair, c=overlay(name="c", head=both % "N-")) == []
    assert mistakes(tmp_path, **pair, c=overlay(name="c", head=both % "Q-")) == [TIE]


def test_mistakes_of_all_files_come_at_once_and_in_order(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path,
        a=overlay("changes:\n" + "  - {remove: chargingState.x, why: x}\n" * 5, name="a"),
        b=overlay(name="b", head="match: {release: A}"),
        c="mapping: 1\nkind: [\n",
    )
    assert [line.split(" ")[0] for line in said] == [
        "c.yaml:3:1:",
        "a.yaml:7:14:",
        "a.yaml:8:14:",
        "a.yaml:9:14:",
        "a.yaml:10:14:",
        "a.yaml:11:14:",
        "b.yaml:5:18:",
    ]


def test_the_pattern_of_a_good_overlay_is_good(tmp_path: Path) -> None:
    """What the cases above start from has no mistake."""
    assert list(load(tmp_path, mine=overlay(CHANGE)).overlays.headers) == ["mine"]
