"""Every single byte of a bundle changed: which changes does an audit not see, and why is each of those harmless?

``python -m tests.mediation.audit.mutation`` goes through every byte (some twenty minutes); the tests take some of them.
What is left undetected must be of one of the `HARMLESS` sorts, each of which is checked, not believed: the places are listed in
docs/reference/evidence.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice

from hotline import bundles
from mediation.audit import EntryReport, Report, Trust, WithheldReport, verify
from protocols.bundle import BundleMalformed, read_bundle, write_bundle
from protocols.encoding import digest, from_json, to_json
from protocols.translog import parse_policy
from tests.docs.example_bundle import ACCORD, BUNDLE, POLICY_FILE, ROOT_FILE

MASKS = (0x01, 0x20)
"""How a byte is changed: to its neighbour, and a letter to its other case."""
BIG, BIG_STRIDE = 10_000, 16
HARMLESS = {
    "report": "report.html, report.txt: written for people; nothing is read out of them",
    "sheet": "redactions.json: what the bundle's maker says of who left something out and why; a claim, and told as one",
    "cosigner": "name or key id of a cosignature: that cosignature counts for nothing any more, so that less is proven",
    "token": "parts of a time-stamp token that its authority does not sign: what it says is the same",
}
_GRADES = (None, "L0", "L1", "L2", "L3")
_UNDETERMINED = (None, "UNDETERMINED")
_COSIGNER = re.compile(
    rb"^\xe2\x80\x94 (\S+ .{6})", re.MULTILINE
)  # 6 characters of base64 hold the 4 bytes of the key id


@cache
def original() -> dict[str, bytes]:
    """The shipped example: of every sort of file one at least."""
    return write_bundle(bundles.load(BUNDLE))


@cache
def trust() -> Trust:
    return Trust(parse_policy(POLICY_FILE.read_bytes()), ACCORD, authorities=(ROOT_FILE.read_bytes(),))


def audit(files: Mapping[str, bytes]) -> Report:
    """Raises `BundleMalformed`."""
    return verify(read_bundle(files), trust(), allow_withheld=True)


@cache
def good() -> Report:
    report = audit(original())
    assert report.holds, report.problems
    return report


def places(every: int = 1) -> Iterator[tuple[str, int]]:
    """Every byte of the files, every `BIG_STRIDE`-th of the big ones; of those every ``every``-th."""
    found = (
        (name, place)
        for name, data in original().items()
        for place in range(0, len(data), BIG_STRIDE if len(data) >= BIG else 1)
    )
    return islice(found, 0, None, every)


def changed(name: str, place: int, mask: int) -> dict[str, bytes]:
    """The files with one byte changed and nothing else."""
    data = bytearray(original()[name])
    data[place] ^= mask
    return {**original(), name: bytes(data)}


def made_to_fit(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """The files with a manifest that says of ``name`` what is so."""
    manifest = from_json(files["manifest.json"])
    manifest["files"][name] = [len(files[name]), digest(files[name])]
    return {**files, "manifest.json": to_json(manifest) + b"\n"}


def detected(files: Mapping[str, bytes]) -> bool:
    """Whether a bundle is refused, or found to be unsound."""
    try:
        return not audit(files).sound
    except BundleMalformed:
        return True


def undetected(name: str, place: int, mask: int) -> str | None:
    """Of a change with a manifest made to fit: None if it is detected, else which of `HARMLESS` it is.

    Raises `AssertionError` for one that is neither detected nor harmless.
    """
    try:
        found = audit(made_to_fit(changed(name, place, mask), name))
    except BundleMalformed:
        return None
    if not found.sound:
        return None
    for sort, holds in (
        ("report", name in ("report.html", "report.txt") and found == good()),
        ("token", name.endswith(".tsr") and found == good()),
        ("sheet", name == "redactions.json" and _bare(found) == _bare(good())),
        ("cosigner", _in_cosigner(original()[name], place) and _proves_no_more(found, good())),
    ):
        if holds:
            return sort
    raise AssertionError(f"{name}, byte {place}, by {mask:#x}: neither detected nor harmless")


def _in_cosigner(data: bytes, place: int) -> bool:
    log = b"line.example/log "
    return any(
        match.start(1) <= place < match.end(1) and not match[1].startswith(log) for match in _COSIGNER.finditer(data)
    )


def _bare(report: Report) -> Report:
    """Without what the sheet claims of those who left something out; which fields and entries they are stays."""
    return replace(
        report,
        entries=tuple(replace(each, redactions=_places(each)) for each in report.entries),
        withheld=tuple(replace(each, redactions=_places(each)) for each in report.withheld),
    )


def _places(entry: EntryReport | WithheldReport) -> tuple[object, ...]:
    return tuple(each.fields for each in entry.redactions)


def _proves_no_more(found: Report, than: Report) -> bool:
    """Whether every interval is as wide or wider, every grade as low or lower, every verdict the same or none."""
    return all(
        (
            all(_wider(a, b) for a, b in zip(_dated(found), _dated(than), strict=True)),
            all(
                now in (then, *_UNDETERMINED)
                for a, b in zip(found.clocks, than.clocks, strict=True)
                for now, then in ((a.wait, b.wait), (a.deadline, b.deadline), (a.relied, b.relied))
            ),
            [entry.fields for entry in found.entries] == [entry.fields for entry in than.entries],
            found.rung == than.rung and found.replayed == than.replayed and found.missing == than.missing,
        )
    )


def _dated(report: Report) -> Iterable[EntryReport | WithheldReport]:
    return (*report.entries, *report.withheld)


def _wider(found: EntryReport | WithheldReport, than: EntryReport | WithheldReport) -> bool:
    late = found.by is None or (than.by is not None and found.by >= than.by)
    if isinstance(found, EntryReport) and isinstance(than, EntryReport):
        early = found.after is None or (than.after is not None and found.after <= than.after)
        if not early or (found.office, found.kind, found.id) != (than.office, than.kind, than.id):
            return False
    return late and _GRADES.index(found.grade) <= _GRADES.index(than.grade) and found.seq == than.seq


def main() -> None:
    """Every byte, both as it stands and with the manifest made to fit."""
    sorts: Counter[tuple[str, str]] = Counter()
    for count, (name, place) in enumerate(places()):
        mask = MASKS[count % len(MASKS)]
        assert detected(changed(name, place, mask)), (name, place, mask)
        if name != "manifest.json":
            sort = undetected(name, place, mask)
            sorts[name if sort else "all files", sort or "detected"] += 1
        if place == 0:
            print(name, count, flush=True)
    for (name, sort), number in sorted(sorts.items()):
        print(f"{number:>8}  {sort}  {name}")


if __name__ == "__main__":
    main()
