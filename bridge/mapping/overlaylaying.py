"""Lays one overlay over its table, or over what its parent makes of it.

A module of its own, as a gateway whose units are like their class never does so.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from bridge.echonet.dictionary import DeviceClass
from bridge.mapping.compile import compile_table
from bridge.mapping.identity import identity_of
from bridge.mapping.layered import Layered, Node, Place, flatten, tree
from bridge.mapping.logic import Node as Condition
from bridge.mapping.model import TableModel
from bridge.mapping.overlay import Base, OverlaySource
from bridge.mapping.overlaychanges import Changes
from bridge.mapping.overlayheader import Header
from bridge.mapping.overlaymodel import OverlayModel
from bridge.mapping.overlayproperties import class_with
from bridge.mapping.yamlfile import Document, Path_, Problem, Problems, check

#: What an overlay has of its own, instead of what its parent has.
_OWN = ("examples", "replays")


class Laying:
    """Lays one overlay over what is below it."""

    def __init__(
        self,
        below: Base | OverlaySource,
        header: Header,
        own: Document,
        model: OverlayModel,
        problems: Problems,
    ) -> None:
        self._below = below
        self._header = header
        self._own = own
        self._model = model
        self._problems = problems
        self._document = below.document() if isinstance(below, Base) else below.document

    def source(self) -> OverlaySource | None:
        """The table, or None if there are mistakes."""
        self._check_match()
        device = class_with(self._below.table.device, self._own, self._model, self._problems)
        layered = self._layered()
        if self._problems.found:
            return None
        found: list[Problem] = []
        source = self._compiled(layered, device, found)
        self._problems.found += [self._explained(problem) for problem in found]
        return source

    def _check_match(self) -> None:
        """Each key must be one that the table below can tell of a unit."""
        for name in self._header.match.keys:
            if name != "release" and getattr(self._below.identity, name) is None:
                key = "productCode" if name == "product_code" else name
                text = f'no property of this class is said to tell it: "identity.{key}" is missing from the table'
                self._problems.add(self._own, ("match", key), "OVERLAY-MATCH", text)

    def _layered(self) -> Layered:
        root, own = tree(self._document), tree(self._own)
        if not (self._model.changes or self._model.properties or self._model.replays):
            text = "it changes nothing: it has neither changes nor properties, nor a dump that is replayed"
            self._problems.add(self._own, ("id",), "OVERLAY-EMPTY", text)
        Changes(self._own, own, root, self._problems).make(self._model.changes)
        line, column = self._own.position(("changes",))
        root.at = Place(self._own.file, line, column)
        for key in _OWN:
            root.value[key] = own.value.get(key) or Node([], root.at)
        if "title" in own.value:
            root.value["title"] = own.value["title"]
        below = self._document
        texts = below.texts if isinstance(below, Layered) else {below.file: below.text}
        return flatten(root, self._own.file, {**texts, self._own.file: self._own.text})

    def _compiled(self, layered: Layered, device: DeviceClass, found: list[Problem]) -> OverlaySource | None:
        problems = Problems()
        nodes: dict[Path_, Condition] = {}
        model = check(layered, TableModel, problems)
        table = None
        if model is not None:
            identity = identity_of(layered, model.identity, device, problems)
            table = compile_table(layered, model, device, self._hash(), problems, nodes)
        found += problems.found
        if model is None or table is None or problems.found:
            return None
        below = self._below
        chain = below.chain if isinstance(below, OverlaySource) else ()
        files = below.files if isinstance(below, OverlaySource) else (below.file,)
        return OverlaySource(
            table,
            model,
            layered,
            nodes,
            header=self._header,
            overlay=self._model,
            own=self._own,
            identity=identity,
            chain=(*chain, self._header.id),
            files=(*files, self._own.file),
        )

    def _explained(self, problem: Problem) -> Problem:
        """A mistake that shows in another file is still this overlay's."""
        if problem.file == self._own.file:
            return problem
        text = f'{problem.message} (with the overlay "{self._header.id}", {self._own.file})'
        return replace(problem, message=text)

    def _hash(self) -> str:
        """Of all that the table is made of."""
        parts = f"{self._below.table.content_hash}\n{self._own.text}"
        return hashlib.sha256(parts.encode()).hexdigest()[:16]
