"""Every code that a message about a file may carry: what it means, an example, and the mend.

`ocpp-echonet map docs --codes` makes a page of it. A new code is one entry here; a test compares the entries with the
codes that the program uses. Only tools import this.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Subject(StrEnum):
    """What a code is about, in the order of the page."""

    YAML = "The file and its YAML"
    FORM = "Keys and forms"
    NAMES = "Names and values"
    DEVICES = "Dictionaries"
    TABLE = "Tables"
    OVERLAY = "Overlays"
    EXAMPLE = "Examples and replays"
    PROOF = "Proofs"
    SITE = "The site's configuration"


class Explained(NamedTuple):
    """A code: what it is about, what is wrong, how that may look, and what to do."""

    subject: Subject
    meaning: str
    example: str
    mend: str


_YAML, _FORM, _NAMES, _SITE = Subject.YAML, Subject.FORM, Subject.NAMES, Subject.SITE
_DEVICES, _TABLE, _OVERLAY, _EXAMPLE = Subject.DEVICES, Subject.TABLE, Subject.OVERLAY, Subject.EXAMPLE
_PROOF: Final = Subject.PROOF

CODES: Final[Mapping[str, Explained]] = {
    # the file and its YAML
    "FILE": Explained(_YAML, "The file cannot be read, or is no plain file.", "a folder, or a file without leave",
                      "Name a file that you may read."),
    "YAML-SYNTAX": Explained(_YAML, "This is no YAML, or there are several documents in one file.",
                             "plug: [yes", "Close what is open; mind the spaces at the start of lines."),
    "YAML-ENCODING": Explained(_YAML, "The file is not UTF-8.", "a file saved as Shift_JIS or UTF-16",
                               "Save it as UTF-8."),
    "YAML-SIZE": Explained(_YAML, "The file is larger than any that a person writes.", "a log in place of a table",
                           "Name the right file."),
    "YAML-DEPTH": Explained(_YAML, "Things are nested too deep.", "when: {not: {not: {not: ...",
                            "Say it with fewer levels; give a part a name under `terms`."),
    "YAML-KEY": Explained(_YAML, "A key is a list or a mapping.", "{[a, b]: 1}", "Write a plain word as the key."),
    "YAML-DUPLICATE": Explained(_YAML, "A key stands twice in the same place.", "hold: 3s ... hold: 5s",
                                "Take one of them out."),
    "YAML-ANCHOR": Explained(_YAML, "An anchor, which these files do not have.", "when: &plugged {plug: yes}",
                             "Write the value out, or give it a name under `terms`."),
    "YAML-ALIAS": Explained(_YAML, "An alias, which these files do not have.", "when: *plugged",
                            "Write the value out, or give it a name under `terms`."),
    "YAML-MERGE": Explained(_YAML, "A merge key, which these files do not have.", "<<: {active: 4s}",
                            "Write the keys out."),
    "YAML-TAG": Explained(_YAML, "A tag, which these files do not have.", "when: !python/object ...",
                          "Leave the tag out."),
    "TOO-MANY-MISTAKES": Explained(_YAML, "More mistakes than are worth telling at once.",
                                   "a file of another program", "Mend those that are told, and look again."),
    # keys and forms
    "UNKNOWN-KEY": Explained(_FORM, "A key that does not exist here.", "conector: Occupied",
                             "Take the name that is offered, or one of those that are listed."),
    "MISSING-KEY": Explained(_FORM, "A key that has to be there is missing.", "a setpoint without `confirm`",
                             "Add it."),
    "WRONG-TYPE": Explained(_FORM, "A value is of another type: a number for a text, a word for a list.",
                            "class: 0x027E", "Write the type that is named; quote what is hex."),
    "WRONG-VALUE": Explained(_FORM, "A value is none of those that are allowed here.", "wants: charging",
                             "Take the one that is offered."),
    "OUT-OF-RANGE": Explained(_FORM, "A number, a range or a code lies outside what is possible.",
                              "maxProperties: 0", "Write a number within the range."),
    "QUANTITY": Explained(_FORM, "No quantity, one in the wrong unit, or one finer than a thousandth.",
                          "within: 180", "Write the number with its unit, like `180s` or `100 W`."),
    "RELEASE": Explained(_FORM, "No release of the Appendix and no range of them.", "release: O-",
                         "Write `N`, `D-F` or `G-`; there is no Release O."),
    "KIND": Explained(_FORM, "The file does not say what kind it is, or names none that exists.", "kind: tabel",
                      "Write `kind: devices`, `table`, `meter` or `overlay`."),
    "VERSION": Explained(_FORM, "The file is of a version of the language that this program does not know.",
                         "mapping: 2", "Take a newer program; an older file brings `ocpp-echonet map migrate` here."),
    # names and values
    "UNKNOWN-CLASS": Explained(_NAMES, "No dictionary or table is for this class.", 'class: "0x027F"',
                               "Correct the code, or add the dictionary to `devices/`."),
    "UNKNOWN-PROPERTY": Explained(_NAMES, "The class has no property of this name, or nothing writes it.",
                                  "read: [operationMod]", "Take the name from the class' dictionary."),
    "UNKNOWN-NAME": Explained(_NAMES, "A condition names neither a property nor a term nor a signal.",
                              "when: {plugd: yes}", "Correct the name, or define it under `terms`."),
    "UNKNOWN-VALUE": Explained(_NAMES, "A property, a term or a signal has no such value.",
                               "faultStatus: faulty", "Take one of the values that are named."),
    "UNIT": Explained(_NAMES, "A value is in another unit than what is measured from it.",
                      "current: {first: [{property: instantaneousVoltage}]}", "Take a property in the right unit."),
    # dictionaries
    "DUPLICATE-CLASS": Explained(_DEVICES, "Two files are for the same class.", 'class: "0x027E" in two tables',
                                 "Keep one; what differs for some units belongs into an overlay."),
    "OVERLAP": Explained(_DEVICES, "A name or a code is defined twice in the same release.",
                         "release: D- beside release: G-", "Let the releases follow each other: `D-F`, `G-`."),
    "EPC": Explained(_DEVICES, "A range of codes and `#` in the name do not go together.",
                     'epc: "0xD0-0xEF" with name: channel', "Write both, `channel#`, or neither."),
    # tables
    "DUPLICATE-ID": Explained(_TABLE, "Two rows of a section have the same id.", "- {id: fault ...} twice",
                              "Give each row an id of its own."),
    "DUPLICATE-NAME": Explained(_TABLE, "A term has the name of a property or of a signal.",
                                "terms: {operationMode: ...}", "Give the term another name."),
    "CIRCULAR": Explained(_TABLE, "A condition looks at what is only decided by it.", "plug: - {when: {plug: yes} ...}",
                          "Look at the properties themselves."),
    "NOT-TOTAL": Explained(_TABLE, "A list of rows leaves situations without an answer.",
                           "the last row has a `when`", "Let the last row hold always, if only with `keep`."),
    "DEAD-ROW": Explained(_TABLE, "A row can never decide: rows above it hide it.", "a row below one without `when`",
                          "Move it up, or take it out."),
    "TERM": Explained(_TABLE, "A term says several things, or nothing.", "mode: {first: [...], when: {...}}",
                      "Write one of `first`, `when` and `measure`."),
    "SOURCE": Explained(_TABLE, "A source says several things, nothing, or names what cannot be a source there.",
                        "{property: power, meter: power}", "Write one source an entry, in the order to try them."),
    "STEP": Explained(_TABLE, "A step writes no property, or several.",
                      "- {operationMode: charge, chargingMethod: maximum}", "Write each into a step of its own."),
    "NOT-SETTABLE": Explained(_TABLE, "A step writes what no release lets be set.", "- {faultStatus: fault}",
                              "Write another property; see its access in the dictionary."),
    "NO-LIMIT": Explained(_TABLE, "A way lets energy flow and nothing in it keeps the limit.",
                          "ensure: [{operationMode: charge}]",
                          "Write the limit in the way, or say `onOff: true` if the unit has none."),
    "VOLTS": Explained(_TABLE, "A row about voltage reads none and assumes none, or does both.",
                       "{property: instantaneousVoltage, assume: 450 V}", "Write one of the two; above zero."),
    "WANTS": Explained(_TABLE, "A message wants what it cannot mean.", "RequestStopTransaction: {wants: charge}",
                       "Take one of the setpoints that the message names."),
    "TOO-MANY": Explained(_TABLE, "More properties than a request may hold.", "read: [... nine names ...]",
                          "Split the group (0x02A1 takes 4 a request, 0x027E 8)."),
    # overlays
    "FIRMWARE": Explained(_OVERLAY, "No version and no range of versions.", "firmware: new",
                          "Write `2.1`, `2.1-` or `2.1-2.4`."),
    "OVERLAY-ID": Explained(_OVERLAY, "Two overlays have the same id.", "id: acme in two files",
                            "Give each an id of its own."),
    "OVERLAY-PARENT": Explained(_OVERLAY, "The parent does not exist, is broken, or is for another class.",
                                "parent: acmee", "Correct the name, or mend the parent first."),
    "OVERLAY-CYCLE": Explained(_OVERLAY, "An overlay stands on itself.", "a: parent b, b: parent a",
                               "Take one of the parents out."),
    "OVERLAY-MATCH": Explained(_OVERLAY, "It matches by what no property of the class tells.", "match: {firmware: 2.1}",
                               "Say under `identity` which property tells it, or match by something else."),
    "OVERLAY-NOTHING": Explained(_OVERLAY, "No unit can match it.", "a child for Release D of a parent for Release P",
                                 "Let the child ask for something that its parent allows."),
    "OVERLAY-TIE": Explained(_OVERLAY, "A unit can match two overlays equally well.",
                             "one asks for the product, the other for the firmware",
                             "Make one the parent of the other, or let one ask for more."),
    "OVERLAY-EMPTY": Explained(_OVERLAY, "An overlay or a change of it changes nothing.", "an override with the same",
                               "Take it out."),
    "OVERLAY-WHY": Explained(_OVERLAY, "A change does not say why.", "- {override: polling.state.active, with: 8s}",
                             "Add `why:` for the person who reads it in a year."),
    "OVERLAY-VERB": Explained(_OVERLAY, "A change has none or several of the verbs.", "{add: x, remove: y}",
                              "Write one of `override`, `add` and `remove` a change."),
    "OVERLAY-PATH": Explained(_OVERLAY, "A change names what does not exist, or what is not for an overlay to change.",
                              "override: setpoints.chrage", "Take the name that is offered."),
    "OVERLAY-EXISTS": Explained(_OVERLAY, "What is added is there already.", "add: polling.state",
                                "Say `override`, or give it another name."),
    "OVERLAY-FORM": Explained(_OVERLAY, "A change lacks what its verb needs, or has what it does not take.",
                              "{add: plug.parked} without a place",
                              "Give `with` to `add` and `override`, and a row its place."),
    "OVERLAY-TWICE": Explained(_OVERLAY, "The same thing is changed twice.", "two changes of polling.state.active",
                               "Keep one of them."),
    "OVERLAY-EPC": Explained(_OVERLAY, "A maker's own property has a code that is not the maker's own.",
                             'epc: "0xDA"', "Take a code from 0xF0 to 0xFF that is free."),
    # examples and replays
    "EXAMPLE": Explained(_EXAMPLE, "An example cannot be understood, or the table answers otherwise.",
                         "expect: {connector: Available}, and it is Occupied",
                         "Mend the table or the example; the message names the rows that decided."),
    "NO-EXAMPLE": Explained(_EXAMPLE, "A row or a source is the answer of no example.",
                            "a new row without one", "Add an example that it answers."),
    "DUMP": Explained(_EXAMPLE, "A dump cannot be read, or lies outside the folder.", "dump: ../other.jsonl",
                      "Name a dump below the file's folder; make it with `ocpp-echonet dump`."),
    "DUMP-CLASS": Explained(_EXAMPLE, "A dump is of another class than the table.", "a dump of a meter",
                            "Take a dump of a unit of the class."),
    "REPLAY-ORDER": Explained(_EXAMPLE, "A moment stands behind a later one.", "at: 5s after at: 10s",
                              "Sort the moments by time."),
    "SCRIPT": Explained(_EXAMPLE, "A step of a script cannot be understood.", "written: {}",
                        "Write one property with one of its values."),
    "SCRIPT-ORDER": Explained(_EXAMPLE, "A step of a script stands behind a later one.", "at: 5s after at: 10s",
                              "Sort the steps by time."),
    # proofs
    "RANGE": Explained(_PROOF, "A write can leave the range that its property has in a release.",
                       "- {targetDischargingElectricEnergy: 9999999999}", "Write a value within the range, or none."),
    "NOT-ALLOWED": Explained(_PROOF, "A write that the class does not allow in some release, or that nothing guards "
                             "where a unit need not offer it.", "- {chargingMethod: maximum} in Release D",
                             "Add `if: settable` or a release to the way or the step."),
    "UNVERIFIED": Explained(_PROOF, "A write that nobody would see to have been taken.",
                            "a write to a property that a unit need not let be read",
                            "Ask for `gettable`, or name under `then` what the write changes."),
    "UNBOUNDED": Explained(_PROOF, "A wait is too long, or energy is ordered again and again.",
                           "confirm: {within: 24h, attempts: 3}", "Write what the message names as the most."),
    "HASTY": Explained(_PROOF, "A wait is so short that it only makes noise.", "polling: {state: {active: 100ms}}",
                       "Write at least the time that is told."),
    "GIVES-UP": Explained(_PROOF, "A stop or a pause is tried only so often, and then energy would go on.",
                          "stop: {confirm: {attempts: 3}}", "Write `attempts: 0`: for ever."),
    "UNREAD": Explained(_PROOF, "What a decision looks at is never read, or not as often as it has to be.",
                        "a property in `confirm` that no group of `polling` reads", "Read it in a group of `polling`."),
    "DIFF": Explained(_PROOF, "Two tables decide differently (`map diff`).", "Occupied in one, Available in the other",
                      "Nothing, if it is meant so."),
    "LATE-LIMIT": Explained(_PROOF, "Energy is ordered before its limit stands.",
                            "- {operationMode: charge} before - {chargingElectricPower: limit}",
                            "Write what starts the energy last."),
    "INCOMPLETE": Explained(_PROOF, "A property or a value of some release is named nowhere.",
                            "chargeDischargeStatus: unknown (J-) in no row",
                            "Name it in a row, or under `ignored` with the reason."),
    "IGNORED": Explained(_PROOF, "What is said to be ignored is named by the table.",
                         "ignored: - {property: faultStatus ...}", "Take it out of `ignored`."),
    "UNGATED": Explained(_PROOF, "Energy could flow where it must not: without an answer, with a fault, for nobody.",
                         "a `charge` without the requirement `authorized: true`", "Add the requirement."),
    "IRREVERSIBLE": Explained(_PROOF, "A stop or a pause cannot be carried out from where energy may flow.",
                              "a gate that also shuts out `urgency: safety`",
                              "Let an urgent stop through, with writes that every unit must offer."),
    "UNREACHED": Explained(_PROOF, "A setpoint can never be seen to be reached, or is told otherwise than it is.",
                           "confirm: {when: {operationMode: idle}} of `charge`",
                           "Let `confirm` and the rows look at what the last write leaves behind."),
    "OSCILLATION": Explained(_PROOF, "What a setpoint writes makes it begin anew, or another row answer, for ever.",
                             "a way that only holds until its own write", "Let both look at the same thing."),
    # the site's configuration
    "CONFIG-NAME": Explained(_SITE, "A unit, a meter or a network that is not defined.", "unit: garge",
                             "Take the name that is offered."),
    "CONFIG-TWICE": Explained(_SITE, "The same thing is used or named twice.", "a unit behind two EVSEs",
                              "Keep one of them."),
    "CONFIG-SOC": Explained(_SITE, "A unit's ceiling of charge is not above its floor.", "soc_ceiling: 20",
                            "Leave some way between the two."),
    "CONFIG-ADDRESS": Explained(_SITE, "No IP address, or one that none of the networks can reach.",
                                "address: 192.168.1", "Write an IPv4 or IPv6 address of a network that is listed."),
    "CONFIG-EVSE": Explained(_SITE, "The EVSEs of a station do not count from 1.", "evses: [{id: 2 ...}]",
                             "Number them 1, 2, 3."),
    "CONFIG-CHANNEL": Explained(_SITE, "A board needs a channel and a smart meter has none.",
                                "meter: {meter: board}", "Add `channel`, or leave it out."),
    "CONFIG-CONTRACT": Explained(_SITE, "The contract of the grid connection is none, or leaves nothing for charging.",
                                 "receiving_point: {contract: 60 W}", "Write it as 60 A (of 100 V) or as 6 kVA."),
    "CONFIG-URL": Explained(_SITE, "The CSMS's address is none, or does not fit the security profile.",
                            "url: https://csms", "Write wss:// (ws:// only with profile 1)."),
    "CONFIG-PASSWORD": Explained(_SITE, "The password's file is missing or cannot be used.", "security_profile: 2",
                                 "Name a `password_file` that only the gateway may read."),
    "CONFIG-CLASS": Explained(_SITE, "No table is for the unit's class.", 'class: "0x0130"',
                              "Take a class that has a table."),
    "CONFIG-CSMS": Explained(_SITE, "The connection to the CSMS cannot be set up so.", "a certificate that is missing",
                             "Mend what the message names."),
    "CONFIG-TOKEN": Explained(_SITE, "An id token that a reader could not read.", "plug_token: {id: \"\", type: Local}",
                              "Write what the token says, and its type in OCPP's words."),
    "CONFIG-VARIABLE": Explained(_SITE, "A variable of the device model cannot have this value.", "variables: ...",
                                 "Write a value that the variable takes."),
}  # fmt: skip
