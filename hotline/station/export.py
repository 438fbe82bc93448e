"""A thread's evidence out of a station's own store, with the fields its office chooses to disclose.

It works on the files of a station that is not running, with the station's passphrase where something is disclosed: what
others may read is a decision, and nothing of a body leaves the sealed store unless its field was named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hotline.bundles import NothingToExport
from hotline.errors import LocalFault
from hotline.station.vault import Vault
from hotline.store import station as tables
from hotline.store.engine import Store
from mediation.consent import lacking
from protocols.accord import SignedAccord, open_accord
from protocols.bundle import Bundle, Exhibit, involved
from protocols.encoding import from_json, unb64u
from protocols.entry import Entry, parse_entry
from protocols.errors import ProtocolError
from protocols.mandate import verify_mandate
from protocols.translog import open_with_policy, parse_policy


class CannotDisclose(LocalFault):
    """A field was named that no entry has, or that this station cannot read. ``detail`` says which."""

    code = "export.cannot-disclose"
    _sentence = "What was to be disclosed is not in this station's store. Nothing was exported."


class NoConsent(LocalFault):
    """The accord asks for both parties' consent, and the log does not hold it for these fields. ``detail`` names them."""

    code = "export.no-consent"
    _sentence = (
        "Your agreement asks for the consent of both parties before words are shown to outsiders, and the log does not hold "
        "it for all of these. Nothing was exported. Give a notice of disclosure in the incident that names exactly what you "
        "want to show, wait for the other side's yes, and export again once that is proven; without words you can export now."
    )


async def export_from_folder(
    folder: Path, thread: str, disclose: Sequence[str] = (), data_key: bytes | None = None
) -> tuple[Bundle, int]:
    """The evidence of a thread, and how many of its newest entries are left out because they have no proof yet.

    ``disclose``: ``SEQ:FIELD`` names, ``SEQ`` an entry's number or ``*``, ``FIELD`` a body's field or ``*``.
    ``data_key``: the key of the station's store (32 bytes), needed to disclose anything.

    Raises `NothingToExport`, `CannotDisclose`, `NoConsent`, `hotline.station.vault.StoreDamaged`.
    """
    wanted = [_parse(spec) for spec in disclose]
    if wanted and data_key is None:
        raise CannotDisclose("the station's passphrase is needed to disclose anything")
    try:
        accord = open_accord((folder / "accord.jws").read_bytes())
        ladders = {path.stem: path.read_bytes() for path in sorted((folder / "ladders").glob("*.toml"))}
    except (OSError, ProtocolError) as error:
        raise NothingToExport(f"{folder} is no station's folder: {error}") from error
    if not (folder / "station.db").is_file():
        raise NothingToExport(f"{folder} has no station.db")
    store = Store(folder / "station.db")
    try:
        rows = await _read(store, thread)
    finally:
        await store.close()
    ladder, entries, bodies, mandates, heads = rows
    if ladder not in ladders:
        raise NothingToExport("no such thread")
    checkpoint = _newest(accord, heads, entries)
    proven = _proven(entries)
    if checkpoint is None or not proven:
        raise NothingToExport("none of it has a proof yet")
    vault = None if data_key is None else Vault(data_key, _no_randomness)
    exhibits = tuple(
        Exhibit(row.leaf, row.proof.encode(), _disclosures(row, wanted, vault, bodies.get(row.id))) for row in proven
    )
    _all_found(wanted, exhibits, len(proven))
    parsed = [parse_entry(exhibit.leaf) for exhibit in exhibits]
    _check_consent(accord, parsed, exhibits)
    kids = involved(parsed)
    known = [verify_mandate(data, accord.accord) for data in mandates]
    bundle = Bundle(
        thread=thread,
        ladder_id=ladder,
        checkpoint=checkpoint.encode(),
        policy=accord.accord.policy.encode(),
        accord=accord.data,
        ladder=ladders[ladder],
        mandates=tuple(mandate.data for mandate in known if mandate.kid in kids),
        exhibits=exhibits,
    )
    return bundle, len(entries) - len(proven)


