"""Transparency-log vectors made by others: run them against ``protocols.translog``.

    python -m tests.vectors.translog FOLDER

prints one line for each kind of vector and a closing ``N passed, N failed``; the exit status is 1 if any failed. The
folder's README says where each file comes from and which of its cases we refuse on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from protocols.translog import (
    Accepted,
    CosignatureVerifier,
    Ed25519Verifier,
    Frontier,
    KeyKind,
    NoteVerifier,
    PolicyMalformed,
    Tile,
    TranslogError,
    VerifierKey,
    WitnessState,
    build_consistency,
    build_inclusion,
    build_root,
    consider_body,
    cosign,
    ed25519_cosigner,
    ed25519_signer,
    format_hash_tile,
    leaf_hash,
    open_checkpoint,
    open_note,
    parse_entry_tile,
    parse_hash_tile,
    parse_policy,
    parse_proof,
    parse_tile_path,
    parse_vkey,
    root_of,
    tile_path,
    verify_consistency,
    verify_inclusion,
)
from protocols.translog.tiles import parse_index

Json = Any  # cases are read as their authors wrote them
Nodes = dict[tuple[int, int], bytes]


@dataclass(frozen=True)
class Outcome:
    """One vector: ``detail`` is empty if our answer is the expected one."""

    kind: str
    name: str
    detail: str

    @property
    def passed(self) -> bool:
        return not self.detail


def expect(kind: str, name: str, valid: bool, action: Callable[[], object]) -> Outcome:
    """``action`` must raise a TranslogError exactly if the vector is not valid; any other exception is a failure."""
    try:
        action()
    except TranslogError as error:
        return Outcome(kind, name, f"refused: {error}" if valid else "")
    except Exception as error:
        return Outcome(kind, name, f"crashed: {error!r}")
    return Outcome(kind, name, "" if valid else "accepted what must be refused")


def equal(kind: str, name: str, got: object, want: object) -> Outcome:
    return Outcome(kind, name, "" if got == want else f"got {got!r}, want {want!r}")


def load(folder: Path, name: str) -> Json:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def b64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


# ---------------------------------------------------------------------------------------------------------------------
# The tree


def grow(leaves: Iterable[bytes]) -> tuple[Frontier, Nodes]:
    frontier, nodes = Frontier(), Nodes()
    for leaf in leaves:
        frontier, new = frontier.append(leaf_hash(leaf))
        nodes.update({(level, index): node for level, index, node in new})
    return frontier, nodes


def reader(nodes: Nodes, start: int = 0) -> Callable[[int, int], bytes]:
    """Reads the nodes of the subtree that begins at leaf ``start`` as if they were a tree's own."""
    return lambda level, index: nodes[level, index + (start >> level)]


def tdev_inclusion(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "tdev-inclusion")["cases"]:
        arguments = (
            b64(case["leafHash"]),
            case["leafIdx"],
            case["treeSize"],
            [b64(each) for each in case["proof"] or ()],
            b64(case["root"]),
        )
        yield expect(
            "tdev-inclusion",
            case["name"],
            not case["wantErr"],
            partial(verify_inclusion, *arguments),
        )


def tdev_consistency(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "tdev-consistency")["cases"]:
        arguments = (
            case["size1"],
            b64(case["root1"]),
            case["size2"],
            b64(case["root2"]),
            [b64(each) for each in case["proof"] or ()],
        )
        # README: one positive has a "root" of a few bytes; whoever insists on 32 refuses it on purpose.
        valid = not case["wantErr"] and len(arguments[1]) == 32
        yield expect(
            "tdev-consistency",
            case["name"],
            valid,
            partial(verify_consistency, *arguments),
        )


def rfc6962_tree8(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "rfc6962-tree8")["cases"]:
        leaves = [bytes.fromhex(each) for each in case["leaves"]]
        _, nodes = grow(leaves)
        want = {
            (level, index): bytes.fromhex(each)
            for level, row in enumerate(case["nodes"])
            for index, each in enumerate(row)
        }
        ours = {key: value for key, value in nodes.items() if key in want}
        roots = [root_of(leaf_hash(leaf) for leaf in leaves[:size]).hex() for size in range(len(leaves) + 1)]
        same = (ours, roots) == (want, case["roots"])
        yield Outcome("rfc6962-tree8", "tree of eight", "" if same else "nodes or roots differ")


