"""``hotline audit redact``: a bundle that shows less out of one that shows more, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

import click

from hotline import bundles
from hotline.cli.files import write_new
from hotline.cli.saying import printable, says_refusals
from hotline.errors import LocalFault
from mediation.audit.papers import with_reports
from mediation.redact import Cut, Line, Redacted, redact
from protocols.encoding import to_json
from protocols.entry import Entry
from protocols.redaction import Label, Reason, Redaction


class BadRedaction(LocalFault):
    """The redacted bundle could not be made or written as asked. ``detail`` says why."""

    code = "redaction.fault"
    _sentence = "Nothing was written and the bundle you have is as it was."


@click.command(name="redact")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--hide",
    multiple=True,
    metavar="SEQ:FIELD",
    help="Leave out a disclosed field of an entry's body (3:text, 3:*, *:harm). May be repeated.",
)
@click.option("--withhold", multiple=True, type=click.IntRange(1), metavar="SEQ", help="Leave out a whole entry.")
@click.option("--by", required=True, help="Who leaves it out: an office, a court, a name.")
@click.option("--reason", required=True, type=click.Choice(get_args(Reason)), help="Why.")
@click.option("--words", default="", help="Why, in words; they stand in the bundle.")
@click.option("--label", default="", help="The protective order under which it is left out: which court, which date.")
@click.option("--docket", default="", help="Its docket number.")
@click.option("--level", default="", help="The protection that it gives, as 'counsel only'.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The new bundle's file.")
@click.option("--preview", is_flag=True, help="Write nothing; print what a reader of the new bundle would see.")
@says_refusals
def command(
    bundle: Path,
    hide: tuple[str, ...],
    withhold: tuple[int, ...],
    by: str,
    reason: str,
    words: str,
    label: str,
    docket: str,
    level: str,
    out: Path | None,
    preview: bool,
) -> None:
    """Make a bundle out of BUNDLE in which some of it is left out, provably there and with a reason.

    BUNDLE is not changed. What readers will and will not see is printed, entry by entry. Reports that lie in BUNDLE are not
    taken over, because they repeat its words; new ones are written of what is left. Who verifies a bundle with withheld
    entries says --allow-withheld.
    """
    if (out is None) != preview:
        raise click.UsageError("Give --out or --preview, one of them.")
    if not hide and not withhold:
        raise click.UsageError("Say what to leave out: --hide or --withhold.")
    if out is not None and out.exists():
        raise BadRedaction(f"{out} stands already")
    cut = Cut(
        by,
        cast(Reason, reason),
        words,
        Label(label, docket, level),
        tuple(_place(each) for each in hide),
        tuple(dict.fromkeys(withhold)),
    )
    made = redact(bundles.load(bundle), cut)
    data = bundles.pack(with_reports(made.bundle))
    for line in _words(made):
        click.echo(printable(line))
    if out is None:
        click.echo("Nothing was written.")
        return
    write_new(out, data)
    click.echo(f"{out}: written; {bundle} is as it was.")


def _place(text: str) -> tuple[int | None, str | None]:
    seq, cut, field = text.partition(":")
    if not cut or not field or not (seq == "*" or (seq.isascii() and seq.isdecimal() and int(seq) > 0)):
        raise BadRedaction(f"{text[:40]!r} is not SEQ:FIELD, such as 3:text, 3:* or *:severity")
    return (None if seq == "*" else int(seq)), (None if field == "*" else field)


def _words(made: Redacted) -> Iterator[str]:
    yield "What a reader of the new bundle sees:"
    for line in made.lines:
        yield from _line(line)
    hidden = sum(len(item.fields) for line in made.lines for item in line.hidden)
    gone, count = made.withheld, len(made.lines)
    yield f"{count} entries: {count - len(gone)} shown, {len(gone)} withheld; {hidden} field(s) named as hidden."
    if gone:
        yield f"Withheld, provably there, each a gap that everybody sees: {', '.join(map(str, gone))}."
        yield (
            f"The ladder can be replayed from it up to entry {made.replayed} of {count}; after that its state is the hub's "
            "signed claim."
        )
    yield "Of every shown entry its author, kind, time, marking and act stay readable; of a withheld one, its place in the log."


def _line(line: Line) -> Iterator[str]:
    if line.entry is None:
        yield f"  {line.seq:>6}  WITHHELD"
    else:
        yield f"  {line.seq:>6}  {_head(line.entry)}"
        yield f"          shown: {', '.join(line.shown) or 'no words'}"
    yield from (f"          NOT shown: {_what(item)} (by {item.by}: {item.why})" for item in line.hidden)
    if line.others:
        yield f"          up to {line.others} more digest(s): decoys, or fields that nobody names"


def _head(entry: Entry) -> str:
    payload = entry.payload
    act = f" {to_json(payload.act).decode()}" if payload.act else ""
    return f"{payload.claimed}  {payload.office:<8} {entry.kind.title} [{payload.kind}]{act}"


def _what(item: Redaction) -> str:
    return ", ".join(item.fields) if item.fields else "the whole entry"
