"""The pages: current, whole, escaped, and true to the tables."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.authoring import docs
from bridge.authoring.codepage import codes_page
from bridge.authoring.docs import everything, index_page, pages
from bridge.authoring.docssetpoints import grouped
from bridge.authoring.page import Break, Bullets, Code, Japanese, Link, Listing, Page, Strong, joined, line, row
from bridge.authoring.pagehtml import html
from bridge.authoring.pagemarkdown import markdown
from bridge.authoring.phrases import Phrases, range_text, release_text
from bridge.cli.main import main
from bridge.mapping.load import Mappings, load_mappings
from tests.tools.tables import parsed, shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mappings() -> Mappings:
    return shipped()


@pytest.fixture(scope="module")
def all_pages(mappings: Mappings) -> list[Page]:
    found = pages(mappings)
    return [index_page(found), *found, codes_page()]


def _root(page: Page) -> ElementTree.Element:
    return ElementTree.fromstring(html(page).removeprefix("<!DOCTYPE html>\n"))


def _plain(text: str) -> str:
    """A page's Markdown as its reader sees it."""
    return re.sub(r"\s+", " ", "".join(re.sub(r"<[^>]+>", "", MarkdownIt().enable("table").render(text))))


# Current and whole ----------------------------------------------------------------------------------------------


def test_the_committed_pages_are_those_that_the_tables_make(mappings: Mappings) -> None:
    folder = ROOT / "docs" / "mapping"
    made = everything(mappings, ["md"])
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert sorted(there) == sorted(made), "run `ocpp-echonet map docs`"
    assert [name for name, text in made.items() if there[name] != text] == [], "run `ocpp-echonet map docs`"


def test_they_are_the_same_each_time(mappings: Mappings) -> None:
    assert everything(mappings, ["md", "html"]) == everything(load_mappings(cache=parsed()), ["html", "md"])


def test_html_is_well_formed_and_needs_nothing_from_elsewhere(all_pages: list[Page]) -> None:
    for page in all_pages:
        root = _root(page)
        names = {element.tag for element in root.iter()}
        assert not names & {"script", "link", "img", "iframe", "object"}
        assert root.get("lang") == "en"
        assert not re.search(r'(src|href)="(?!#|[\w-]+\.html)|url\(|@import', html(page))


def test_every_link_leads_somewhere(all_pages: list[Page]) -> None:
    anchors = {page.name: [e.get("id") for e in _root(page).iter() if e.get("id")] for page in all_pages}
    for page in all_pages:
        assert len(anchors[page.name]) == len(set(anchors[page.name])), page.name
        for element in _root(page).iter("a"):
            target, _, anchor = str(element.get("href")).partition("#")
            name = target.removesuffix(".html") or page.name
            assert name in anchors, (page.name, element.get("href"))
            assert not anchor or anchor in anchors[name], (page.name, element.get("href"))


def test_tables_have_heads_with_a_scope_and_japanese_is_marked(all_pages: list[Page]) -> None:
    japanese = re.compile(r"[぀-ヿ一-鿿]")
    marked = 0
    for page in all_pages:
        root = _root(page)
        for head in root.iter("th"):
            assert head.get("scope") in ("col", "row")
        for table in root.iter("table"):
            assert table.find("caption") is not None
        levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch("h[1-6]", e.tag)]
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        for element in root.iter():
            own = (element.text or "") + "".join(child.tail or "" for child in element)
            if japanese.search(own):
                assert element.get("lang") == "ja", own
                marked += 1
    assert marked > 100


def test_markdown_says_what_html_says(all_pages: list[Page]) -> None:
    for page in all_pages:
        root = _root(page)
        for table in root.iter("table"):  # captions are only on the HTML page
            table.remove(next(iter(table.iter("caption"))))
        main_part = root.find("body/main")
        assert main_part is not None
        shown = re.sub(r"\s+", "", "".join(main_part.itertext()))
        text = re.sub(r"&(lt|gt|amp|quot);", lambda m: {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}[m[1]],
                      _plain(markdown(page)))  # fmt: skip
        assert shown in re.sub(r"\s+", "", text), page.name


# What they say --------------------------------------------------------------------------------------------------


def _rows(page: Page, anchor: str) -> list[list[str]]:
    """The cells of the rows whose anchor begins so."""
    return [
        ["".join(cell.itertext()) for cell in each]
        for each in _root(page).iter("tr")
        if str(each.get("id", "")).startswith(anchor)
    ]