async def _read(
    store: Store, thread: str
) -> tuple[str, Sequence[Any], Mapping[str, bytes], Collection[bytes], Collection[str]]:
    async with store.read() as connection:
        found = sa.select(tables.threads.c.ladder).where(tables.threads.c.id == thread, ~tables.threads.c.outside)
        ladder = (await connection.execute(found)).scalar_one_or_none()
        if ladder is None:
            raise NothingToExport("this station does not hold the whole of that thread")
        e = tables.entries.c
        entries = (await connection.execute(sa.select(tables.entries).where(e.thread == thread).order_by(e.seq))).all()
        ids = sa.select(e.id).where(e.thread == thread)
        b = tables.bodies.c
        # A refused body's row holds why it was refused, not what it said.
        read = sa.select(tables.bodies).where(b.entry.in_(ids), b.how != "refused")
        bodies = (await connection.execute(read)).all()
        mandates = (
            (await connection.execute(sa.select(tables.mandates.c.data).order_by(tables.mandates.c.digest)))
            .scalars()
            .all()
        )
        heads = (await connection.execute(sa.select(tables.heads.c.note))).scalars().all()
    return ladder, entries, {row.entry: row.sealed for row in bodies}, mandates, heads


def _proven(entries: Sequence[Any]) -> list[Any]:
    """The entries from the first on that have a proof: a bundle has no gap."""
    proven = []
    for row in entries:
        if row.proof is None:
            break
        proven.append(row)
    return proven


def _newest(accord: SignedAccord, heads: Collection[str], entries: Sequence[Any]) -> str | None:
    """The head of the greatest size that the station holds, by itself or within a proof."""
    policy = parse_policy(accord.accord.policy)
    notes = {*heads, *(row.proof.partition("\n\n")[2] for row in entries if row.proof is not None)}
    sizes = {note: open_with_policy(note, policy).checkpoint.size for note in notes}
    return max(sizes, key=lambda note: sizes[note], default=None)


def _parse(spec: str) -> tuple[int | None, str | None]:
    seq, cut, field = spec.partition(":")
    if not cut or not field or not (seq == "*" or (seq.isascii() and seq.isdecimal() and int(seq) > 0)):
        raise CannotDisclose(f"{spec[:40]!r} is not SEQ:FIELD, such as 3:text, 3:* or *:severity")
    return (None if seq == "*" else int(seq)), (None if field == "*" else field)


def _disclosures(
    row: Any, wanted: Sequence[tuple[int | None, str | None]], vault: Vault | None, sealed: bytes | None
) -> tuple[str, ...]:
    names = {field for seq, field in wanted if seq in (None, row.seq)}
    if not names or vault is None or sealed is None:
        return ()
    texts = [str(text) for text in vault.open_json(f"bodies/{row.id}", sealed)]
    return tuple(text for text in texts if None in names or _name(text) in names)


def _name(disclosure: str) -> str:
    return str(from_json(unb64u(disclosure))[1])


def _all_found(wanted: Sequence[tuple[int | None, str | None]], exhibits: Sequence[Exhibit], count: int) -> None:
    """Each name must have disclosed something: an officer who misspells a field must not believe it is in there."""
    for seq, name in wanted:
        chosen = exhibits if seq is None else exhibits[seq - 1 : seq]
        found = {_name(text) for exhibit in chosen for text in exhibit.disclosures}
        if not found or (name is not None and name not in found):
            where = "any entry" if seq is None else f"entry {seq} of {count}"
            kinds = "" if seq is None or not chosen else f" ({parse_entry(chosen[0].leaf).payload.kind})"
            raise CannotDisclose(f"{name or 'a body'} is not readable here in {where}{kinds}")


def _check_consent(accord: SignedAccord, entries: Sequence[Entry], exhibits: Sequence[Exhibit]) -> None:
    """What the verifier will ask of the bundle, asked before it leaves the house."""
    shown = {
        seq: [_name(text) for text in each.disclosures] for seq, each in enumerate(exhibits, 1) if each.disclosures
    }
    missing = lacking(accord.accord, enumerate(entries, 1), shown)
    if missing:
        raise NoConsent(", ".join(f"{seq}:{name}" for seq, name in missing[:20]))


def _no_randomness(count: int) -> bytes:
    raise AssertionError("an export seals nothing")
