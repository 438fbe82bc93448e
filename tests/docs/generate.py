"""Renders the generated pages of ``docs/reference``. Pure text in, text out; `tests.docs.__main__` writes the files."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
import typing
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

import hotline
import protocols
from hotline import ladders
from hotline.errors import HotlineError
from mediation.drawing import svg
from mediation.ladder import parse_ladder
from mediation.schema import schema
from protocols import frames
from protocols.attachment import ATTACHMENTS
from protocols.errors import ProtocolError
from protocols.kinds import KINDS, Act, Author, Empty
from tests.docs.commands import commands
from tests.docs.default_ladder import PICTURE, default_ladder
from tests.docs.ladders import ladder_language
from tests.docs.library import library
from tests.docs.settings import settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MARK = "<!-- Written by `python -m tests.docs` from the code. Do not edit. -->\n"

_AUTHORS = {
    Author.OFFICER: "an officer, with the station",
    Author.STATION: "the station alone",
    Author.HUB: "the hub",
}
_TYPES = {
    "Id": "id (43 characters)",
    "ThreadId": "thread id (22 characters)",
    "OfficeId": "office id",
    "Code": "code, as `entry.digest-mismatch`",
    "Name": "name",
    "Text": "text, at most 200 characters",
    "Nonce": "nonce (43 characters)",
    "Ref": "whole number, 0 to 2^53",
    "Millis": "ms UTC",
    "AnswerState": "`answered`, `refused` or `later`",
    "Member": "[Member](#member)",
    "Portion": "[Portion](#portion)",
    "Recipient": "`court`, `arbitrator`, `investigator`, `legislature`, `public` or `other`",
    "Scope": "[Scope](#scope)",
    "bytes": "bytes",
    "str": "text",
    "int": "whole number",
    "bool": "true or false",
}


@cache
def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    return {
        REFERENCE / "kinds.md": kinds(),
        REFERENCE / "frames.md": frame_tables(),
        REFERENCE / "refusals.md": refusals(),
        REFERENCE / "cli.md": _joined([MARK, *commands()]),
        REFERENCE / "settings.md": _joined([MARK, *settings()]),
        REFERENCE / "ladder.md": _joined([MARK, *ladder_language()]),
        REFERENCE / "default-ladder.md": _joined([MARK, *default_ladder()]),
        REFERENCE / "ladder.schema.json": msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n",
        **{REFERENCE / "ladders" / name: _joined([MARK, *lines]) for name, lines in library().items()},
        ROOT / "docs" / "images" / PICTURE: svg(parse_ladder(ladders.load("cpci-default"))),
    }


def kinds() -> str:
    """The catalogue of kinds and their acts."""
    lines = [
        MARK,
        "# Kinds",
        "",
        "Every entry is of one of these kinds. The *act* is its readable part; the *fields* are what its sealed body may",
        "hold (those in bold it must hold). Which kind may be sent when is the ladder's business, but for those marked",
        "**always**: they pass on every rung and in every standstill. **receipt**: the receiver's station answers with a",
        "signed receipt, from which clocks run. **outside**: may come from an office that is not (yet) a member.",
        "",
        "| kind | title | written by | act | fields of the body | marks |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS.values():
        short = [name for name in kind.fields if name not in ATTACHMENTS[1:-1]]
        fields = ", ".join(f"**{name}**" if name in kind.required else name for name in short)
        fields = fields.replace(f"{ATTACHMENTS[0]}, {ATTACHMENTS[-1]}", f"[{ATTACHMENTS[0]} to -8](attachments.md)")
        names = ("receipt", "always", "outside")
        marks = ", ".join(name for name in names if getattr(kind, name))
        act = "none" if kind.act is Empty else f"[{kind.act.__name__}](#{kind.act.__name__.lower()})"
        lines.append(
            f"| `{kind.name}` | {kind.title} | {_AUTHORS[kind.author]} | {act} | {fields or 'no body'} | {marks} |"
        )
    lines += ["", "## Acts", "", "Members that have a default are left out when they hold it.", ""]
    acts = {kind.act.__name__: kind.act for kind in KINDS.values() if kind.act is not Empty}
    nested = {name: _named(name) for name in ("Member", "Portion", "Scope")}
    for name, act in sorted({**acts, **nested}.items()):
        lines += [f"### {name}", "", _doc(act), "", *_members(act), ""]
    return _joined(lines)


def frame_tables() -> str:
    """Every frame and its members."""
    lines = [
        MARK,
        "# Frames",
        "",
        "MessagePack maps, one in each binary WebSocket message. `t` names the frame; members that have a default are left",
        f"out when they hold it; unknown frames and members are refused. At most {frames.MAX_FRAME_BYTES:,} bytes.",
        "How they follow each other: [wire.md](wire.md).",
        "",
    ]
    for title, union in (("From the station", frames.FromStation), ("From the hub", frames.FromHub)):
        lines += [f"## {title}", ""]
        for frame in typing.get_args(union):
            tag = frame.__struct_config__.tag
            lines += [f"### `{tag}`", "", _doc(frame), "", *_members(frame), ""]
    return _joined(lines)


def refusals() -> str:
    """Every stable code with the sentence people are shown."""
    lines = [
        MARK,
        "# Refusals",
        "",
        "A refusal has a stable code, for programs and the trail, and a sentence for people. Whatever is refused changes",
        "nothing. Programs look at the code; the sentence may be worded better at any time.",
        "",
        "## What is said about entries, keys, frames and evidence",
        "",
        "| code | sentence |",
        "|---|---|",
    ]
    lines += [
        f"| `{code}` | {sentence} |" for code, sentence in sorted(_codes(ProtocolError, protocols, hotline).items())
    ]
    lines += ["", "## What is said about this machine and its connection", "", "| code | sentence |", "|---|---|"]
    lines += [f"| `{code}` | {sentence} |" for code, sentence in sorted(_codes(HotlineError, hotline).items())]
    lines += [
        "",
        "## What the ladder says",
        "",
        "Each also names the rule of the ladder, and the clock in the way and its end where there is one.",
        "",
    ]
    lines += [f"- `ladder.{code}`" for code in sorted(_ladder_codes())]
    return _joined(lines)


def _members(struct: type[msgspec.Struct]) -> list[str]:
    fields = msgspec.structs.fields(struct)
    if not fields:
        return ["No members."]
    annotations = {
        name: text for base in reversed(struct.__mro__) for name, text in inspect.get_annotations(base).items()
    }
    lines = ["| member | type | |", "|---|---|---|"]
    for field in fields:
        default = "required" if field.required else f"default {_default(field)}"
        lines.append(f"| `{field.encode_name}` | {_type(annotations[field.name])} | {default} |")
    return lines


def _default(field: Any) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return {"()": "none", "{}": "none", "None": "none", "''": "empty"}.get(repr(value), f"`{value}`")


def _type(text: str) -> str:
    """An annotation in words; what has no words stays as it is written."""
    if text.startswith("Annotated["):
        inner, _, meta = text.removeprefix("Annotated[").removesuffix("]").rpartition(", msgspec.Meta(")
        bounds = dict(each.split("=") for each in meta.removesuffix(")").split(", "))
        low, high = (bounds.get(a, bounds.get(b)) for a, b in (("ge", "min_length"), ("le", "max_length")))
        unit = "" if {"ge", "le"} & set(bounds) else " characters" if inner == "str" else " of them"
        between = (
            " to ".join(filter(None, (low, high))) if low and high else f"at least {low}" if low else f"at most {high}"
        )
        return f"{_type(inner)} ({between}{unit})"
    if text.endswith(" | None"):
        return f"{_type(text.removesuffix(' | None'))}, or null"
    if text.startswith("tuple[") and text.endswith(", ...]"):
        return f"list of {_type(text.removeprefix('tuple[').removesuffix(', ...]'))}"
    if text.startswith("tuple["):
        return f"list: {', '.join(_type(each) for each in text.removeprefix('tuple[').removesuffix(']').split(', '))}"
    if text.startswith("dict["):
        key, _, value = text.removeprefix("dict[").removesuffix("]").partition(", ")
        return f"map of {_type(key)} to {_type(value)}"
    if text.startswith("Literal["):
        words = re.sub("[\"']", "", text.removeprefix("Literal[").removesuffix("]")).split(", ")
        return " or ".join(f"`{word}`" for word in words)
    return _TYPES.get(text, f"`{text}`")


def _doc(struct: type) -> str:
    text = textwrap.dedent(f"{' ' * 4}{struct.__doc__ or ''}").strip()
    return text.replace("``", "`").replace("\n", " ").replace("  ", " ")


def _named(name: str) -> type[Act]:
    found: type[Act] = getattr(importlib.import_module("protocols.kinds"), name)
    return found


def _codes(root: type[Exception], *packages: Any) -> dict[str, str]:
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if _is_about(module.name, {package.__name__}):
                importlib.import_module(module.name)
    # Other tests may have defined or imported more; the page is about these packages only.
    names = {package.__name__ for package in packages}
    found: dict[str, str] = {}
    for error in _subclasses(root):
        # A class that does not set its own code is told apart by its parent's; abstract ones say nothing to people.
        if "code" in error.__dict__ and error.__subclasses__() == [] and _is_about(error.__module__, names):
            said = _doc(error) if "sentence" in error.__dict__ else error._sentence
            found[error.code] = said.replace("|", "\\|")
    return found


def _is_about(module: str, packages: set[str]) -> bool:
    """Whether a module belongs to the line itself: neither to a migration nor to the exercise that `make demo` plays."""
    return module.split(".")[0] in packages and not re.search(r"\.(migrations|scenario)\b|\.cli\.demo\b", module)


def _subclasses(root: Any) -> Iterable[Any]:
    for each in root.__subclasses__():
        yield each
        yield from _subclasses(each)


def _ladder_codes() -> set[str]:
    """First arguments of the fold's ``refuse`` calls."""
    found = set()
    for path in (ROOT / "mediation").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name == "refuse" and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def _joined(lines: list[str]) -> str:
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.rstrip("\n") + "\n"