def test_every_row_requirement_property_and_example_of_a_table_is_on_its_page(
    mappings: Mappings, all_pages: list[Page]
) -> None:
    by_name = {page.name: page for page in all_pages}
    for source in mappings.sources:
        page, model = by_name[docs.table_name(source.table.class_code)], source.model
        text = "".join(_root(page).itertext())
        for section, rows in (
            ("plug", model.plug),
            ("StatusNotification", model.status),
            ("chargingState", model.charging),
        ):
            assert [cells[1] for cells in _rows(page, f"{section}-")] == [each.id for each in rows]
        assert len(_rows(page, "term-")) == len(model.terms)
        for mode, setpoint in model.setpoints.items():
            assert f"Setpoint {mode}" in text
            for requirement in setpoint.require:
                assert requirement.reason in text
        for index in range(len(model.examples)):
            assert source.document.place(("examples", index)).rpartition("/")[2] in text


def test_a_condition_is_said_in_words_and_on_the_wire(all_pages: list[Page]) -> None:
    page = next(page for page in all_pages if page.name == "table-0x027E")
    fault = _rows(page, "StatusNotification-fault")[0]
    assert fault[2] == "faultStatus is fault (88=41)"
    assert fault[3] == "Faulted"
    assert re.fullmatch(r"0x027E\.yaml:\d+", fault[4])
    assert _rows(page, "StatusNotification-lost")[0][2] == "it has not answered for at least 60s"


def test_a_property_is_named_in_both_languages_with_code_unit_and_range(all_pages: list[Page]) -> None:
    page = next(page for page in all_pages if page.name == "table-0x027E")
    cells = _rows(page, "property-remainingCapacity3")[0]
    assert cells[1] == "0xE4"
    assert "電池残容量" in cells[3]
    assert "0 % to 100 %" in cells[6]


def test_writes_are_shown_by_release(mappings: Mappings, all_pages: list[Page]) -> None:
    page = next(page for page in all_pages if page.name == "table-0x027E")
    text = "".join(_root(page).itertext())
    for prop in mappings.classes[0x027E].properties:
        if prop.name == "operationMode" and "P" in prop.releases:
            assert f"{prop.epc:02X}={prop.codec.encode('automatic').hex().upper()}" in text
    assert grouped({"D": ("a",), "E": ("a",), "F": ("b",)}) == [("DE", ("a",)), ("F", ("b",))]


@pytest.fixture(scope="module")
def phrases(mappings: Mappings) -> Phrases:
    return Phrases(mappings.classes[0x027E], {"mode": ("actualOperationMode", "operationMode"), "acType": ()})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({}, "always"),
        ({"operationMode": ["charge", "discharge"]}, "operationMode is charge or discharge (DA=42, 43)"),
        ({"operationMode": "absent"}, "operationMode is not known (DA)"),
        ({"remainingCapacity3": {"min": "100 %"}}, "remainingCapacity3 is at least 100 % (E4 ≥ 64)"),
        ({"instantaneousElectricPower": {"below": "-100 W"}},
         "instantaneousElectricPower is less than -100 W (D3 < FFFFFF9C)"),
        ({"mode": "test"}, "mode is test (DA=45)"),
        ({"acType": False}, "not acType"),
        ({"reachable": False, "acType": True}, "the unit does not answer and acType"),
        ({"any": [{"acType": True}, {"plug": "blind", "authorized": True}]},
         "acType or (plug is blind and somebody is authorized)"),
        ({"acType": True, "any": [{"plug": "yes"}, {"plug": "no"}]}, "acType and (plug is yes or plug is no)"),
        ({"not": {"any": [{"plug": "yes"}, {"acType": True}]}}, "not (plug is yes or acType)"),
        ({"all": [{"any": [{"plug": "yes"}, {"acType": True}]}, {"release": "D-F"}]},
         "(plug is yes or acType) and Release D to F"),
        ({"settable": "chargingMethod"}, "chargingMethod (DC) can be set"),
        ({"announced": ["operationMode", "faultStatus"]}, "operationMode (DA) and faultStatus (88) are announced"),
        ({"refused": "operationMode"}, "operationMode (DA) was refused"),
        ({"comesTo": "refused"}, "what is wanted comes to refused"),
        ({"seen": "plugKnown"}, "plugKnown was seen before"),
        ({"lostFor": {"min": "60s"}}, "it has not answered for at least 60s"),
        ({"release": "G-"}, "Release G or later"),
        ({"release": "N"}, "Release N"),
    ],
)  # fmt: skip
def test_conditions_in_words(phrases: Phrases, condition: dict[str, object], words: str) -> None:
    page = Page("x", "x")
    page.paragraph(phrases.condition(condition))
    assert "".join(_root(page).find("body/main").itertext()).strip() == words  # type: ignore[union-attr]


