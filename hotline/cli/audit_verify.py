"""``hotline audit verify``: check an evidence bundle by one's own policy and accord, offline.

Of this package it imports only what needs no server libraries: see `docs/how-to/verify-a-bundle.md` for what must be
installed to run it.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from hotline import bundles
from hotline.cli.files import write_new
from hotline.cli.pins import pinned_by
from hotline.cli.saying import Said, printable, says_refusals
from hotline.errors import LocalFault
from mediation.audit import EPSILON, Trust, as_dict, verify
from mediation.audit.papers import own_page
from mediation.audit.words import words
from protocols.accord import MAX_ACCORD_BYTES, open_accord
from protocols.bundle import BundleMalformed
from protocols.encoding import unb64u
from protocols.errors import ProtocolError
from protocols.translog.policy import MAX_POLICY_BYTES, parse_policy
from protocols.translog.timestamp import MAX_ROOTS_BYTES, read_roots

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


class NoTrust(LocalFault):
    """The verifier brought nothing, or nothing usable, to verify by."""

    code = "audit.no-trust"
    _sentence = (
        "A bundle can only be checked against what you trust already. Give the witness policy you go by and the accord "
        "(or its id), from your own files, not from whoever gave you the bundle."
    )


class NoReport(LocalFault):
    """The page could not be written where it was asked for."""

    code = "audit.no-report"
    _sentence = "The report could not be written, so nothing was said. The bundle is as it was; name another, new file."


@click.command(name="verify")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--policy",
    "policy_file",
    type=FILE,
    required=True,
    help="Your witness policy (C2SP tlog-policy), as `accord policy` prints it.",
)
@click.option(
    "--accord",
    "accord_file",
    type=FILE,
    help="Your copy of the accord, if the policy does not name its id in a comment.",
)
@click.option("--accord-id", help="The accord's id, if you hold only that.")
@click.option(
    "--tsa-ca",
    "authorities",
    type=FILE,
    multiple=True,
    help="Root certificate (DER or PEM) of a time-stamping authority that you believe. May be repeated.",
)
@click.option("--allow-withheld", is_flag=True, help="Accept that entries are withheld, as long as all else holds.")
@click.option(
    "--epsilon",
    type=click.IntRange(0, 86_400),
    default=EPSILON,
    show_default=True,
    help="Seconds by which you allow an honest witness's clock to be off.",
)
@click.option(
    "--report",
    "page_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write your own report, a page to read or print, to this new file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
@says_refusals
def command(
    ctx: click.Context,
    bundle: Path,
    policy_file: Path,
    accord_file: Path | None,
    accord_id: str | None,
    authorities: tuple[Path, ...],
    allow_withheld: bool,
    epsilon: int,
    page_file: Path | None,
    as_json: bool,
) -> None:
    """Check everything in BUNDLE (a zip file, or a folder) by your own policy and accord.

    Exit status 0 only if all of it holds.

    Nothing is asked of any server. What is printed was proven, except where it says that it was not.
    """
    trust = _trust(policy_file, accord_file, accord_id, authorities, epsilon)
    try:
        loaded = bundles.load(bundle)
    except BundleMalformed as error:
        if as_json:
            problem = {"code": error.code, "seq": None, "sentence": error.sentence, "detail": error.detail}
            click.echo(json.dumps({"holds": False, "problems": [problem]}, ensure_ascii=True))
            ctx.exit(1)
        raise Said(error) from error
    report = verify(loaded, trust, allow_withheld)
    if page_file is not None:
        try:
            write_new(page_file, own_page(loaded, report, trust).encode())
        except OSError as error:
            raise NoReport(f"{page_file}: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(as_dict(report), ensure_ascii=True))
    else:
        for line in words(report):
            click.echo(printable(line))
    ctx.exit(0 if report.holds else 1)


def _trust(
    policy_file: Path, accord_file: Path | None, accord_id: str | None, authorities: tuple[Path, ...], epsilon: int
) -> Trust:
    text = _read(policy_file, MAX_POLICY_BYTES)
    if accord_file is None and accord_id is None:
        accord_id = pinned_by(text.decode("utf-8", "replace"))
        if accord_id is None:
            raise NoTrust("the policy does not name the accord that it goes with: give --accord or --accord-id")
    try:
        if accord_id is not None:
            unb64u(accord_id, size=32)
        policy = parse_policy(text)
        roots = tuple(_read(path, MAX_ROOTS_BYTES) for path in authorities)
        for data in roots:
            read_roots(data)
        if accord_file is not None:
            accord_id = open_accord(_read(accord_file, MAX_ACCORD_BYTES), pinned=accord_id).id
    except ProtocolError as error:
        raise NoTrust(str(error)) from error
    assert accord_id is not None  # noqa: S101 - one of them is given, see above
    if not policy.logs:
        raise NoTrust("the policy names no log")
    return Trust(policy, accord_id, epsilon, roots)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)