def plants_subtree_accumulated(folder: Path) -> Iterator[Outcome]:
    # The fourth hash is about covering intervals of leaves by subtrees, which our log has no use for.
    want = {case["name"]: case["sha256"] for case in load(folder, "plants-subtree-accumulated")["cases"]}
    kind, largest = "plants-subtree-accumulated", 130
    _, nodes = grow(bytes([each]) for each in range(largest))

    def root(start: int, end: int) -> bytes:
        return build_root(end - start, reader(nodes, start))

    def inclusion(index: int, start: int, end: int) -> list[bytes]:
        return build_inclusion(index - start, end - start, reader(nodes, start))

    def consistency(start: int, end: int, size: int) -> list[bytes]:
        if start == 0 or start == end:
            return build_consistency(end, size, reader(nodes)) if start < end else []
        return subtree_consistency(start, end, 0, size, root)

    def line(words: str, proof: Iterable[bytes]) -> str:
        return "".join((words, *(f" {each.hex()}" for each in proof), "\n"))

    subtrees = [(start, end) for end in range(largest + 1) for start in range(end + 1) if is_subtree(start, end)]
    hashes = (f"[{start}, {end}) {root(start, end).hex()}\n" for start, end in subtrees)
    inclusions = (
        line(f"{index} [{start}, {end})", inclusion(index, start, end))
        for start, end in subtrees
        for index in range(start, end)
    )
    consistencies = (
        line(f"[{start}, {end}) {size}", consistency(start, end, size))
        for size in range(largest + 1)
        for start, end in subtrees
        if end <= size
    )
    for name, lines in (
        ("TestSubtreeHashVectors", hashes),
        ("TestSubtreeInclusionProofVectors", inclusions),
        ("TestSubtreeConsistencyProofVectors", consistencies),
    ):
        rolling = hashlib.sha256()
        for each in lines:
            rolling.update(each.encode())
        yield equal(kind, name, rolling.hexdigest(), want[name])


def is_subtree(start: int, end: int) -> bool:
    return start in (0, end) or start % (1 << (end - start - 1).bit_length()) == 0


def subtree_consistency(
    start: int, end: int, low: int, high: int, root: Callable[[int, int], bytes], whole: bool = True
) -> list[bytes]:
    """The draft's recursion for a subtree that does not begin at leaf 0."""
    if (start, end) == (low, high):
        return [] if whole else [root(low, high)]
    middle = low + (1 << ((high - low - 1).bit_length() - 1))
    if end <= middle:
        return [*subtree_consistency(start, end, low, middle, root, whole), root(middle, high)]
    if middle <= start:
        return [*subtree_consistency(start, end, middle, high, root, whole), root(low, middle)]
    return [*subtree_consistency(middle, end, middle, high, root, False), root(low, middle)]


# ---------------------------------------------------------------------------------------------------------------------
# Notes, keys, policies, proofs


def note_verifier(vkey: str) -> NoteVerifier:
    key = parse_vkey(vkey)
    return Ed25519Verifier(key) if key.kind is KeyKind.ED25519 else CosignatureVerifier(key)


def notes(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "notes")["cases"]:
        names: list[str] = []

        def opened(case: Json = case, names: list[str] = names) -> None:
            verifiers = [note_verifier(each) for each in case["keys"]]
            names.extend(each.name for each in open_note(b64(case["note_b64"]), verifiers).good)

        outcome = expect("notes", case["name"], case["valid"], opened)
        yield outcome if not outcome.passed else equal("notes", case["name"], names, case.get("verified", []))


def vkeys(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "vkeys")["cases"]:
        # README: this "positive" carries the key ID of another key; the specification says that it must match.
        valid = case["valid"] and case["name"] != "works: native algMLDSA44 verifier"
        yield expect("vkeys", case["name"], valid, partial(parse_vkey, case["vkey"]))


POLICY_REASONS = {
    "no quorum": "no quorum line",
    "control character": "a control character",
    "duplicate log": "duplicate key",
    "invalid log policy line": "not a policy line",
    "duplicate witness": "duplicate key",
    "duplicate name": "duplicate name",
    "undefined name": "undefined name",
    "already a member": "already a member",
    "cannot be a group member": "cannot be a group member",
}


def sigsum_policy_invalid(folder: Path) -> Iterator[Outcome]:
    """Sigsum writes hex keys where C2SP writes vkeys; after that change each must fail for the reason it is about."""
    kind = "sigsum-policy-invalid"

    def with_vkey(match: re.Match[str]) -> str:
        head, key = match.groups()
        seed = hashlib.sha256(key.encode()).digest()
        signer = ed25519_signer(f"log-{key[:3]}", seed) if head.startswith("log") else ed25519_cosigner("w", seed)
        return f"{head}{signer.key.vkey}"

    for case in load(folder, kind)["cases"]:
        reason = next(ours for theirs, ours in POLICY_REASONS.items() if theirs in case["error"])
        text = re.sub(r"((?:log|witness \S+) )([0-9a-f]{64})", with_vkey, case["policy"])
        if reason != "no quorum line" and "quorum" not in text:
            text += "quorum none\n"
        try:
            parse_policy(text)
        except PolicyMalformed as error:
            yield Outcome(kind, case["name"], "" if reason in error.detail else f"refused for: {error.detail}")
        else:
            yield Outcome(kind, case["name"], "accepted what must be refused")


def tlog_proof_syntax(folder: Path) -> Iterator[Outcome]:
    for case in load(folder, "tlog-proof-syntax")["cases"]:
        yield expect("tlog-proof-syntax", case["name"], case["valid"], partial(parse_proof, case["proof"]))


