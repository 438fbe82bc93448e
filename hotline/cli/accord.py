"""``hotline accord``: write the agreement a line runs under, sign it, read it."""

from __future__ import annotations

import secrets
from pathlib import Path

import click
import msgspec

from hotline import accords, ladders, passphrase
from hotline.accords import AccordFault
from hotline.cli.pins import pinning
from hotline.cli.saying import printable, says_refusals
from hotline.cli.times import MOMENT
from hotline.office import StationCard, open_folder, read_card, read_json, read_office_card
from hotline.passphrase import PassphraseSource
from hotline.witness.folder import read_card as read_witness_card
from protocols.accord import (
    MAX_ACCORD_BYTES,
    Accord,
    BadAccord,
    Disclosure,
    HubCard,
    LadderInForce,
    Status,
    check_accord,
    missing_signatures,
    open_accord,
    parse_draft,
    sign_accord,
)
from protocols.encoding import digest, rfc3339
from protocols.keys import kid_of, public_from
from protocols.mls import HYBRID, X25519_AES128, X25519_CHACHA20
from protocols.translog.policy import parse_policy

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
SUITES = {
    HYBRID: "X-Wing (post-quantum hybrid), ChaCha20-Poly1305",
    X25519_CHACHA20: "X25519, ChaCha20-Poly1305",
    X25519_AES128: "X25519, AES-128-GCM",
}

DISCLOSURE: dict[Disclosure, str] = {
    "either": "each party decides for itself",
    "both": "only with the consent of both parties, given in the thread",
}


@click.group(name="accord")
def command() -> None:
    """The accord: offices, hub, ladders, witnesses and dates, signed by every office."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--title", required=True)
@click.option("--status", type=click.Choice(["ACTUAL", "EXERCISE"]), required=True)
@click.option("--exercise", default="", help="Id of the exercise; only for EXERCISE.")
@click.option("--hub", type=FILE, required=True, help="The hub's card.")
@click.option(
    "--ladder",
    "ladder_specs",
    multiple=True,
    required=True,
    metavar="ID[=FILE][@SCALE]",
    help="A ladder in force. Without FILE, the one that ships under this id. SCALE only in an EXERCISE.",
)
@click.option(
    "--suite",
    type=click.Choice([str(suite) for suite in SUITES]),
    default=str(HYBRID),
    show_default=True,
    help=f"MLS cipher suite: {'; '.join(f'{number}: {words}' for number, words in SUITES.items())}.",
)
@click.option("--not-before", type=MOMENT, required=True)
@click.option("--review", type=MOMENT, required=True)
@click.option("--sunset", type=MOMENT, required=True)
@click.option(
    "--disclosure",
    type=click.Choice(["either", "both"]),
    default="either",
    show_default=True,
    help="Whose consent it takes to show words of a thread to outsiders: that of either party, or of both.",
)
@says_refusals
def init(
    file: Path,
    title: str,
    status: Status,
    exercise: str,
    hub: Path,
    ladder_specs: tuple[str, ...],
    suite: str,
    not_before: int,
    review: int,
    sunset: int,
    disclosure: Disclosure,
) -> None:
    """Begin an accord in FILE. Offices are added to it, then every office signs it."""
    try:
        card = msgspec.convert(read_json(hub), HubCard, strict=True)
    except msgspec.ValidationError as error:
        raise AccordFault(f"{hub.name} is no hub's card: {error}") from error
    data = accords.sketch(
        title=title,
        status=status,
        exercise=exercise,
        hub=card,
        ladders=[_ladder(spec) for spec in ladder_specs],
        suite=int(suite),
        not_before=rfc3339(not_before),
        review=rfc3339(review),
        sunset=rfc3339(sunset),
        disclosure=disclosure,
    )
    _write(file, data, new=True)
    click.echo(f"Accord begun in {file}. Add the offices to it next.")


@command.command(name="add-office")
@click.argument("file", type=FILE)
@click.argument("card", metavar="OFFICE-CARD", type=FILE)
@click.option("--mediator", is_flag=True, help="Put it on the roster of mediators, after those there.")
@click.option("--monitor", is_flag=True, help="It may be asked to verify reports.")
@click.option("--witness", "witness_cards", multiple=True, type=FILE, help="Card of a station that witnesses the log.")
@click.option("--classical", is_flag=True, help="Without the stations' ML-DSA-44 keys: smaller proofs, for less time.")
@says_refusals
def add_office(
    file: Path, card: Path, mediator: bool, monitor: bool, witness_cards: tuple[Path, ...], classical: bool
) -> None:
    """Add an office, and the stations by which it witnesses the log, to the accord in FILE."""
    office = read_office_card(card)
    stations = [_station(path) for path in witness_cards]
    data = accords.add_office(
        _read(file), office, mediator=mediator, monitor=monitor, witnesses=stations, classical=classical
    )
    _write(file, data)
    click.echo(f"{office.id} ({office.name}) added as {office.role}, with {len(stations)} witness(es).")


@command.command(name="add-witness")
@click.argument("file", type=FILE)
@click.argument("card", metavar="WITNESS-CARD", type=FILE)
@says_refusals
def add_witness(file: Path, card: Path) -> None:
    """Add a neutral witness of the log to the accord in FILE; the hub reaches it at the URL in its card."""
    witness = read_witness_card(card)
    _write(file, accords.add_witness(_read(file), witness.name, witness.vkeys, witness.url))
    click.echo(printable(f"Witness {witness.name} added, at {witness.url}."))


@command.command(name="set-role")
@click.argument("file", type=FILE)
@click.argument("ladder", metavar="LADDER")
@click.argument("role", metavar="ROLE")
@click.argument("offices", metavar="OFFICE...", nargs=-1, required=True)
@says_refusals
def set_role(file: Path, ladder: str, role: str, offices: tuple[str, ...]) -> None:
    """Name the offices that hold a ladder's role, such as its chair. The ladder says which roles the accord names."""
    _write(file, accords.set_role(_read(file), ladder, role, offices))
    click.echo(f"{ladder}: the role {printable(role)} is held by {', '.join(offices)}.")


