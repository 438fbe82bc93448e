"""The JSON Schema says what the reader takes: every shipped ladder validates, and whatever breaks form does not."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from hotline import ladders
from mediation.ladder_form import read_form
from mediation.rules import LadderFile
from mediation.schema import fields, schema, structures
from tests.mediation.play import DATA

SCHEMA = schema()
KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items", "maxItems",
    "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "propertyNames", "required",
    "title", "type",
}  # fmt: skip
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def faults(value: Any, rule: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What is wrong with ``value``, by the words of JSON Schema that the schema uses and by no others."""
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    if "$ref" in rule:
        yield from faults(value, SCHEMA["$defs"][rule["$ref"].removeprefix("#/$defs/")], at)
        return
    if "anyOf" in rule:
        if all(any(True for _ in faults(value, each, at)) for each in rule["anyOf"]):
            yield f"{at}: none of anyOf"
        return
    kind = rule.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: not {kind}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: not in enum"
    if isinstance(value, str):
        yield from _text(value, rule, at)
    if isinstance(value, int) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        yield f"{at}: out of range"
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            yield f"{at}: number of items"
        for index, item in enumerate(value):
            yield from faults(item, rule.get("items", {}), f"{at}[{index}]")
    if isinstance(value, dict):
        yield from (f"{at}: no {name}" for name in rule.get("required", ()) if name not in value)
        rest = rule.get("additionalProperties", {})
        for name, item in value.items():
            yield from faults(name, rule.get("propertyNames", {}), f"{at} name {name}")
            inner = rule.get("properties", {}).get(name, rest)
            if inner is False:
                yield f"{at}: unknown {name}"
            elif isinstance(inner, dict):
                yield from faults(item, inner, f"{at}.{name}")


def _text(value: str, rule: dict[str, Any], at: str) -> Iterator[str]:
    if not rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value)):
        yield f"{at}: length"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        yield f"{at}: pattern"


TOP = {key: value for key, value in SCHEMA.items() if key not in ("$schema", "$defs")}


@pytest.mark.parametrize("name", ladders.shipped())
def test_every_shipped_ladder_validates(name: str) -> None:
    assert list(faults(tomllib.loads(ladders.load(name).decode()), TOP)) == []


def broken(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    raw = copy.deepcopy(tomllib.loads(DATA.decode()))
    change(raw)
    return raw


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("id"),
        lambda raw: raw.update(format=2),
        lambda raw: raw.update(extra=1),
        lambda raw: raw["rung"][0].update(level=100),
        lambda raw: raw["rung"][0].update(level=True),
        lambda raw: raw["rung"][0].update(title=""),
        lambda raw: raw.update(rung=raw["rung"][:1]),
        lambda raw: raw["step"][0].update(direction="sideways"),
        lambda raw: raw["step"][0].update(id="no spaces"),
        lambda raw: raw["step"][0].update(who=[]),
        lambda raw: raw["step"][0].update(seconded_by={"count": 3}),
        lambda raw: raw["step"][0].update(seconded_by={"role": "others", "fraction": "most"}),
        lambda raw: raw["clock"][0].update(check="Z"),
        lambda raw: raw["clock"][0].update(timeout="L2"),
        lambda raw: raw["clock"][0].update(tracks={"urgent": 5}),
        lambda raw: raw["kinds"]["close"].pop("who"),
        lambda raw: raw["limits"].update(stations=0) if "limits" in raw else raw.update(limits={"stations": 0}),
    ],
    ids=range(17),
)
def test_what_the_reader_refuses_for_its_form_the_schema_refuses_too(
    change: Callable[[dict[str, Any]], object],
) -> None:
    raw = broken(change)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, LadderFile, strict=True)
    assert list(faults(raw, TOP))


def test_the_schema_has_every_field_of_the_language_and_no_other() -> None:
    found = {struct.__name__: struct for struct in structures(LadderFile)}
    assert SCHEMA["$defs"].keys() == found.keys()
    for name, struct in found.items():
        described = SCHEMA["$defs"][name]
        assert described["properties"].keys() == fields(struct).keys()
        required = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
        assert set(described.get("required", ())) == required


def test_the_reader_reads_what_validates() -> None:
    _, file, errors = read_form(DATA)
    assert file is not None
    assert errors == ()