def cctv_ed25519(folder: Path) -> Iterator[Outcome]:
    """No key with a low-order part or a second spelling can be enrolled; every other key can."""
    unsafe = {"low_order_A", "low_order_component_A", "non_canonical_A"}
    for case in json.loads((folder / "cctv-ed25519.json").read_text(encoding="utf-8")):
        key = bytes.fromhex(case["key"])
        yield expect(
            "cctv-ed25519",
            str(case["number"]),
            not unsafe & set(case["flags"] or ()),
            partial(VerifierKey, "example.com/edge", KeyKind.ED25519, key),
        )


# ---------------------------------------------------------------------------------------------------------------------
# Witness and tiles


def witness_add_checkpoint(folder: Path) -> Iterator[Outcome]:
    file = load(folder, "witness-add-checkpoint")
    log = VerifierKey(file["log_origin"], KeyKind.ED25519, bytes.fromhex(file["log_pubkey_hex"]))
    witness = ed25519_cosigner("example.com/witness", hashlib.sha256(b"witness").digest())
    state: WitnessState | None = None
    for now, case in enumerate(file["cases"], start=1_700_000_000):
        watched = {log.name: (state, log)}
        answer = consider_body(case["body"].encode(), watched.get, now)
        if isinstance(answer, Accepted):
            state = answer.state
            body = cosign(answer.checkpoint, witness, answer.time).line
        else:
            body = answer.body
        good = answer.status == case["status"] and case["response"] in body
        if case["status"] == 409:
            good = good and body == case["response"]
        yield Outcome("witness-add-checkpoint", case["name"], "" if good else f"answered {answer.status} {body!r}")


def tile_paths(folder: Path) -> Iterator[Outcome]:
    """Go's sumdb spells tile/<height>/<level>/…; ours is the same without the height, which is always 8."""
    for case in load(folder, "tile-paths")["cases"]:
        parts = re.fullmatch(r"tile/(\d+)/(data|-?\d+)/(.*?)(?:\.p/(\d+))?", case["path"])
        got: list[int] | None = None
        if parts is not None:
            height, level, number, width = parts.groups()
            try:
                index = parse_index(number)
                full = parse_tile_path(tile_path(Tile(None if level == "data" else int(level), index)))
                got = [
                    int(height),
                    -1 if full.level is None else full.level,
                    full.index,
                    int(width or 1 << int(height)),
                ]
            except TranslogError:
                got = None
        yield equal("tile-paths", case["path"], got, case["tile"])


def tessera_testlog(folder: Path) -> Iterator[Outcome]:
    """A log written by another implementation: every checkpoint, hash tile and entry bundle of sizes 0 to 15."""
    kind, base = "tessera-testlog", folder / "tessera-testlog"
    key = parse_vkey((base / "VKEY").read_text(encoding="utf-8").strip())
    leaves: list[bytes] = []
    for size in range(1, 16):
        entries, hashes = Tile(None, 0, size), Tile(0, 0, size)
        name = entries.path
        content = (base / name).read_bytes()
        leaves = parse_entry_tile(entries, content)
        _, nodes = grow(leaves)
        ours = format_hash_tile(hashes, reader(nodes))
        theirs = (base / hashes.path).read_bytes()
        yield equal(kind, hashes.path, ours, theirs)
        yield equal(kind, name, [leaf_hash(each) for each in leaves], parse_hash_tile(hashes, theirs))
    for path in sorted(base.glob("checkpoint*")):

        def opened(path: Path = path) -> None:
            checkpoint = open_checkpoint(path.read_bytes(), key)
            root = root_of(leaf_hash(each) for each in leaves[: checkpoint.size])
            if root != checkpoint.root:
                raise ValueError("another root")

        yield expect(kind, path.name, True, opened)


KINDS: dict[str, Callable[[Path], Iterator[Outcome]]] = {
    "tdev-inclusion": tdev_inclusion,
    "tdev-consistency": tdev_consistency,
    "rfc6962-tree8": rfc6962_tree8,
    "plants-subtree-accumulated": plants_subtree_accumulated,
    "notes": notes,
    "vkeys": vkeys,
    "sigsum-policy-invalid": sigsum_policy_invalid,
    "tlog-proof-syntax": tlog_proof_syntax,
    "cctv-ed25519": cctv_ed25519,
    "witness-add-checkpoint": witness_add_checkpoint,
    "tile-paths": tile_paths,
    "tessera-testlog": tessera_testlog,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    folder = Path(arguments[0])
    passed = failed = 0
    for kind, run in KINDS.items():
        outcomes = list(run(folder))
        good = sum(each.passed for each in outcomes)
        print(f"{kind:<28} {good}/{len(outcomes)}")
        for each in outcomes:
            if not each.passed:
                print(f"    {each.name}: {each.detail}")
        passed += good
        failed += len(outcomes) - good
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
