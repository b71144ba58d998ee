"""The page of a dictionary: all properties of a class."""

from __future__ import annotations

from bridge.authoring.docsproperties import add_properties
from bridge.authoring.page import Code, Japanese, Link, Page
from bridge.authoring.phrases import release_text
from bridge.echonet.dictionary import RELEASES, DeviceClass


def devices_page(device: DeviceClass, name: str, parent: str | None) -> Page:
    """The page of a class. `parent`: the page of the class above it."""
    page = Page(name, f"Properties of 0x{device.code:04X}, {device.name_en}")
    known = "".join(letter for letter in RELEASES if letter in device.releases)
    page.paragraph(
        f"What the Appendix says of class 0x{device.code:04X} (", Japanese(device.name_ja),
        f"), in Release {release_text(known)}. In tables it is called ", Code(device.name), ".",
    )  # fmt: skip
    if device.parent is not None and parent is not None:
        label = f"0x{device.parent.code:04X}, {device.parent.name_en}"
        page.paragraph("It has the properties of ", Link(parent, label), " too, but for those that it defines itself.")
    page.heading(2, "Properties", "properties")
    add_properties(page, device, None, "Its own properties")
    return page
