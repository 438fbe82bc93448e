"""How a command gets a passphrase: from a file, from an open file descriptor, or by asking; never as an argument.

An argument would stand in the process list and in the shell's history. Use::

    @click.command()
    @passphrase.options("station.key", new=True)
    def init(passphrase: PassphraseSource) -> None:
        keystore.create(path, secrets, passphrase.get())

Nothing is read or asked before `PassphraseSource.get` is called, so a command can refuse its other arguments first.
"""

from __future__ import annotations

import functools
import getpass
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hotline.errors import LocalFault

MAX_PASSPHRASE_BYTES = 4096
MIN_NEW_CHARACTERS = 12

F = TypeVar("F", bound=Callable[..., Any])


class PassphraseUnusable(LocalFault):
    """No passphrase could be had, or not one that may be used. ``detail`` says why, never what it was."""

    code = "passphrase.unusable"
    _sentence = "The passphrase could not be read, or may not be used. Nothing was changed."


class PassphraseSource:
    """Where a passphrase will come from. Holds no passphrase until `get`, and forgets it afterwards."""

    def __init__(self, what: str, *, file: Path | None = None, fd: int | None = None, new: bool = False) -> None:
        self._what, self._file, self._fd, self._new = what, file, fd, new

    def get(self) -> bytes:
        """The passphrase; a trailing line end is not part of it.

        Raises `PassphraseUnusable`. A new passphrase typed at the prompt is asked for twice; from wherever it comes, a
        new one has at least 12 characters.
        """
        if self._file is not None:
            found = _from_file(self._file)
        elif self._fd is not None:
            found = _from_fd(self._fd)
        else:
            found = _from_prompt(self._what, self._new)
        if not found:
            raise PassphraseUnusable("it is empty")
        if self._new and len(found.decode("utf-8", "replace")) < MIN_NEW_CHARACTERS:
            raise PassphraseUnusable(f"a new passphrase has at least {MIN_NEW_CHARACTERS} characters")
        return found

    def __repr__(self) -> str:
        return f"PassphraseSource({self._what!r})"


def options(what: str, *, new: bool = False, prefix: str = "") -> Callable[[F], F]:
    """Adds ``--passphrase-file`` and ``--passphrase-fd``; the command receives ``passphrase: PassphraseSource``.

    ``what`` is named in the prompt. ``prefix`` (as in ``officer``) makes ``--officer-passphrase-file`` and the argument
    ``officer_passphrase``, for commands that need two.
    """
    option = f"{prefix}-passphrase" if prefix else "passphrase"
    argument = option.replace("-", "_")

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            file, fd = kwargs.pop(f"{argument}_file"), kwargs.pop(f"{argument}_fd")
            if file is not None and fd is not None:
                raise click.UsageError(f"Give --{option}-file or --{option}-fd, not both.")
            kwargs[argument] = PassphraseSource(what, file=file, fd=fd, new=new)
            return function(*args, **kwargs)

        decorated = click.option(
            f"--{option}-fd",
            type=click.IntRange(min=0),
            help=f"Read the passphrase of {what} from this open descriptor.",
        )(run)
        return click.option(  # type: ignore[return-value]  # click returns the function it was given
            f"--{option}-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Read the passphrase of {what} from this file (mode 0600). Without either, you are asked.",
        )(decorated)

    return decorate


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise PassphraseUnusable(f"others may read {path.name}: make it mode 0600")
            return _trim(file.read(MAX_PASSPHRASE_BYTES + 1))
    except OSError as error:
        raise PassphraseUnusable(f"cannot read {path}: {error.strerror}") from error


def _from_fd(fd: int) -> bytes:
    try:
        with os.fdopen(fd, "rb") as file:
            return _trim(file.read(MAX_PASSPHRASE_BYTES + 1))
    except OSError as error:
        raise PassphraseUnusable(f"cannot read file descriptor {fd}: {error.strerror}") from error


def _from_prompt(what: str, new: bool) -> bytes:
    with warnings.catch_warnings():
        # Without a terminal getpass would fall back to reading with echo: better not at all.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            text: str = click.prompt(
                f"{'New passphrase' if new else 'Passphrase'} for {what}", hide_input=True, confirmation_prompt=new
            )
        except getpass.GetPassWarning as error:
            raise PassphraseUnusable("there is no terminal to ask at; give a file or a descriptor") from error
    return text.encode("utf-8")


def _trim(data: bytes) -> bytes:
    if len(data) > MAX_PASSPHRASE_BYTES:
        raise PassphraseUnusable(f"longer than {MAX_PASSPHRASE_BYTES} bytes")
    return data.removesuffix(b"\n").removesuffix(b"\r")
