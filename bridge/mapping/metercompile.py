"""From a meter table's model to a `CompiledMeter`: every name, part and unit is checked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.metering import ChannelListCodec, ScaleCodec
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, StructCodec
from bridge.mapping.decision import PollGroup
from bridge.mapping.meter import ChannelRange, Circuit, CompiledMeter, MeterSourceOf
from bridge.mapping.metermodel import MeterMeasuresModel, MeterSourceModel, MeterTableModel
from bridge.mapping.model import NUMBER
from bridge.mapping.yamlfile import Document, Path_, Problems, nearest

#: What each measure is counted in, in thousandths.
_UNITS: Final[Mapping[str, str]] = {"power": "W", "current": "A", "voltage": "V", "energy_in": "Wh", "energy_out": "Wh"}
_CHANNELS: Final = range(1, 253)


def compile_meter_table(
    document: Document, model: MeterTableModel, device: DeviceClass, content_hash: str, problems: Problems
) -> CompiledMeter | None:
    """The compiled table; None if there are mistakes, which stand in `problems` then."""
    before = len(problems.found)
    compiled = _MeterCompiler(document, model, device, problems).table(content_hash)
    return compiled if len(problems.found) == before else None


class _MeterCompiler:
    def __init__(self, document: Document, model: MeterTableModel, device: DeviceClass, problems: Problems) -> None:
        self.document = document
        self.model = model
        self.device = device
        self.problems = problems
        self.codecs = {prop.name: prop.codec for prop in device.all_properties}

    def table(self, content_hash: str) -> CompiledMeter:
        model = self.model
        channels = model.channels
        return CompiledMeter(
            class_code=int(model.class_code, 16),
            content_hash=content_hash,
            max_opc=model.max_properties,
            attributes=tuple(self._bounded(names, ("attributes", i)) for i, names in enumerate(model.attributes)),
            device=self.device,
            release_epc=self._epc(model.release, ("release",)),
            whole=self._circuit(model.measures, ("measures",), numbered=False),
            simplex=self._channels(channels.simplex if channels else None, "simplex"),
            duplex=self._channels(channels.duplex if channels else None, "duplex"),
            poll_groups=self._polls(),
        )

    def _channels(self, model: MeterMeasuresModel | None, kind: str) -> Circuit | None:
        return None if model is None else self._circuit(model, ("channels", kind), numbered=True)

    def _circuit(self, model: MeterMeasuresModel, path: Path_, *, numbered: bool) -> Circuit:
        found: dict[str, tuple[MeterSourceOf, ...]] = {}
        for name, info in type(model).model_fields.items():
            sources: Sequence[MeterSourceModel] = getattr(model, name)
            where = (*path, info.alias or name)
            compiled = (self._source(s, (*where, i), _UNITS[name], numbered) for i, s in enumerate(sources))
            found[name] = tuple(source for source in compiled if source is not None)
        return found

    def _source(self, model: MeterSourceModel, path: Path_, unit: str, numbered: bool) -> MeterSourceOf | None:
        name = model.items or model.value
        if name is None or (model.items is not None and model.value is not None):
            said = "none of them" if name is None else "both"
            self._wrong(path, "SOURCE", f'a source has one of "property" and "list", not {said}')
            return None
        each = name.endswith(NUMBER)
        if numbered != (each or model.items is not None):
            text = f'"{name}" is of one circuit' if not numbered else f'"{name}" does not depend on the channel'
            self._wrong(path, "SOURCE", f"{text}: under channels stand lists and names with {NUMBER}")
            return None
        key = "list" if model.items is not None else "property"
        by_channel = self._numbered(name) if each else {}
        first = name.replace(NUMBER, "1")
        epc = self._epc(first, (*path, key))
        if epc < 0:
            return None
        codec = self._item_codec(self.codecs[first], model, (*path, key))
        parts = self._parts(codec, model, path, unit) if codec is not None else ()
        return MeterSourceOf(
            name=name,
            epc=epc,
            by_channel=by_channel,
            listed=model.items is not None,
            chosen_by=self._range(model, path),
            parts=parts,
            mean=model.mean_of is not None,
            times=tuple(self._factor(n, word, (*path, "times", n)) for n, word in model.times.items()),
            digits=self._epc(model.digits, (*path, "digits")) if model.digits else None,
        )

    def _numbered(self, name: str) -> dict[int, int]:
        """The property of each channel that has one."""
        names = {channel: name.replace(NUMBER, str(channel)) for channel in _CHANNELS}
        found = {channel: self.device.epc_of(each) for channel, each in names.items()}
        return {channel: epc for channel, epc in found.items() if epc is not None}

    def _item_codec(self, codec: Codec, model: MeterSourceModel, path: Path_) -> Codec | None:
        if model.items is None:
            return codec
        if not isinstance(codec, ChannelListCodec):
            self._wrong(path, "SOURCE", f'"{model.items}" is no list of channels')
            return None
        return codec.item

    def _parts(self, codec: Codec, model: MeterSourceModel, path: Path_, unit: str) -> tuple[str, ...]:
        given = {"field": [model.part] if model.part else None, "sum": model.sum_of, "mean": model.mean_of}
        chosen = [(key, names) for key, names in given.items() if names]
        if len(chosen) > 1:
            self._wrong(path, "SOURCE", 'a source has at most one of "field", "sum" and "mean"')
        if not chosen:
            self._check_unit(codec, unit, path, model.items or model.value)
            return ()
        key, names = chosen[0]
        fields = dict(codec.fields) if isinstance(codec, StructCodec) else {}
        for index, name in enumerate(names):
            where = (*path, key) if key == "field" else (*path, key, index)
            if name not in fields:
                self._wrong(where, "UNKNOWN-NAME", f'there is no part "{name}"{nearest(name, fields)}')
            else:
                self._check_unit(fields[name], unit, where, name)
        return tuple(names)

    def _check_unit(self, codec: Codec, unit: str, path: Path_, name: str | None) -> None:
        options = codec.options if isinstance(codec, OneOfCodec) else (codec,)
        if not any(isinstance(o, IntegerCodec) and o.unit.removeprefix("k") == unit for o in options):
            self._wrong(path, "UNIT", f'"{name}" is not in {unit}')

    def _range(self, model: MeterSourceModel, path: Path_) -> ChannelRange | None:
        if model.chosen_by is None:
            return None
        epc = self._epc(model.chosen_by, (*path, "range"))
        if epc < 0:
            return None
        codec = self.codecs[model.chosen_by]
        counts = codec.fields[1][1] if isinstance(codec, StructCodec) and len(codec.fields) == 2 else None
        options = counts.options if isinstance(counts, OneOfCodec) else ()
        most = max((o.maximum for o in options if isinstance(o, IntegerCodec)), default=0)
        if most < 1 or not any(p.set.possible for p in self.device.all_properties if p.name == model.chosen_by):
            self._wrong((*path, "range"), "SOURCE", f'"{model.chosen_by}" does not choose channels')
        return ChannelRange(epc, model.chosen_by, most)

    def _factor(self, name: str, word: str, path: Path_) -> tuple[int, bool]:
        epc = self._epc(name, path, at_key=True)
        codec = self.codecs.get(name)
        if epc >= 0 and not (isinstance(codec, ScaleCodec) or (isinstance(codec, IntegerCodec) and not codec.unit)):
            self._wrong(path, "UNIT", f'"{name}" is no factor', at_key=True)
        return epc, word == "required"

    def _polls(self) -> tuple[PollGroup, ...]:
        found = []
        for name, group in self.model.polling.items():
            path: Path_ = ("polling", name, "read")
            plain = self._bounded([name for name in group.read if not name.endswith(NUMBER)], path)
            numbered = [self._numbered(name) for name in group.read if name.endswith(NUMBER)]
            if not all(numbered) or len(plain) + len(numbered) > self.model.max_properties:
                self._wrong(path, "TOO-MANY", f"names with {NUMBER} need properties, and room in the request")
            epcs = (*plain, *(epc for each in numbered for epc in each.values()))
            found.append(PollGroup(name, epcs, group.active, group.idle, group.announced))
        return tuple(found)

    def _bounded(self, names: Sequence[str], path: Path_) -> tuple[int, ...]:
        if len(names) > self.model.max_properties:
            text = f"{len(names)} properties are more than a request may hold ({self.model.max_properties})"
            self._wrong(path, "TOO-MANY", text)
        return self._epcs(names, path)

    def _epcs(self, names: Iterable[str], path: Path_) -> tuple[int, ...]:
        return tuple(self._epc(name, (*path, index)) for index, name in enumerate(names))

    def _epc(self, name: str, path: Path_, *, at_key: bool = False) -> int:
        epc = self.device.epc_of(name)
        if epc is None:
            text = f'class 0x{self.device.code:04X} has no "{name}"{nearest(name, self.codecs)}'
            self._wrong(path, "UNKNOWN-PROPERTY", text, at_key=at_key)
            return -1
        return epc

    def _wrong(self, path: Path_, code: str, message: str, *, at_key: bool = False) -> None:
        self.problems.add(self.document, path, code, message, at_key=at_key)
