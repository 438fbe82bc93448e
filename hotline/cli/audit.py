"""``hotline audit``: check an evidence bundle offline, or make one."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import click
import msgspec

from hotline import bundles, passphrase
from hotline.cli import trail
from hotline.cli.saying import Said, printable, says_refusals
from hotline.errors import LocalFault
from hotline.passphrase import PassphraseSource
from mediation.replay import EntryReport, Report, Trust, verify
from protocols.accord import MAX_ACCORD_BYTES, open_accord
from protocols.bundle import Bundle, BundleMalformed
from protocols.encoding import rfc3339, to_json, unb64u
from protocols.errors import ProtocolError
from protocols.translog.policy import MAX_POLICY_BYTES, parse_policy

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


class NoTrust(LocalFault):
    """The verifier brought nothing, or nothing usable, to verify by."""

    code = "audit.no-trust"
    _sentence = (
        "A bundle can only be checked against what you trust already. Give the witness policy you go by and the accord "
        "(or its id), from your own files, not from whoever gave you the bundle."
    )


class BadExport(LocalFault):
    """The export could not be written as asked."""

    code = "export.fault"
    _sentence = "Nothing was exported."


@click.group(name="audit")
def command() -> None:
    """Evidence: bundles of a thread that anybody can check offline, and the log they come from."""


for _part in (trail.fsck, trail.tiles, trail.check_tiles_):
    command.add_command(_part)


@command.command(name="verify")
@click.argument("bundle", type=FILE)
@click.option("--policy", "policy_file", type=FILE, required=True, help="Your witness policy (C2SP tlog-policy).")
@click.option("--accord", "accord_file", type=FILE, help="Your copy of the accord.")
@click.option("--accord-id", help="The accord's id, if you hold only that.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
@says_refusals
def verify_(
    ctx: click.Context,
    bundle: Path,
    policy_file: Path,
    accord_file: Path | None,
    accord_id: str | None,
    as_json: bool,
) -> None:
    """Check everything in BUNDLE by your own policy and accord. Exit status 0 only if all of it holds.

    Nothing is asked of any server. What is printed was proven, except where it says that it was not.
    """
    trust = _trust(policy_file, accord_file, accord_id)
    try:
        report = verify(bundles.load(bundle), trust)
    except BundleMalformed as error:
        if as_json:
            problem = {"code": error.code, "seq": None, "sentence": error.sentence, "detail": error.detail}
            click.echo(json.dumps({"holds": False, "problems": [problem]}, ensure_ascii=True))
            ctx.exit(1)
        raise Said(error) from error
    if as_json:
        click.echo(json.dumps({"holds": report.holds, **msgspec.to_builtins(report)}, ensure_ascii=True))
    else:
        for line in _words(report):
            click.echo(printable(line))
    ctx.exit(0 if report.holds else 1)


@command.command()
@click.argument("thread")
@click.option("--hub", type=FOLDER, help="A hub's folder.")
@click.option("--station", type=FOLDER, help="A station's folder.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option(
    "--disclose",
    multiple=True,
    metavar="SEQ:FIELD",
    help="Disclose a field of an entry's body (3:text, 3:*, *:severity). Only from a station. May be repeated.",
)
@passphrase.options("station.key")
@says_refusals
def export(
    thread: str,
    hub: Path | None,
    station: Path | None,
    out: Path,
    disclose: tuple[str, ...],
    passphrase: PassphraseSource,
) -> None:
    """Write the evidence of THREAD to a file.

    Nothing that people wrote is in it unless you disclose it, field by field; what is not disclosed stays provably
    there and unread. The file must not exist yet.
    """
    if (hub is None) == (station is None):
        raise click.UsageError("Give --hub or --station, one of them.")
    if out.exists():
        raise BadExport(f"{out} stands already")
    if hub is not None:
        if disclose:
            raise click.UsageError("A hub has nothing to disclose; export from a station.")
        found, left_out = _from_hub(hub, thread)
    else:
        assert station is not None  # noqa: S101 - one of the two is given, see above
        found, left_out = _from_station(station, thread, disclose, passphrase)
    _write(out, bundles.pack(found))
    disclosed = sum(len(exhibit.disclosures) for exhibit in found.exhibits)
    click.echo(f"{out}: {len(found.exhibits)} entries, {disclosed} disclosed field(s).")
    if left_out:
        click.echo(f"LEFT OUT: the newest {left_out} entries, which no published head holds yet. Export again later.")


def _from_hub(folder: Path, thread: str) -> tuple[Bundle, int]:
    from hotline.hub.offline import export_from_folder  # `verify` needs no server libraries

    found = asyncio.run(export_from_folder(folder, thread))
    return found.bundle, found.left_out


def _from_station(folder: Path, thread: str, disclose: tuple[str, ...], source: PassphraseSource) -> tuple[Bundle, int]:
    from hotline import keystore
    from hotline.station.export import export_from_folder

    key = keystore.unlock(folder / "station.key", source.get())["data"] if disclose else None
    return asyncio.run(export_from_folder(folder, thread, disclose, key))


def _trust(policy_file: Path, accord_file: Path | None, accord_id: str | None) -> Trust:
    if accord_file is None and accord_id is None:
        raise NoTrust("give --accord or --accord-id")
    try:
        if accord_id is not None:
            unb64u(accord_id, size=32)
        policy = parse_policy(_read(policy_file, MAX_POLICY_BYTES))
        if accord_file is not None:
            accord_id = open_accord(_read(accord_file, MAX_ACCORD_BYTES), pinned=accord_id).id
    except ProtocolError as error:
        raise NoTrust(str(error)) from error
    assert accord_id is not None  # noqa: S101 - one of the two is given, see above
    if not policy.logs:
        raise NoTrust("the policy names no log")
    return Trust(policy, accord_id)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _write(path: Path, data: bytes) -> None:
    # It may hold disclosed words: for its owner's eyes until they hand it on.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _words(report: Report) -> list[str]:
    lines = [f"{report.accord_title or 'Unknown accord'} ({report.status or 'not established'})"]
    lines.append(f"Accord {report.accord}")
    lines.append(f"Thread {report.thread}, ladder {report.ladder}")
    seen = ", ".join(f"{name} at {_time(time)}" for name, time in report.witnesses.items())
    lines.append(f"Log of {report.head_size} leaves, cosigned by {seen or 'nobody known to you'}")
    lines.append("")
    problems: dict[int | None, list[str]] = {}
    for problem in report.problems:
        words = f"{problem.sentence} ({problem.code}{': ' if problem.detail else ''}{problem.detail})"
        problems.setdefault(problem.seq, []).append(words)
    lines.extend(f"  PROBLEM: {words}" for words in problems.pop(None, []))
    for entry in report.entries:
        lines.extend(_entry(entry))
        lines.extend(f"          PROBLEM: {words}" for words in problems.pop(entry.seq, []))
    for seq, left in problems.items():
        lines.extend(f"  {seq:>6}  PROBLEM: {words}" for words in left)
    lines.append("")
    if report.holds:
        lines.append(f"HOLDS: {len(report.entries)} entries, the thread stands on {report.rung}.")
    else:
        lines.append(f"DOES NOT HOLD: {len(report.problems) or 'no entries, hence 1'} problem(s). Keep the file.")
    lines.append(report.limits)
    return lines


def _entry(entry: EntryReport) -> list[str]:
    act = f" {to_json(entry.act).decode()}" if entry.act else ""
    head = f"  {entry.seq:>6}  {rfc3339(entry.at)}  {entry.office:<8} {entry.title} [{entry.kind}]{act}"
    lines = [head, f"          leaf {entry.index}, rung {entry.rung or 'not established'}"]
    lines.extend(f"          {name}: {_text(value)}" for name, value in entry.fields.items())
    if entry.hidden:
        lines.append(f"          up to {entry.hidden} field(s) not disclosed")
    return lines


def _time(seconds: int) -> str:
    # A lying witness may sign any number below 2**63; most of those are no date.
    return rfc3339(seconds * 1000) if seconds < 253_402_300_800 else f"{seconds} s after 1970 (!)"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
