"""The events of an exercise as data: `st-brannoc.toml`, read and checked."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event. ``t`` is hours:minutes after the first; ``live`` events are played, others wait for ``waits_for``."""

    id: str
    t: str
    who: str
    type: str
    live: bool
    note: str
    expect: str = ""
    waits_for: str = ""
    text: str = ""
    questions: tuple[str, ...] = ()
    nominees: tuple[str, ...] = ()

    @property
    def minutes(self) -> int:
        """Minutes after the first event."""
        hours, minutes = self.t.split(":")
        return int(hours) * 60 + int(minutes)


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole exercise."""

    title: str
    exercise: str
    status: str
    ladder: str
    event: tuple[Event, ...]


def st_brannoc() -> Script:
    """The St Brannoc exercise."""
    data = files("hotline.scenario").joinpath("st-brannoc.toml").read_bytes()
    return msgspec.convert(tomllib.loads(data.decode("utf-8")), Script, strict=True)
