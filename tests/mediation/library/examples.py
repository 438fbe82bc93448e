"""The smallest act of any kind, made from its type alone, so that a new kind needs no line here."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from protocols.kinds import KINDS, Act


@cache
def example(kind: str) -> Act:
    """An act of that kind whose every reference leads nowhere."""
    act: Act = msgspec.convert(_least(inspect.type_info(KINDS[kind].act)), KINDS[kind].act)
    return act


def _least(info: inspect.Type) -> Any:
    match info:
        case inspect.StructType(fields=fields):
            return {field.encode_name: _least(field.type) for field in fields if field.required}
        case inspect.StrType(min_length=length, pattern=pattern):
            # An id has a length; an office is written in capitals, a code in small letters.
            words = ("A" * (length or 1), "MD", "none")
            return next(word for word in words if re.match(pattern or "", word))
        case inspect.IntType(ge=least):
            return least or 0
        case inspect.BoolType():
            return True
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.TupleType(item_types=items):
            return [_least(item) for item in items]
        case inspect.VarTupleType(item_type=item, min_length=length):
            return [_least(item)] * (length or 0)
    raise AssertionError(f"an act has a field of a form that no example is made for: {info}")
