"""``hotline ladder``: read, check, draw and rehearse the agreed procedures."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from hotline import ladders
from hotline.cli.ladder_show import words
from hotline.cli.rehearse import Misplayed, Terminal, read_script
from hotline.cli.saying import printable, says_refusals
from hotline.errors import LocalFault
from mediation.checker import Report, Violation, check
from mediation.drawing import mermaid
from mediation.drawing.svg import svg
from mediation.errors import LadderError
from mediation.ladder import Ladder, ladder_hash, parse_ladder
from mediation.ladder_form import MAX_BYTES
from mediation.schema import schema


class LadderUnread(LocalFault):
    code = "ladder.unread"
    _sentence = "The ladder's file could not be read."


class LadderUnwritten(LocalFault):
    code = "ladder.unwritten"
    _sentence = "The file could not be written. Nothing was changed."


@click.group(name="ladder")
def command() -> None:
    """Ladders: the agreed procedures."""


@command.command(name="list")
def list_() -> None:
    """The ladders that come with this program."""
    for name, data in ladders.shipped().items():
        click.echo(f"{name}  {parse_ladder(data).title}")


@command.command()
@click.argument("file", metavar="FILE|ID")
@says_refusals
def show(file: str) -> None:
    """Say in words what a ladder holds: the file FILE, or the shipped ladder ID."""
    for line in words(_parsed(file)):
        click.echo(printable(line))


@command.command()
@click.argument("name", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@says_refusals
def save(name: str, file: Path) -> None:
    """Write the exact bytes of the shipped ladder ID to FILE, as `hub install` and `station install` want it."""
    data = ladders.load(name)
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise LadderUnwritten(f"{file}: {error.strerror}") from error
    click.echo(f"{file}: {name}, SHA-256 {ladder_hash(data)}")


@command.command(name="check")
@click.argument("file", metavar="FILE|ID")
@click.option("--json", "as_json", is_flag=True, help="Say it for programs: one JSON object.")
@says_refusals
def check_(file: str, as_json: bool) -> None:
    """Look for everything that is wrong with a ladder: the file FILE, or the shipped ladder ID.

    First its form and references, then what can happen under it, tried out exhaustively. Each fault comes with its place
    in the file and, where it was found by trying, the entries that lead to it. Status 1 if there is any.
    """
    data = _read(file)
    begun = time.monotonic()
    report = check(data)
    seconds = time.monotonic() - begun
    if as_json:
        click.echo(msgspec.json.encode(_plain(file, report, seconds)).decode())
    else:
        _say(file, report, seconds)
    if not report.passed:
        sys.exit(1)


def _say(file: str, report: Report, seconds: float) -> None:
    for violation in report.violations:
        click.echo(printable(f"{file}:{violation.line}:{violation.column}: {violation.sentence} ({violation.code})"))
        for line in violation.story:
            click.echo(printable(f"    {line}"))
    for remark in report.remarks:
        click.echo(printable(f"{file}:{remark.line}:{remark.column}: remark: {remark.sentence} ({remark.code})"))
        for line in remark.story:
            click.echo(printable(f"    {line}"))
    count = len(report.violations)
    found = "no fault" if not count else f"{count} fault{'s' if count != 1 else ''}"
    click.echo(f"{file}: {found}; {report.states:,} states explored in {seconds:.2f} s")


def _plain(file: str, report: Report, seconds: float) -> dict[str, Any]:
    def plain(each: Violation) -> dict[str, Any]:
        return {**msgspec.to_builtins(each), "story": list(each.story)}

    return {
        "file": file,
        "passed": report.passed,
        "violations": [plain(each) for each in report.violations],
        "remarks": [plain(each) for each in report.remarks],
        "states": report.states,
        "seconds": round(seconds, 3),
    }


@command.command()
@click.argument("file", metavar="FILE|ID")
@click.option("--format", "form", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there instead of printing it."
)
@says_refusals
def draw(file: str, form: str, output: Path | None) -> None:
    """Draw a ladder: the file FILE, or the shipped ladder ID.

    `svg` is a picture for people that any browser shows; `mermaid` is text for documents that draw it themselves.
    """
    ladder = _parsed(file)
    drawn = svg(ladder) if form == "svg" else mermaid(ladder)
    if output is None:
        click.echo(drawn, nl=False)
        return
    _write(output, drawn)
    click.echo(f"{output}: {ladder.title}")


@command.command()
@click.argument("file", metavar="FILE|ID")
@click.option("--play", type=click.File("r", encoding="utf-8"), help="Type what this script says, then end.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write what was typed, as a script.")
@says_refusals
def rehearse(file: str, play: Any, record: Path | None) -> None:
    """Walk through a ladder with a clock that you move: the file FILE, or the shipped ladder ID.

    It shows where things stand, what is open to whom, and what is closed and for how long; ? lists what can be typed.
    It reads from a pipe as well. Status 1 if a script went another way than it was recorded.
    """
    ladder = _parsed(file)
    try:
        script = None if play is None else read_script(play.read())
        if script is not None and script.ladder not in ("", ladder.hash):
            click.echo("The script was recorded under another version of the ladder.")
        seed = secrets.token_bytes(32) if script is None or script.seed is None else script.seed
        terminal = Terminal(ladder, seed, click.echo)
        if script is not None:
            terminal.start = script.start
        refusal = terminal.begin()
        if refusal is not None:
            raise click.ClickException(refusal.sentence)
        if script is not None:
            terminal.run(script.lines, strict=True)
        else:
            _converse(terminal)
    except Misplayed as error:
        raise click.ClickException(f"The script did not go as written: {printable(str(error))}") from None
    if record is not None:
        _write(record, "".join(f"{line}\n" for line in terminal.script()))
        click.echo(f"{record}: {len(terminal.recorded)} lines")


def _converse(terminal: Terminal) -> None:
    """Takes what is typed until it ends: by q, at the end of the input, or by Ctrl-C."""
    stream = sys.stdin
    heard = stream.isatty()

    def ask() -> str:
        click.echo(f"{terminal.actor}> ", nl=False)
        line = stream.readline()
        if not heard:  # a person sees what was typed; of a pipe it is shown
            click.echo(printable(line.rstrip("\n")))
        return line

    try:
        terminal.run(iter(ask, ""), strict=False)
    except KeyboardInterrupt:
        click.echo()
    click.echo("The rehearsal has ended.")


@command.command(name="schema")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there instead of printing it."
)
@says_refusals
def schema_(output: Path | None) -> None:
    """The JSON Schema of ladder files, for editors that check and complete TOML."""
    text = msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.echo(str(output))


def _read(file: str) -> bytes:
    """The bytes of a ladder's file, or of a shipped ladder."""
    path = Path(file)
    if path.suffix != ".toml" and len(path.parts) == 1:
        return ladders.load(file)
    try:
        with path.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)  # one more than any reader takes: it says what is wrong with it
    except OSError as error:
        raise LadderUnread(f"{file}: {error.strerror}") from error


def _parsed(file: str) -> Ladder:
    try:
        return parse_ladder(_read(file))
    except LadderError as error:
        raise click.ClickException(printable(f"{file}:{error.line or 0}: {error.sentence} ({error.code})")) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise LadderUnwritten(f"{path}: {error.strerror}") from error
