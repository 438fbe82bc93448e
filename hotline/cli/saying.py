"""How commands say that something was refused: the sentence for people, then the code and detail for engineers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hotline.errors import HotlineError
from protocols.errors import ProtocolError

F = TypeVar("F", bound=Callable[..., Any])


def printable(text: str) -> str:
    """Others' text for a terminal: control and direction marks, which could make it read as something else, shown as
    the replacement character."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


class Said(click.ClickException):
    """A refusal on its way to standard error; exit status 1."""

    def __init__(self, error: ProtocolError | HotlineError) -> None:
        super().__init__(f"{error.sentence}\n({printable(str(error))})")

    def show(self, file: Any = None) -> None:
        click.echo(self.format_message(), err=True)


class SaidForGood(Said):
    """One that stands until a person did something: exit status 3, so that no supervisor tries again."""

    exit_code = 3


def says_refusals(function: F) -> F:
    """Turns this project's errors into what a command prints; anything else stays a traceback."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (ProtocolError, HotlineError) as error:
            for_good = isinstance(error, HotlineError) and error.exit_status == SaidForGood.exit_code
            raise (SaidForGood if for_good else Said)(error) from error

    return run  # type: ignore[return-value]  # same signature, by wraps
