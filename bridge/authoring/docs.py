"""All pages of a set of mappings: tables, meters, dictionaries, error codes, and a page that leads to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from bridge.authoring.codepage import CODES_PAGE, codes_page
from bridge.authoring.docsdevices import devices_page
from bridge.authoring.docsmeter import meter_page
from bridge.authoring.docsoverlay import overlay_name
from bridge.authoring.docstable import table_page
from bridge.authoring.page import Line, Link, Page, line
from bridge.authoring.pagehtml import html
from bridge.authoring.pagemarkdown import markdown
from bridge.echonet.dictionary import DeviceClass
from bridge.mapping.load import Mappings

#: How a page is written, by the ending of its file.
FORMATS: Final[Mapping[str, Callable[[Page], str]]] = {"md": markdown, "html": html}
INDEX: Final = "README"
#: The parts of the page that leads to the others, by how the names of pages begin.
_PARTS: Final = {"table": "Tables", "overlay": "Overlays", "devices": "Dictionaries"}


def pages(mappings: Mappings, asked: Collection[str] | None = None) -> list[Page]:
    """A page each. `asked`: only for these files."""

    def wanted(file: str) -> bool:
        return asked is None or file in asked

    found = [table_page(each, table_name(each.table.class_code)) for each in mappings.sources
             if wanted(each.document.file)]  # fmt: skip
    found += [meter_page(each, table_name(each.table.class_code)) for each in mappings.meter_sources
              if wanted(each.document.file)]  # fmt: skip
    found += [table_page(each, overlay_name(each)) for each in mappings.overlay_sources if wanted(each.own.file)]
    whole = asked is None or any("/devices/" in file for file in asked)
    if whole:
        found += [_devices(device) for code, device in sorted(mappings.classes.items())]
    return sorted(found, key=lambda page: page.name)


def _devices(device: DeviceClass) -> Page:
    parent = devices_name(device.parent.code) if device.parent is not None else None
    return devices_page(device, devices_name(device.code), parent)


def table_name(class_code: int) -> str:
    """The name of a table's page."""
    return f"table-0x{class_code:04X}"


def devices_name(class_code: int) -> str:
    """The name of a dictionary's page."""
    return f"devices-0x{class_code:04X}"


def index_page(all_pages: Iterable[Page]) -> Page:
    """The page that leads to the others."""
    page = Page(INDEX, "Mapping tables")
    page.paragraph(
        "What the gateway says in OCPP about a unit on ECHONET Lite, and what it does to the unit when a CSMS asks: "
        "a page for each table, made from the table itself."
    )
    links: dict[str, list[Line]] = {title: [] for title in _PARTS.values()}
    for each in all_pages:
        links[_PARTS[each.name.partition("-")[0]]].append(line(Link(each.name, each.title)))
    for title, items in links.items():
        if items:
            page.heading(2, title, title.lower())
            page.bullets(items)
    page.heading(2, "Errors", "errors")
    page.bullets([line(Link(CODES_PAGE, "All codes of errors"), ": what they mean, and the mend")])
    return page


def texts(all_pages: Iterable[Page], formats: Collection[str]) -> dict[str, str]:
    """The contents of the files by their names."""
    return {f"{page.name}.{ending}": FORMATS[ending](page) for page in all_pages for ending in sorted(formats)}


def everything(mappings: Mappings, formats: Collection[str]) -> dict[str, str]:
    """All pages of a whole folder, with the page that leads to them and that of the codes."""
    found = pages(mappings)
    return texts([index_page(found), *found, codes_page()], formats)
