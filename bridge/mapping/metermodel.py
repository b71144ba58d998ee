"""What the table of a class that is only read may contain (`kind: meter`), as pydantic models.

A meter has no setpoints and no rows: it says which property measures what, by which other properties it is scaled, and
where the circuits of a distribution board are found.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bridge.mapping.model import NUMBERED, ClassCode, Duration, Name, Strict, Version

#: A property's name, perhaps with the channel's number left open.
Numbered = Annotated[str, Field(pattern=NUMBERED)]


class MeterSourceModel(Strict):
    """Where a measure is read.

    `property`: one value; with `#` in its name, the property of the channel's number. `list`: the channel's item in a
    list. `field`: a part of a structure; `sum` or `mean`: several parts, those that tell. `times`: properties that
    scale it; one that is `optional` counts as 1 where the object does not offer it. `digits`: the property that says
    how many digits count. `range`: the property by which the channels of a list are chosen.
    """

    value: Numbered | None = Field(None, alias="property")
    items: Name | None = Field(None, alias="list")
    chosen_by: Name | None = Field(None, alias="range")
    part: Name | None = Field(None, alias="field")
    sum_of: list[Name] | None = Field(None, alias="sum")
    mean_of: list[Name] | None = Field(None, alias="mean")
    times: dict[Name, Literal["required", "optional"]] = Field(default_factory=dict)
    digits: Name | None = None


Sources = list[MeterSourceModel]


class MeterMeasuresModel(Strict):
    """What is measured, by sources in order. Plus is drawn from the grid."""

    power: Sources = Field(default_factory=list)
    current: Sources = Field(default_factory=list)
    voltage: Sources = Field(default_factory=list)
    energy_in: Sources = Field(default_factory=list, alias="energyIn")
    energy_out: Sources = Field(default_factory=list, alias="energyOut")


class ChannelsOfModel(Strict):
    """What a board measures of one circuit, in one direction or in both."""

    simplex: MeterMeasuresModel | None = None
    duplex: MeterMeasuresModel | None = None


class MeterPollModel(Strict):
    """Properties read in one request (of those with `#` only the channel's), and how often."""

    read: list[Numbered] = Field(min_length=1)
    active: Duration
    idle: Duration
    announced: Duration


class MeterExampleModel(Strict):
    """An example, which is a test."""

    name: str | None = None
    given: list[str | dict[str, Any]]
    channel: int | None = Field(None, ge=1, le=252)
    duplex: bool = False
    expect: dict[str, Any] = Field(min_length=1)


class MeterTableModel(Strict):
    """A table file of a meter."""

    mapping: Version
    kind: Literal["meter"]
    class_code: ClassCode = Field(alias="class")
    title: str = ""
    max_properties: int = Field(alias="maxProperties", ge=1, le=255)
    release: Name
    attributes: list[list[Name]]
    measures: MeterMeasuresModel
    channels: ChannelsOfModel | None = None
    polling: dict[Name, MeterPollModel]
    examples: list[MeterExampleModel] = Field(default_factory=list)
