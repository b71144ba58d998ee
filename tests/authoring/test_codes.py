"""Each code that a message can carry is explained, and none that no message carries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bridge.authoring.codepage import codes_page
from bridge.authoring.pagemarkdown import markdown
from bridge.mapping.codes import CODES, Subject

ROOT = Path(__file__).parents[2]
BRIDGE = ROOT / "bridge"
#: The files that speak of files.
PLACES = ("mapping/**/*.py", "authoring/*.py", "cli/map*.py", "gateway/config.py", "gateway/checking.py")
NOT_HERE = {BRIDGE / "mapping" / "codes.py"}
CODE = re.compile(r"[A-Z]{2,}(?:-[A-Z]+)*")
#: In a message that is put together by hand: `...:1:1: CODE text`.
IN_A_MESSAGE = re.compile(r":\d*: ?([A-Z]{2,}(?:-[A-Z]+)*) ")
#: Calls whose capital words are codes. `metavar="PATH"` and the like are keywords and do not count.
TELLERS = re.compile(r"(?i).*(?:add|add_problem|wrong|problem|error|finding|miss|refuse|tell|told)$")


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for place in PLACES:
        for path in sorted(BRIDGE.glob(place)):
            if path not in NOT_HERE:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _constants(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _used() -> dict[str, str]:
    """The codes that are used for sure, and where."""
    found: dict[str, str] = {}
    for path, tree in _trees():
        where = str(path.relative_to(ROOT))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and TELLERS.fullmatch(_called(node)):
                for argument in node.args:
                    for text in [argument.value] if isinstance(argument, ast.Constant) else _either(argument):
                        if isinstance(text, str) and CODE.fullmatch(text):
                            found.setdefault(text, where)
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        found.setdefault(str(keyword.value.value), where)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _names_a_code(path, node):
                found.update({text: where for text in _constants(node.value) if CODE.fullmatch(text)})
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values]
                for code in IN_A_MESSAGE.findall("".join(parts)):
                    found.setdefault(code, where)
        for text in _constants(tree):
            if CODE.fullmatch(text) and "-" in text:  # whatever it is for: nothing else looks so
                found.setdefault(text, where)
    return found


def _names_a_code(path: Path, node: ast.Assign | ast.AnnAssign) -> bool:
    """`code = "A" if x else "B"`, `_CODE: Final = "A"`; among the proofs any constant is one (`DEAD`)."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return any(name.lower().endswith("code") or (path.parent.name == "proof" and name.isupper()) for name in names)


def _either(argument: ast.expr) -> Iterator[str]:
    """Of `"A" if x else "B"` both."""
    if isinstance(argument, ast.IfExp):
        yield from _constants(argument.body)
        yield from _constants(argument.orelse)


def test_every_code_that_is_used_is_explained() -> None:
    used = _used()
    missing = {code: where for code, where in used.items() if code not in CODES}
    assert missing == {}, "add an entry to bridge/mapping/codes.py"
    assert {
        "YAML-SYNTAX",
        "TERM",
        "YAML-SIZE",
        "MISSING-KEY",
        "OVERLAY-TIE",
        "FILE",
        "QUANTITY",
        "RANGE",
        "OSCILLATION",
    } <= set(used)


def test_every_code_that_is_explained_is_used() -> None:
    words = {text for _, tree in _trees() for text in _constants(tree) if CODE.fullmatch(text)}
    words |= {code for _, tree in _trees() for text in _constants(tree) for code in re.findall(r"\b[A-Z-]{4,}\b", text)}
    assert sorted(set(CODES) - words) == [], "take these entries out of bridge/mapping/codes.py"


def test_an_explanation_says_what_is_wrong_and_what_to_do() -> None:
    for code, each in CODES.items():
        assert CODE.fullmatch(code)
        assert each.meaning.endswith("."), code
        assert each.mend.endswith("."), code
        assert each.example, code
        assert isinstance(each.subject, Subject)


def test_the_page_has_them_all() -> None:
    text = markdown(codes_page())
    assert all(f'<a id="{code}"></a>`{code}`' in text for code in CODES)
