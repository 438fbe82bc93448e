"""``hotline demo``: the St Brannoc exercise on this machine, then desks to try."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
from pathlib import Path

import click

from hotline.errors import HotlineError
from hotline.scenario.cast import CAST, DRAFTER, OPERATOR, RELEASER, free_ports, make_cast
from hotline.scenario.play import Result, StBrannoc
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise, login_link
from hotline.scenario.visit import open_visit

SCALE = 3600  # an hour of the exercise in a second
VISIT_SCALE = 60  # the visitor's thread: an hour in a minute
PORTS = (8440, 8441, 8442, 8443, 8444)
MARKS = {True: "ok  ", False: "FAIL", None: "-   "}


@click.command()
@click.option("--stay/--no-stay", default=True, help="Stay up for a visitor after the exercise, until Ctrl-C.")
@click.option("--play/--no-play", default=True, help="Play the exercise, or go straight to the visitor's thread.")
@click.option("--scale", default=SCALE, show_default=True, help="How much faster than life the exercise's clocks run.")
def command(stay: bool, play: bool, scale: int) -> None:
    """Play the St Brannoc exercise with real processes on loopback, then stay up for a visitor."""
    root = Path(tempfile.mkdtemp(prefix="hotline-demo-"))
    try:
        failed = asyncio.run(_demo(root, stay=stay, play=play, scale=scale))
    except HotlineError as error:
        # Keep the folder: its logs say what went wrong.
        raise click.ClickException(f"{error.sentence} ({error}; folder {root})") from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        failed = 0
    shutil.rmtree(root, ignore_errors=True)
    if failed:
        raise SystemExit(1)


async def _demo(root: Path, *, stay: bool, play: bool, scale: int) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    if task is not None:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, task.cancel)
    script = st_brannoc()
    click.echo("Making four offices, their keys, and an accord that all four sign ...")
    ladders = ((script.ladder, scale), (f"{script.ladder}-visit", VISIT_SCALE))
    folders = await asyncio.to_thread(make_cast, root, script, ladders, free_ports(PORTS))
    exercise = Exercise(folders)
    failed = 0
    try:
        click.echo("Starting one hub and four stations ...")
        await exercise.start()
        if play:
            failed = await _play(exercise, scale)
        if stay:
            await _stay(exercise)
    finally:
        click.echo("Ending the exercise ...")
        await exercise.stop()
    return failed


async def _play(exercise: Exercise, scale: int) -> int:
    script = st_brannoc()
    click.echo(f"\n{script.title}: {script.exercise}, an hour in {3600 / scale:g} s. Everybody in it is invented.\n")
    player = StBrannoc(script, exercise.stage(), scale, script.ladder)
    results = await player.run(_report)
    good = sum(result.ok is True for result in results)
    bad = sum(result.ok is False for result in results)
    later = sum(result.ok is None for result in results)
    click.echo(f"\n{good} events as expected, {bad} not, {later} not yet.\n")
    return bad


def _report(result: Result) -> None:
    event = result.event
    line = f"{MARKS[result.ok]} T+{event.t:>6}  {event.id:<5} {event.who:<4}{event.type:<22} {event.note}"
    click.echo(line)
    if event.expect:
        click.echo(f"                                                expected: {event.expect}")
    click.echo(f"                                                saw:      {result.saw}")


async def _stay(exercise: Exercise) -> None:
    click.echo("Opening a second thread, in its cooling-off, for you ...")
    await open_visit(exercise, f"{st_brannoc().ladder}-visit")
    click.echo("\nEach link opens once. Leave with Ctrl-C.\n")
    for member in CAST:
        for officer in (RELEASER, DRAFTER):
            click.echo(f"  {member.name:<10} {officer:<20} {await exercise.link(member.id, officer)}")
    click.echo(f"  {'Console':<10} {'operator':<20} {await login_link('hub', exercise.folders.hub, OPERATOR)}\n")
    click.echo("Try: on Arvenia's desk open 'Visitor', write to Kostrava, then try a public attribution.")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
