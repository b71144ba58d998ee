"""The page of all codes of errors."""

from __future__ import annotations

from typing import Final

from bridge.authoring.page import Code, Page, row
from bridge.mapping.codes import CODES, Subject

CODES_PAGE: Final = "codes"


def codes_page() -> Page:
    """What each code means, with an example and the mend; by subject, then by name."""
    page = Page(CODES_PAGE, "Codes of errors")
    page.paragraph(
        "A message about a file reads ", Code("file:line:column: CODE message"), ". Lines and columns count from 1. "
        "The codes stay; the words of a message may change. All mistakes of all files are told at once.",
    )  # fmt: skip
    for subject in Subject:
        rows = [
            row(Code(name), each.meaning, Code(each.example), each.mend, anchor=name)
            for name, each in sorted(CODES.items())
            if each.subject is subject
        ]
        if rows:
            page.heading(2, str(subject), subject.name.lower())
            page.table(str(subject), ("Code", "Meaning", "Example", "Mend"), rows)
    return page
