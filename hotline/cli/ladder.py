"""``hotline ladder``: read a ladder in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from hotline import ladders
from hotline.cli.saying import printable, says_refusals
from hotline.errors import LocalFault
from mediation.ladder import Ladder, ladder_hash, parse_ladder
from mediation.rules import ClockRule, StepRule
from protocols.kinds import KINDS

MAX_LADDER_BYTES = 1 << 20
_CONSENT = {"none": "takes effect at once", "other": "takes effect when the other party accepts"}
_EXTEND = {
    "requester": "longer if the one who waits agrees",
    "mutual": "longer if both parties agree",
    "consensus": "longer if all members agree",
    "nobody": "nobody can change it",
}


class LadderUnread(LocalFault):
    code = "ladder.unread"
    _sentence = "The ladder's file could not be read."


class LadderUnwritten(LocalFault):
    code = "ladder.unwritten"
    _sentence = "The ladder's file could not be written. Nothing was changed."


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
    path = Path(file)
    try:
        data = path.read_bytes() if path.suffix == ".toml" else ladders.load(file)
    except OSError as error:
        raise LadderUnread(f"{file}: {error.strerror}") from error
    if len(data) > MAX_LADDER_BYTES:
        raise LadderUnread(f"{file}: larger than {MAX_LADDER_BYTES} bytes")
    for line in words(parse_ladder(data)):
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


def words(ladder: Ladder) -> Iterator[str]:
    """The ladder in words, line by line."""
    yield f"{ladder.title} ({ladder.id})"
    yield f"Status: {ladder.status}. Review every {ladder.review}. After: {ladder.source}."
    yield f"SHA-256: {ladder.hash}"
    yield ""
    yield "Rungs"
    for rung in ladder.rungs.values():
        marks = [word for name, word in ((ladder.start, "start"), (ladder.closed, "end")) if rung.id == name]
        yield f"  {rung.level}  {rung.title} ({rung.id}{', ' if marks else ''}{', '.join(marks)})"
        if rung.about:
            yield f"       {rung.about}"
    yield ""
    yield "Steps"
    for step in ladder.steps.values():
        yield from _step(ladder, step)
    yield ""
    yield "Clocks"
    for clock in ladder.clocks.values():
        yield from _clock(clock)
    yield ""
    yield "Who may send what"
    for name, rule in ladder.kinds.items():
        two = "; two people must sign" if rule.two_person else ""
        where = f" on {', '.join(rule.rungs)}" if rule.rungs else ""
        yield f"  {KINDS[name].title} ({name}): {', '.join(rule.who)}{where}{two}"
    always = ", ".join(kind.name for kind in KINDS.values() if kind.always)
    yield f"  On every rung, in every standstill: {always}"


def _step(ladder: Ladder, step: StepRule) -> Iterator[str]:
    to = f" to {step.to}" if step.to else " (the rung stays)"
    how = f"by sending {step.trigger}" if step.trigger != "step-request" else "by request"
    yield f"  {step.title} ({step.id}, {step.direction}): from {', '.join(step.start)}{to}"
    yield f"       {how}; {_CONSENT[step.consent]}{'; two people must sign' if step.two_person else ''}"
    if step.needs_option:
        by = ", ".join(ladder.granted_by.get(step.id, ())) or "nothing in this ladder"
        early = "; or earlier, by agreement" if step.early_exit else ""
        yield f"       open once one of these has run out: {by}{early}"
    if step.standstill is not None:
        still = step.standstill
        barred = [f"every step {direction}" for direction in still.forbids_directions]
        barred += [*still.forbids_steps, *still.forbids_kinds]
        yield f"       while {still.clock} runs, forbidden: {', '.join(barred)}"
        yield f"       permitted acts may be announced: {', '.join(still.carve_outs) or 'none'}"


def _clock(clock: ClockRule) -> Iterator[str]:
    of = f" of {clock.of}" if clock.of else ""
    yield f"  {clock.title} ({clock.id}): {clock.after} from {clock.starts}{of}; {_EXTEND[clock.extend]}"
    if met := (*clock.met_by, *clock.met_by_any):
        yield f"       met by {', '.join(met)}"
    if clock.timeout is not None and clock.timeout.option:
        yield f"       when it runs out: {clock.timeout.to} may take {clock.timeout.option}"
    if clock.timeout is not None and clock.timeout.moves:
        yield f"       when it runs out: {clock.timeout.moves} takes effect by itself"
    yield f"       why: {clock.why}"