def test_releases_in_words() -> None:
    assert [release_text(text) for text in ("", "N", "DEF", "PQR", "R", "ABCDEFGHIJKLMNPQR")] == [
        "no release", "N", "D to F", "P or later", "R", "any release",
    ]  # fmt: skip
    assert [range_text(text) for text in ("N", "D-F", "G-")] == ["Release N", "Release D to F", "Release G or later"]


# Rendering ------------------------------------------------------------------------------------------------------

_WICKED = ["<script>alert(1)</script>", "a | b", "*x* _y_ `z`", "[a](b)", "&lt;", '"quoted"', "# head", "1. one",
           "- item", "``x``", "a\nb", "~~x~~", "\\"]  # fmt: skip


@pytest.mark.parametrize("text", _WICKED)
def test_whatever_stands_in_a_table_is_text_on_the_page(text: str) -> None:
    page = Page("x", text)
    page.heading(2, text, "a")
    page.paragraph(text)
    page.bullets([line(text), line(Code(text)), line(Japanese(text)), line(Strong(text))])
    page.table(text, [text, "second"], [row(text, Code(text)), row(Link("#a", text), Link("other#b", Code(text)))])
    page.blocks.append(Listing(text))
    root = ElementTree.fromstring(html(page).removeprefix("<!DOCTYPE html>\n"))
    assert root.find(".//script") is None
    assert "".join(root.find("body/main/p").itertext()) == text  # type: ignore[union-attr]
    rendered = MarkdownIt().enable("table").render(markdown(page))
    assert "<script>" not in rendered
    assert rendered.count("<tr>") == 3  # a bar in a cell does not make another
    assert rendered.count("<td") == 4
    assert rendered.count("<h1") == rendered.count("<h2") == 1
    assert rendered.count("<li>") == 4
    assert f"<p>{_escaped(text)}</p>" in rendered


def _escaped(text: str) -> str:
    flat = " ".join(text.split("\n"))
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=30))
def test_any_text_survives_markdown(text: str) -> None:
    page = Page("x", "x")
    page.table("t", ["a"], [row(text.strip() or "x")])
    rendered = MarkdownIt().enable("table").render(markdown(page))
    cell = re.search(r"<td>(.*?)</td>", rendered, re.DOTALL)
    assert cell is not None
    assert cell[1] == _escaped(text.strip() or "x")


def test_lists_are_joined_as_people_do() -> None:
    parts = [("a",), ("b",), ("c",)]
    assert "".join(joined(parts, ", ", " and ")) == "a, b and c"  # type: ignore[arg-type]
    assert joined([], ", ") == ()
    assert joined([("a",), ("b",)], Break()) == ("a", Break(), "b")
    page = Page("x", "x")
    page.bullets([])
    page.paragraph("")
    page.table("t", ["a"], [])
    assert page.blocks == []
    page.bullets([line("a")])
    assert page.blocks == [Bullets((("a",),))]


# The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "pages")
    assert main(["map", "docs", "--out", out, "--check"]) == 1
    assert "table-0x027E.md: is missing" in capsys.readouterr().err
    assert main(["map", "docs", "--out", out, "--format", "both"]) == 0
    assert main(["map", "docs", "--out", out, "--format", "both", "--check"]) == 0
    (tmp_path / "pages" / "codes.html").write_text("x")
    (tmp_path / "pages" / "old.md").write_text("x")
    capsys.readouterr()
    assert main(["map", "docs", "--out", out, "--format", "both", "--check"]) == 1
    told = capsys.readouterr().err
    assert "codes.html: is not current" in told
    assert "old.md: nothing makes it any more" in told


def test_a_single_file_gets_a_single_page(tmp_path: Path) -> None:
    copied = tmp_path / "mine.yaml"
    copied.write_text((ROOT / "mappings/tables/0x0288.yaml").read_text().replace("Low-voltage", "My own <b>"))
    assert main(["map", "docs", str(copied), "--out", str(tmp_path / "out"), "--format", "html"]) == 0
    (made,) = (tmp_path / "out").iterdir()
    assert made.name == "table-0x0288.html"
    assert "My own &lt;b&gt;" in made.read_text()
    assert "mine.yaml:" in made.read_text()


def test_only_the_codes(tmp_path: Path) -> None:
    assert main(["map", "docs", "--codes", "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["codes.md"]
    assert main(["map", "docs", "--codes", "--out", str(tmp_path), "--check"]) == 0


def test_broken_mappings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = tmp_path / "mine.yaml"
    copied.write_text(
        (ROOT / "mappings/tables/0x0288.yaml").read_text().replace("maxProperties: 4", "maxProperties: 0")
    )
    assert main(["map", "docs", str(copied), "--out", str(tmp_path / "out")]) == 1
    assert f"{copied}:6:16: OUT-OF-RANGE" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
