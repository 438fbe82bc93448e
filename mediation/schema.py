"""The ladder language described from its own code: each field in a sentence, and the whole as JSON Schema 2020-12.

The sentences stand once, in the docstrings of `mediation.rules`, as a list of "- ``field``: what it means"; the reference
page and the schema (for editors that check and complete TOML) are made from them.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from mediation.rules import LadderFile, Rule

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
_FIELD = re.compile(r"^- ((?:``\w+``(?:, )?)+): ", re.MULTILINE)


def schema() -> dict[str, Any]:
    """The JSON Schema of a ladder file, with every structure's and field's description. What goes beyond form (references,
    contradictions) only `mediation.checker.check` finds."""
    (found,), components = msgspec.json.schema_components((LadderFile,), ref_template="#/$defs/{name}")
    structs = {struct.__name__: struct for struct in structures(LadderFile)}
    for name, struct in structs.items():
        _described(components[name], struct)
    return {
        "$schema": SCHEMA_ID,
        "title": "Ladder",
        **found,
        "$defs": _portable(components),
    }


def intro(struct: type[msgspec.Struct]) -> str:
    """What a structure is, without its fields' sentences."""
    return _parts(struct)[0]


def fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Each field's sentence by the name it has in the file; "" for one whose docstring says nothing about it."""
    said = _parts(struct)[1]
    return {field.encode_name: said.get(field.name, "") for field in msgspec.structs.fields(struct)}


def _parts(struct: type[msgspec.Struct]) -> tuple[str, dict[str, str]]:
    own, said = _split(struct)
    return own, {**_split(Rule)[1], **said} if issubclass(struct, Rule) else said


def _split(struct: type[msgspec.Struct]) -> tuple[str, dict[str, str]]:
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    first, *pieces = _FIELD.split(inspect.cleandoc(struct.__doc__ or ""))
    said = {}
    for named, sentence in zip(pieces[::2], pieces[1::2], strict=True):
        for name in re.findall(r"``(\w+)``", named):
            said[name] = _sentence(sentence, names)
    return _sentence(first, names), said


def _sentence(text: str, names: dict[str, str]) -> str:
    """A docstring's words as the file's author reads them: fields by their names in the file, on one line, a capital."""
    for name, written in names.items():
        text = text.replace(f"``{name}``", f"`{written}`")
    text = " ".join(text.replace("``", "`").split())
    return text[:1].upper() + text[1:]


def structures(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """``struct`` and every structure its fields are made of."""
    found: dict[str, type[msgspec.Struct]] = {}

    def visit(kind: Any) -> None:
        if isinstance(kind, msgspec.inspect.StructType) and kind.cls.__name__ not in found:
            found[kind.cls.__name__] = kind.cls
            for field in kind.fields:
                visit(field.type)
        for part in ("item_type", "key_type", "value_type", "types"):
            inner = getattr(kind, part, None)
            for each in inner if isinstance(inner, tuple) else (inner,):
                if each is not None:
                    visit(each)

    visit(msgspec.inspect.type_info(struct))
    return list(found.values())


def _described(component: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    component["description"] = intro(struct)
    for name, sentence in fields(struct).items():
        if sentence:
            component["properties"][name] = {**component["properties"][name], "description": sentence}


def _portable(value: Any) -> Any:
    """Patterns as JSON Schema knows them (ECMA-262), which has no ``\\Z``."""
    if isinstance(value, dict):
        return {
            name: inner.replace(r"\Z", "$") if name == "pattern" and isinstance(inner, str) else _portable(inner)
            for name, inner in value.items()
        }
    return [_portable(inner) for inner in value] if isinstance(value, list) else value
