"""What a proof finds: which law is broken, where in which file, and the situation that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.yamlfile import Path_


@dataclass(frozen=True)
class Finding:
    """A broken law.

    `path` is the line to mend, `others` are the rows that have to do with it; `places` is the counter-example, a value
    for each variable of the table's space (None where there is none: a law about the file alone). `matters` are the
    variables without whose value it would be none; `mend` says what may be done. `given` is the counter-example in the
    words of examples, where numbers matter that the space does not hold.
    """

    code: str
    path: Path_
    text: str
    places: tuple[int, ...] | None = None
    others: tuple[Path_, ...] = ()
    mend: str = ""
    matters: tuple[int, ...] = ()
    given: tuple[Any, ...] = ()


#: A law looks at what a table means, and finds where it is broken.
Law: TypeAlias = Callable[[Meaning], Iterable[Finding]]