@command.command()
@click.argument("file", type=FILE)
@click.option("--office", "folder", type=FOLDER, required=True, help="The signing office's folder.")
@passphrase.options("the root key")
@says_refusals
def sign(file: Path, folder: Path, passphrase: PassphraseSource) -> None:
    """Sign the accord in FILE for an office. Read it with `show` before."""
    data = _read(file)
    missing_signatures(data)  # what stands must be true before we put our name beside it
    signed = sign_accord(data, open_folder(folder).unlock(passphrase.get()))
    _write(file, signed)
    missing = missing_signatures(signed)
    click.echo(f"Missing still: {', '.join(missing)}." if missing else f"Complete. Its id is {_id(signed)}.")


@command.command()
@click.argument("file", type=FILE)
@says_refusals
def show(file: Path) -> None:
    """Say in words what the accord in FILE holds, and whose signature is missing."""
    data = _read(file)
    found, accord = parse_draft(data, complete=False)
    for line in _words(accord):
        click.echo(printable(line))
    click.echo(f"Id: {digest(found.payload.encode('ascii'))}")
    try:
        check_accord(accord)
    except BadAccord as error:
        click.echo(f"NOT COMPLETE: {error.detail}. Nobody can sign it yet.")
        return
    missing = missing_signatures(data)
    click.echo(f"NOT SIGNED BY: {', '.join(missing)}." if missing else "Signed by every office; signatures checked.")


@command.command(name="policy")
@click.argument("file", type=FILE)
@says_refusals
def policy_(file: Path) -> None:
    """Print the witness policy of the signed accord in FILE, as `audit verify` wants it: with the accord's id in a comment."""
    accord = open_accord(_read(file))
    click.echo(pinning(accord.id) + accord.accord.policy, nl=False)


def _words(accord: Accord) -> list[str]:
    lines = [accord.title, f"Status: {accord.status}{f' ({accord.exercise})' if accord.exercise else ''}"]
    lines.append(f"In force from {accord.not_before}, to be reviewed by {accord.review}, ends {accord.sunset}")
    lines.append(f"Showing words of a thread to outsiders: {DISCLOSURE[accord.disclosure]}")
    lines.append(f"Cipher suite: {accord.suite:#06x} ({SUITES.get(accord.suite, 'unknown to this program')})")
    lines.append(f"Hub: {accord.hub.name}, key {kid_of(public_from(accord.hub.key))}")
    lines.extend(f"  at {address}" for address in accord.hub.addresses)
    lines.append(f"  TLS certificate (SHA-256): {accord.hub.tls or 'none: in the clear, behind a tunnel'}")
    lines.append("Offices:")
    for office in accord.offices:
        also = [
            word
            for word, ids in (("on the roster", accord.mediators), ("verifies", accord.monitors))
            if office.id in ids
        ]
        lines.append(
            f"  {office.id}  {office.name}, {', '.join([office.role, *also])}; {office.zone}, {office.language}"
        )
        lines.append(f"      root key {kid_of(public_from(office.root))}")
    lines.append("Mediators in order of default appointment: " + (", ".join(accord.mediators) or "none"))
    lines.append("Ladders:")
    for ladder in accord.ladders:
        speed = "" if ladder.scale == 1 else f", clocks {ladder.scale} times faster"
        lines.append(f"  {ladder.id}{speed} (SHA-256 {ladder.hash})")
        lines.extend(f"      {role}: {', '.join(holders)}" for role, holders in ladder.roles.items())
    policy = parse_policy(accord.policy)
    lines.append(f"Log: {accord.hub.log}")
    lines.append(
        f"Witnesses: {len(policy.operators)} with {len(policy.witnesses)} keys; quorum: {policy.quorum or 'NONE'}"
    )
    lines.extend(f"  {group.name}: {group.threshold} of {', '.join(group.members)}" for group in policy.groups)
    return lines


def _ladder(spec: str) -> LadderInForce:
    rest, _, scale = spec.partition("@")
    name, _, path = rest.partition("=")
    if scale and not (scale.isascii() and scale.isdigit() and 0 < int(scale) <= 1_000_000):
        raise AccordFault(f"the scale {scale!r} is no number from 1 to 1,000,000")
    try:
        data = Path(path).read_bytes() if path else ladders.load(name)
    except OSError as error:
        raise AccordFault(f"cannot read {path}: {error.strerror}") from error
    return accords.ladder_in_force(name, data, int(scale or 1))


def _station(path: Path) -> StationCard:
    card = read_card(path)
    if not isinstance(card, StationCard):
        raise AccordFault(f"{path.name} is no station's card")
    return card


def _id(data: bytes) -> str:
    return digest(parse_draft(data)[0].payload.encode("ascii"))


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_ACCORD_BYTES + 1)


def _write(file: Path, data: bytes, *, new: bool = False) -> None:
    if new and file.exists():
        raise AccordFault(f"{file} stands already")
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    temporary.write_bytes(data)
    temporary.replace(file)
