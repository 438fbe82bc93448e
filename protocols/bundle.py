"""The evidence bundle: one thread as files that an auditor can check on a machine that has never seen the hub.

::

    manifest.json        which files there are; a table of contents, no authority
    final.checkpoint     the newest head of the log that the exporter held, with its cosignatures (C2SP tlog-checkpoint)
    policy               the witness policy the exporter went by; information only: a verifier brings its own
    accord.jws           the accord
    ladder.toml          the exact bytes of the thread's ladder
    mandates/NNN.jws     mandates, from 001
    NNNNNN.leaf          entry of that number in the thread (``seq``, from 000001): the log's leaf, byte for byte
    NNNNNN.tlog-proof    its inclusion proof (C2SP tlog-proof)
    NNNNNN.disclose      optional: disclosed fields of its body, joined by ``~``

Nothing here is verified; `mediation.replay` does that. Reading only makes sure that what is there is all of it, once,
and within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from protocols.accord import MAX_ACCORD_BYTES
from protocols.disclosure import MAX_BODY_BYTES
from protocols.encoding import digest, from_json, to_json
from protocols.entry import MAX_LEAF_BYTES, Entry, ThreadId
from protocols.errors import RemoteError
from protocols.kinds import Name, Open, Rekey
from protocols.mandate import MAX_MANDATE_BYTES
from protocols.translog.note import MAX_NOTE_BYTES
from protocols.translog.policy import MAX_POLICY_BYTES
from protocols.translog.proof import MAX_PROOF_BYTES

MAX_ENTRIES = 100_000
MAX_MANDATES = 999
MAX_LADDER_BYTES = 1 << 20
MAX_DISCLOSE_BYTES = 2 * MAX_BODY_BYTES
MAX_MANIFEST_BYTES = 64 << 20
MAX_BUNDLE_BYTES = 512 << 20
MAX_FILES = 3 * MAX_ENTRIES + MAX_MANDATES + 5

_ENTRY = re.compile(r"([0-9]{6})\.(leaf|tlog-proof|disclose)", re.ASCII)
_MANDATE = re.compile(r"mandates/([0-9]{3})\.jws", re.ASCII)
_NAMED = {
    "manifest.json": MAX_MANIFEST_BYTES,
    "final.checkpoint": MAX_NOTE_BYTES,
    "policy": MAX_POLICY_BYTES,
    "accord.jws": MAX_ACCORD_BYTES,
    "ladder.toml": MAX_LADDER_BYTES,
}
_NUMBERED = {
    "leaf": MAX_LEAF_BYTES,
    "tlog-proof": MAX_PROOF_BYTES,
    "disclose": MAX_DISCLOSE_BYTES,
}


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


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One entry: exact leaf, proof file, and what is disclosed of its body."""

    leaf: bytes
    proof: bytes
    disclosures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's content. ``exhibits`` are in order of ``seq``, from 1, without a gap."""

    thread: str
    ladder_id: str
    checkpoint: bytes
    policy: bytes
    accord: bytes
    ladder: bytes
    mandates: tuple[bytes, ...]
    exhibits: tuple[Exhibit, ...]


def limit_of(name: str) -> int:
    """The most bytes a file of this name may have. Raises `BundleMalformed` for a name that no bundle holds."""
    if (found := _ENTRY.fullmatch(name)) is not None:
        return _NUMBERED[found[2]]
    if _MANDATE.fullmatch(name) is not None:
        return MAX_MANDATE_BYTES
    if name in _NAMED:
        return _NAMED[name]
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
        files[f"{seq:06d}.leaf"] = exhibit.leaf
        files[f"{seq:06d}.tlog-proof"] = exhibit.proof
        if exhibit.disclosures:
            files[f"{seq:06d}.disclose"] = "~".join(exhibit.disclosures).encode("ascii")
    manifest = _manifest(bundle.thread, bundle.ladder_id, len(bundle.exhibits), files)
    whole = {"manifest.json": manifest, **files}
    _check_sizes(whole)
    return whole


def read_bundle(files: Mapping[str, bytes]) -> Bundle:
    """The bundle in these files. Raises `BundleMalformed` unless they are exactly those that the manifest names."""
    _check_sizes(files)
    rest = {name: data for name, data in files.items() if name != "manifest.json"}
    try:
        value = from_json(files["manifest.json"], limit=MAX_MANIFEST_BYTES)
        manifest = msgspec.convert(value, Manifest, strict=True)
    except KeyError:
        raise BundleMalformed("no manifest.json") from None
    except (RemoteError, msgspec.ValidationError) as error:
        raise BundleMalformed(f"manifest.json: {error}") from None
    if manifest.format != 1 or not 1 <= manifest.entries <= MAX_ENTRIES:
        raise BundleMalformed("a manifest of another format, or of no entries")
    if files["manifest.json"] != _manifest(manifest.thread, manifest.ladder, manifest.entries, rest):
        raise BundleMalformed("the files are not those that the manifest names")
    mandates = sorted(name for name in rest if name.startswith("mandates/"))
    if mandates != [f"mandates/{number:03d}.jws" for number in range(1, len(mandates) + 1)]:
        raise BundleMalformed("the mandates are not numbered from 001")
    exhibits = tuple(_exhibit(rest, seq) for seq in range(1, manifest.entries + 1))
    extra = sum(1 for name in rest if _ENTRY.fullmatch(name)) - 2 * len(exhibits)
    if extra != sum(1 for exhibit in exhibits if exhibit.disclosures):
        raise BundleMalformed("files of entries beyond the last")
    return Bundle(
        manifest.thread,
        manifest.ladder,
        _need(rest, "final.checkpoint"),
        _need(rest, "policy"),
        _need(rest, "accord.jws"),
        _need(rest, "ladder.toml"),
        tuple(rest[name] for name in mandates),
        exhibits,
    )


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
    return to_json({"format": 1, "thread": thread, "ladder": ladder, "entries": entries, "files": table}) + b"\n"


def _check_sizes(files: Mapping[str, bytes]) -> None:
    if len(files) > MAX_FILES:
        raise BundleMalformed(f"more than {MAX_FILES} files")
    for name, data in files.items():
        if len(data) > limit_of(name):
            raise BundleMalformed(f"{name} has {len(data)} bytes")
    if sum(map(len, files.values())) > MAX_BUNDLE_BYTES:
        raise BundleMalformed(f"more than {MAX_BUNDLE_BYTES} bytes in all")


def _exhibit(files: Mapping[str, bytes], seq: int) -> Exhibit:
    disclosed = files.get(f"{seq:06d}.disclose")
    disclosures: tuple[str, ...] = ()
    if disclosed is not None:
        try:
            disclosures = tuple(disclosed.decode("ascii").split("~"))
        except UnicodeDecodeError:
            raise BundleMalformed(f"{seq:06d}.disclose is not ASCII") from None
    return Exhibit(_need(files, f"{seq:06d}.leaf"), _need(files, f"{seq:06d}.tlog-proof"), disclosures)


def _need(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BundleMalformed(f"{name} is missing")
    return files[name]
