"""A store's file as a bad disk leaves it: some of its pages are overwritten, all else is as it was."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

PAGE = 4096


def pages_of(content: bytes) -> int:
    """How many pages there are."""
    return len(content) // PAGE


def damage(content: bytes, pages: Collection[int], chance: Random) -> bytes:
    """The file with each of these pages (the first is 0) overwritten: by noise, by zeros, by another, or in part."""
    broken = bytearray(content)
    for page in sorted(pages):
        how, place = chance.choice(("noise", "zeros", "another", "part")), slice(page * PAGE, (page + 1) * PAGE)
        if how == "noise":
            broken[place] = chance.randbytes(PAGE)
        elif how == "zeros":
            broken[place] = bytes(PAGE)
        elif how == "another":
            other = chance.randrange(pages_of(content))
            broken[place] = content[other * PAGE : (other + 1) * PAGE]
        else:
            first = page * PAGE + chance.randrange(PAGE // 2)
            broken[first : first + PAGE // 2] = chance.randbytes(PAGE // 2)
    return bytes(broken)
