"""The questions that are put to foreign verifiers, read out of a bundle's files without the code under test."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocols.translog import format_entry_tile, format_hash_tile, tiles_of
from tests.protocols.translog.kit import Log, log_of


@dataclass(frozen=True)
class Checked:
    """A checkpoint as text."""

    note: str

    @property
    def size(self) -> int:
        return int(self.note.split("\n")[1])

    @property
    def root(self) -> str:
        return self.note.split("\n")[2]


@dataclass(frozen=True)
class Inclusion:
    """``hash``: of the leaf, base64, as are the hashes of ``proof``."""

    name: str
    head: Checked
    index: int
    hash: str
    proof: list[str]


@dataclass(frozen=True)
class Consistency:
    name: str
    old: Checked
    new: Checked
    proof: list[str]


def heads(files: Mapping[str, bytes]) -> dict[str, Checked]:
    return {
        name: Checked(data.decode())
        for name, data in files.items()
        if name == "final.checkpoint" or (name.startswith("cp.") and name.count(".") == 1)
    }


def inclusions(files: Mapping[str, bytes]) -> Iterator[Inclusion]:
    """Of every entry, withheld ones too, and of the tail."""
    for name, data in files.items():
        if not name.endswith(".tlog-proof"):
            continue
        stem = name.removesuffix(".tlog-proof")
        text, note = data.decode().split("\n\n", 1)
        _, index, *proof = text.split("\n")
        if f"{stem}.leaf" in files:
            found = hashlib.sha256(b"\0" + files[f"{stem}.leaf"]).digest()
        else:
            named = files[f"{stem}.withheld"].decode().split('"leaf_hash":"')[1].split('"')[0]
            found = base64.urlsafe_b64decode(named + "=")
        yield Inclusion(stem, Checked(note), int(index.removeprefix("index ")), base64.b64encode(found).decode(), proof)


def consistencies(files: Mapping[str, bytes]) -> Iterator[Consistency]:
    final = Checked(files["final.checkpoint"].decode())
    for name, head in heads(files).items():
        if name != "final.checkpoint":
            proof = files[f"{name}.consistency"].decode().split("\n")[:-1]
            yield Consistency(name, head, final, proof)


def tiles_of_log(folder: Path, size: int) -> Log:
    """A log of ``size`` leaves as tiles in ``folder``."""
    log = log_of(size)
    for tile in tiles_of(size):
        if tile.level is None:
            data = format_entry_tile(log.leaves[tile.index * 256 : tile.index * 256 + tile.width])
        else:
            data = format_hash_tile(tile, log.get_node)
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "checkpoint").write_text(log.note(size))
    return log
