"""The evidence bundle, format 2: one thread as files that an auditor can check on a machine that has never seen the hub.

::

    manifest.json        which files there are; a table of contents, no authority
    final.checkpoint     the newest head of the log that the exporter held, with its cosignatures (C2SP tlog-checkpoint)
    policy               the witness policy the exporter went by; information only: a verifier brings its own
    accord.jws           the accord
    ladder.toml          the exact bytes of the thread's ladder
    mandates/NNN.jws     mandates, from 001
    NNNNNN.leaf          entry of that number in the thread (``seq``, from 000001): the log's leaf, byte for byte
    NNNNNN.withheld      instead of the leaf: that there is an entry, and its hashes (`Withheld`)
    NNNNNN.tlog-proof    its inclusion proof (C2SP tlog-proof), for a withheld entry too
    NNNNNN.disclose      optional: disclosed fields of its body, joined by ``~``
    cp.NNN               other heads, from 001 by size: those that entries have ``seen``, that proofs lead to, that show an
                         absence; beyond 999 with more digits
    cp.NNN.consistency   its consistency proof to the final head: base64 hashes, one a line; empty for the same tree
    cp.NNN.tsr           optional: RFC 3161 TimeStampResp (DER) over that note's exact bytes; ``final.tsr`` likewise
    tail.leaf            optional: the newest leaf with the ends of threads that names this one, ...
    tail.tlog-proof      ... its proof, ...
    tail.disclose        ... and the one disclosure that opens this thread's end
    redactions.json      optional: what was left out, and why
    report.html          optional, for people, as is report.txt: the verifier's own run is the authority

Nothing here is verified; `mediation.audit` does that. Reading only makes sure that what is there is all of it, once,
and within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from protocols.accord import MAX_ACCORD_BYTES
from protocols.disclosure import MAX_BODY_BYTES
from protocols.encoding import b64u, digest, from_json, to_json, unb64u
from protocols.entry import MAX_LEAF_BYTES, Entry, ThreadId
from protocols.errors import RemoteError
from protocols.kinds import Id, Name, Open, Rekey
from protocols.mandate import MAX_MANDATE_BYTES
from protocols.translog.note import MAX_NOTE_BYTES
from protocols.translog.policy import MAX_POLICY_BYTES
from protocols.translog.proof import MAX_PROOF_BYTES

FORMAT: Literal[2] = 2
MAX_ENTRIES = 100_000
MAX_MANDATES = 999
MAX_HEADS = 20_000
MAX_LADDER_BYTES = 1 << 20
MAX_DISCLOSE_BYTES = 2 * MAX_BODY_BYTES
MAX_MANIFEST_BYTES = 64 << 20
MAX_WITHHELD_BYTES = 256
MAX_CONSISTENCY_BYTES = 63 * 45
MAX_TOKEN_BYTES = 64 << 10
MAX_REDACTIONS_BYTES = 8 << 20
MAX_REPORT_BYTES = 64 << 20
MAX_BUNDLE_BYTES = 512 << 20
MAX_FILES = 3 * MAX_ENTRIES + 3 * MAX_HEADS + MAX_MANDATES + 12

REPORTS = ("report.html", "report.txt")

_ENTRY = re.compile(r"([0-9]{6})\.(leaf|withheld|tlog-proof|disclose)", re.ASCII)
_MANDATE = re.compile(r"mandates/([0-9]{3})\.jws", re.ASCII)
_HEAD = re.compile(r"cp\.([0-9]{3}|[1-9][0-9]{3,4})(|\.consistency|\.tsr)", re.ASCII)
_NAMED = {
    "manifest.json": MAX_MANIFEST_BYTES,
    "final.checkpoint": MAX_NOTE_BYTES,
    "final.tsr": MAX_TOKEN_BYTES,
    "policy": MAX_POLICY_BYTES,
    "accord.jws": MAX_ACCORD_BYTES,
    "ladder.toml": MAX_LADDER_BYTES,
    "tail.leaf": MAX_LEAF_BYTES,
    "tail.tlog-proof": MAX_PROOF_BYTES,
    "tail.disclose": MAX_DISCLOSE_BYTES,
    "redactions.json": MAX_REDACTIONS_BYTES,
    **dict.fromkeys(REPORTS, MAX_REPORT_BYTES),
}
_NUMBERED = {
    "leaf": MAX_LEAF_BYTES,
    "withheld": MAX_WITHHELD_BYTES,
    "tlog-proof": MAX_PROOF_BYTES,
    "disclose": MAX_DISCLOSE_BYTES,
}
_OF_HEAD = {"": MAX_NOTE_BYTES, ".consistency": MAX_CONSISTENCY_BYTES, ".tsr": MAX_TOKEN_BYTES}


class BundleMalformed(RemoteError):
    """Files that are not an evidence bundle, or not a whole one."""

    code = "bundle.malformed"
    _sentence = (
        "This is not a complete evidence bundle: a file is missing, changed, superfluous or too large. It proves nothing "
        "as it stands; ask for it again."
    )


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``manifest.json``. ``files``: every other file's name to its size in bytes and SHA-256 (base64url)."""

    format: int
    thread: ThreadId
    ladder: Name
    entries: int
    files: dict[str, tuple[int, str]]


