"""Which keys a pydantic model knows at a path: for naming the nearest one where a key is misspelt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel


def names_at(model: type[BaseModel], path: Iterable[str | int]) -> set[str]:
    """The keys (aliases) of all models that may stand at a path of a document."""
    models = [model]
    for step in path:
        models = list(_below(models, step))
    return {_key(name, info) for known in models for name, info in known.model_fields.items()}


def _key(name: str, info: Any) -> str:
    return info.alias or name


def _below(models: list[type[BaseModel]], step: str | int) -> Iterable[type[BaseModel]]:
    """The models one step further down; a step that no model knows (a list's index, a dict's key) stays."""
    found: list[type[BaseModel]] = []
    for known in models:
        for name, info in known.model_fields.items():
            if _key(name, info) == step:
                found.extend(_models_in(info.annotation))
    return found or models


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in get_args(annotation):
        yield from _models_in(part)