class Withheld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry that is left out: what still proves that it is there.

    ``leaf_hash``: RFC 6962 leaf hash, which its inclusion proof starts from; ``digest``: SHA-256 of the leaf, which the
    next entry's stamp carries as ``chain``; both base64url. ``index``: of the leaf in the log.
    """

    leaf_hash: Id
    digest: Id
    index: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One entry: exact leaf, proof file, and what is disclosed of its body. A withheld one has an empty ``leaf``."""

    leaf: bytes
    proof: bytes
    disclosures: tuple[str, ...] = ()
    withheld: Withheld | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Another head than the final one: the note, the proof file that leads from it to the final head (see
    ``format_consistency`` in `protocols.translog`), and a time-stamp token over the note's exact bytes."""

    note: bytes
    consistency: bytes
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """What the hub logged about the ends of its threads: that leaf, its proof file, the disclosure of this thread's."""

    leaf: bytes
    proof: bytes
    disclosure: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's content. ``exhibits`` are in order of ``seq``, from 1, without a gap; ``heads`` in order of size."""

    thread: str
    ladder_id: str
    checkpoint: bytes
    policy: bytes
    accord: bytes
    ladder: bytes
    mandates: tuple[bytes, ...]
    exhibits: tuple[Exhibit, ...]
    heads: tuple[Head, ...] = ()
    final_token: bytes | None = None
    tail: Tail | None = None
    redactions: bytes | None = None
    reports: Mapping[str, bytes] = field(default_factory=dict)


def limit_of(name: str) -> int:
    """The most bytes a file of this name may have. Raises `BundleMalformed` for a name that no bundle holds."""
    if (found := _ENTRY.fullmatch(name)) is not None:
        return _NUMBERED[found[2]]
    if name in _NAMED:
        return _NAMED[name]
    if _MANDATE.fullmatch(name) is not None:
        return MAX_MANDATE_BYTES
    if (found := _HEAD.fullmatch(name)) is not None:
        return _OF_HEAD[found[2]]
    raise BundleMalformed(f"a file called {name[:80]!r}")


def write_bundle(bundle: Bundle) -> dict[str, bytes]:
    """The files by name. Raises `BundleMalformed` where a bundle could not hold them."""
    files = {
        "final.checkpoint": bundle.checkpoint,
        "policy": bundle.policy,
        "accord.jws": bundle.accord,
        "ladder.toml": bundle.ladder,
    }
    files |= {f"mandates/{number:03d}.jws": data for number, data in enumerate(bundle.mandates, 1)}
    for seq, exhibit in enumerate(bundle.exhibits, 1):
        files |= _exhibit_files(seq, exhibit)
    for number, head in enumerate(bundle.heads, 1):
        files[f"cp.{number:03d}"] = head.note
        files[f"cp.{number:03d}.consistency"] = head.consistency
        if head.token is not None:
            files[f"cp.{number:03d}.tsr"] = head.token
    if bundle.tail is not None:
        files["tail.leaf"] = bundle.tail.leaf
        files["tail.tlog-proof"] = bundle.tail.proof
        files["tail.disclose"] = _ascii(bundle.tail.disclosure)
    if bundle.final_token is not None:
        files["final.tsr"] = bundle.final_token
    if bundle.redactions is not None:
        files["redactions.json"] = bundle.redactions
    if not set(bundle.reports) <= set(REPORTS):
        raise BundleMalformed("a report of another name")
    files |= bundle.reports
    manifest = _manifest(bundle.thread, bundle.ladder_id, len(bundle.exhibits), files)
    whole = {"manifest.json": manifest, **files}
    _check_sizes(whole)
    return whole


def read_bundle(files: Mapping[str, bytes]) -> Bundle:
    """The bundle in these files. Raises `BundleMalformed` unless they are exactly those that the manifest names."""
    _check_sizes(files)
    rest = {name: data for name, data in files.items() if name != "manifest.json"}
    manifest = _read_manifest(files, rest)
    mandates = sorted(name for name in rest if name.startswith("mandates/"))
    if mandates != [f"mandates/{number:03d}.jws" for number in range(1, len(mandates) + 1)]:
        raise BundleMalformed("the mandates are not numbered from 001")
    used = {"final.checkpoint", "policy", "accord.jws", "ladder.toml", *mandates}
    exhibits = tuple(_exhibit(rest, seq, used) for seq in range(1, manifest.entries + 1))
    heads = tuple(_heads(rest, used))
    found = Bundle(
        thread=manifest.thread,
        ladder_id=manifest.ladder,
        checkpoint=_need(rest, "final.checkpoint"),
        policy=_need(rest, "policy"),
        accord=_need(rest, "accord.jws"),
        ladder=_need(rest, "ladder.toml"),
        mandates=tuple(rest[name] for name in mandates),
        exhibits=exhibits,
        heads=heads,
        final_token=_take(rest, "final.tsr", used),
        tail=_tail(rest, used),
        redactions=_take(rest, "redactions.json", used),
        reports={name: data for name in REPORTS if (data := _take(rest, name, used)) is not None},
    )
    if left := sorted(set(rest) - used):
        raise BundleMalformed(f"a file that belongs to nothing: {left[0]}")
    return found


def withhold(leaf: bytes, index: int, leaf_hash: bytes) -> Withheld:
    """What stands in for a leaf (its exact bytes) at ``index`` of the log. ``leaf_hash``: RFC 6962, 32 bytes."""
    return Withheld(b64u(leaf_hash), digest(leaf), index)


def involved(entries: Iterable[Entry]) -> set[str]:
    """Key ids of everybody who signed these entries or was let in by them: whose mandates a bundle needs."""
    kids: set[str] = set()
    for entry in entries:
        kids |= {signature.kid for signature in entry.jws.signatures}
        if entry.draft is not None:
            kids.add(entry.draft.signature.kid)
        act = entry.act
        members = act.roster if isinstance(act, Open) else act.adds if isinstance(act, Rekey) else ()
        kids |= {member.station for member in members}
    return kids


def _manifest(thread: str, ladder: str, entries: int, files: Mapping[str, bytes]) -> bytes:
    table = {name: (len(files[name]), digest(files[name])) for name in sorted(files)}
    return to_json({"format": FORMAT, "thread": thread, "ladder": ladder, "entries": entries, "files": table}) + b"\n"


def _read_manifest(files: Mapping[str, bytes], rest: Mapping[str, bytes]) -> Manifest:
    try:
        value = from_json(files["manifest.json"], limit=MAX_MANIFEST_BYTES)
        manifest = msgspec.convert(value, Manifest, strict=True)
    except KeyError:
        raise BundleMalformed("no manifest.json") from None
    except (RemoteError, msgspec.ValidationError) as error:
        raise BundleMalformed(f"manifest.json: {error}") from None
    if manifest.format != FORMAT or not 1 <= manifest.entries <= MAX_ENTRIES:
        raise BundleMalformed("a manifest of another format, or of no entries")
    if files["manifest.json"] != _manifest(manifest.thread, manifest.ladder, manifest.entries, rest):
        raise BundleMalformed("the files are not those that the manifest names")
    return manifest


def _check_sizes(files: Mapping[str, bytes]) -> None:
    if len(files) > MAX_FILES:
        raise BundleMalformed(f"more than {MAX_FILES} files")
    for name, data in files.items():
        if len(data) > limit_of(name):
            raise BundleMalformed(f"{name} has {len(data)} bytes")
    if sum(map(len, files.values())) > MAX_BUNDLE_BYTES:
        raise BundleMalformed(f"more than {MAX_BUNDLE_BYTES} bytes in all")


def _exhibit_files(seq: int, exhibit: Exhibit) -> dict[str, bytes]:
    name = f"{seq:06d}"
    files = {f"{name}.tlog-proof": exhibit.proof}
    if exhibit.withheld is None:
        files[f"{name}.leaf"] = exhibit.leaf
        if exhibit.disclosures:
            files[f"{name}.disclose"] = _ascii("~".join(exhibit.disclosures))
    elif exhibit.leaf or exhibit.disclosures:
        raise BundleMalformed(f"entry {seq} is withheld and shown")
    else:
        files[f"{name}.withheld"] = _withheld_bytes(exhibit.withheld)
    return files


def _exhibit(files: Mapping[str, bytes], seq: int, used: set[str]) -> Exhibit:
    name = f"{seq:06d}"
    used.add(f"{name}.tlog-proof")
    proof = _need(files, f"{name}.tlog-proof")
    hidden = _take(files, f"{name}.withheld", used)
    if hidden is not None:
        return Exhibit(b"", proof, (), _read_withheld(f"{name}.withheld", hidden))
    used.add(f"{name}.leaf")
    disclosed = _take(files, f"{name}.disclose", used)
    shown = () if disclosed is None else tuple(_text(f"{name}.disclose", disclosed).split("~"))
    return Exhibit(_need(files, f"{name}.leaf"), proof, shown)


def _heads(files: Mapping[str, bytes], used: set[str]) -> Iterable[Head]:
    for number in range(1, MAX_HEADS + 1):
        name = f"cp.{number:03d}"
        note = _take(files, name, used)
        if note is None:
            return
        used.add(f"{name}.consistency")
        yield Head(note, _need(files, f"{name}.consistency"), _take(files, f"{name}.tsr", used))


def _tail(files: Mapping[str, bytes], used: set[str]) -> Tail | None:
    leaf = _take(files, "tail.leaf", used)
    if leaf is None:
        return None
    used |= {"tail.tlog-proof", "tail.disclose"}
    disclosure = _text("tail.disclose", _need(files, "tail.disclose"))
    return Tail(leaf, _need(files, "tail.tlog-proof"), disclosure)


def _withheld_bytes(withheld: Withheld) -> bytes:
    return to_json(msgspec.to_builtins(withheld)) + b"\n"


def _read_withheld(name: str, data: bytes) -> Withheld:
    try:
        found = msgspec.convert(from_json(data, limit=MAX_WITHHELD_BYTES), Withheld, strict=True)
        unb64u(found.leaf_hash, size=32)
        unb64u(found.digest, size=32)
    except (RemoteError, msgspec.ValidationError) as error:
        raise BundleMalformed(f"{name}: {error}") from None
    if _withheld_bytes(found) != data:
        raise BundleMalformed(f"{name} is not in its one form")
    return found


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise BundleMalformed("a disclosure is not ASCII") from None


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise BundleMalformed(f"{name} is not ASCII") from None


def _take(files: Mapping[str, bytes], name: str, used: set[str]) -> bytes | None:
    if name in files:
        used.add(name)
    return files.get(name)


def _need(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BundleMalformed(f"{name} is missing")
    return files[name]
