"""Go's sumdb libraries, as Debian packages them, check our notes, proofs and tiles."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotline import bundles
from hotline.hub.tiles import export_tiles
from protocols.bundle import write_bundle
from protocols.translog import leaf_hash
from tests.docs.example_bundle import BUNDLE, POLICY_FILE
from tests.foreign.kit import Consistency, Inclusion, consistencies, heads, inclusions, tiles_of_log
from tests.hotline.hub.stored import make_folder
from tests.protocols.translog.kit import LOG, log_of

GO, SOURCES = shutil.which("go"), Path("/usr/share/gocode")
pytestmark = pytest.mark.skipif(
    GO is None or not (SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="SKIPPED LOUDLY: Go did not check our proofs (apt-get install golang-go golang-golang-x-mod-dev)",
)
Ask = Callable[..., list[str]]
FILES = write_bundle(bundles.load(BUNDLE))
VKEY = POLICY_FILE.read_text().split("\n")[0].removeprefix("log ")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Puts questions to the program; its answers."""
    folder = tmp_path_factory.mktemp("go")
    places = {"GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off", "GOPATH": str(SOURCES)}
    environment = {**os.environ, **places, "GOCACHE": str(folder / "cache")}
    program = folder / "verifier"
    source = Path(__file__).with_name("verifier.go")
    command = [GO or "go", "build", "-o", str(program), str(source)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)

    def put(*questions: dict[str, Any]) -> list[str]:
        lines = "".join(json.dumps(each) + "\n" for each in questions)
        done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.splitlines()

    return put


def of_inclusion(found: Inclusion, **changes: Any) -> dict[str, Any]:
    members = {"size": found.head.size, "root": found.head.root, "index": found.index, "hash": found.hash}
    return {"do": "inclusion", **members, "proof": found.proof, **changes}


def of_consistency(found: Consistency, **changes: Any) -> dict[str, Any]:
    members = {"size": found.new.size, "root": found.new.root, "old": found.old.size, "old_root": found.old.root}
    return {"do": "consistency", **members, "proof": found.proof, **changes}


def other(text: str) -> str:
    """Another hash."""
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return base64.b64encode(data).decode()


def test_go_opens_every_head_of_a_bundle(ask: Ask) -> None:
    found = heads(FILES)
    assert len(found) == 8
    assert set(ask(*({"do": "note", "vkey": VKEY, "note": head.note} for head in found.values()))) == {"ok"}
    (text,) = ask({"do": "text", "vkey": VKEY, "note": found["final.checkpoint"].note})
    assert base64.b64decode(text).decode() == found["final.checkpoint"].note.split("\n\n")[0] + "\n"


def test_go_refuses_a_head_that_was_changed(ask: Ask) -> None:
    note = heads(FILES)["final.checkpoint"].note
    for changed in (note.replace("\n8\n", "\n9\n"), note.replace("line.example/log Ei43", "line.example/log Ej43")):
        assert changed != note
        assert ask({"do": "note", "vkey": VKEY, "note": changed})[0].startswith("refused: ")


def test_go_finds_every_entry_in_the_log_withheld_ones_and_the_tail_too(ask: Ask) -> None:
    found = list(inclusions(FILES))
    assert {each.name for each in found} == {f"00000{seq}" for seq in range(1, 7)} | {"tail"}
    assert set(ask(*(of_inclusion(each) for each in found))) == {"ok"}


def test_go_refuses_what_we_refuse_of_an_inclusion(ask: Ask) -> None:
    found = next(inclusions(FILES))
    changes: list[dict[str, Any]] = [
        {"index": found.index + 1},
        {"hash": other(found.hash)},
        {"root": other(found.head.root)},
        {"proof": found.proof[:-1]},
        {"proof": [*found.proof, found.proof[0]]},
        {"proof": [other(found.proof[0]), *found.proof[1:]]},
        {"size": found.index},
    ]
    answers = ask(*(of_inclusion(found, **change) for change in changes))
    assert len(answers) == len(changes)
    assert all(answer.startswith("refused: ") for answer in answers), answers


def test_go_follows_every_head_to_the_final_one(ask: Ask) -> None:
    found = list(consistencies(FILES))
    assert len(found) == 7
    assert set(ask(*(of_consistency(each) for each in found))) == {"ok"}
    last = found[-1]
    changes: list[dict[str, Any]] = [
        {"old_root": other(last.old.root)},
        {"root": other(last.new.root)},
        {"proof": last.proof[:-1]},
        {"proof": [*last.proof, last.proof[0]]},
        {"old": last.old.size - 1},
    ]
    answers = ask(*(of_consistency(last, **change) for change in changes))
    assert all(answer.startswith("refused: ") for answer in answers), answers


def test_go_takes_our_proofs_of_a_larger_log(ask: Ask) -> None:
    log = log_of(300)
    questions = []
    for size in (1, 2, 3, 7, 8, 64, 255, 256, 257, 300):
        root = base64.b64encode(log.checkpoint(size).root).decode()
        for index in {0, size // 2, size - 1}:
            hashes = [base64.b64encode(each).decode() for each in log.inclusion(index, size)]
            leaf = base64.b64encode(leaf_hash(log.leaves[index])).decode()
            question = {"do": "inclusion", "size": size, "root": root, "index": index, "hash": leaf, "proof": hashes}
            questions.append(question)
        for old in {1, size // 2 or 1, size}:
            hashes = [base64.b64encode(each).decode() for each in log.consistency(old, size)]
            before = base64.b64encode(log.checkpoint(old).root).decode()
            about = {"size": size, "root": root, "old": old, "old_root": before, "proof": hashes}
            questions.append({"do": "consistency", **about})
    assert set(ask(*questions)) == {"ok"}


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_go_reads_our_tiles_and_authenticates_them_by_the_root(size: int, ask: Ask, tmp_path: Path) -> None:
    log = tiles_of_log(tmp_path, size)
    root = base64.b64encode(log.checkpoint(size).root).decode()
    assert ask({"do": "note", "vkey": LOG.key.vkey, "note": (tmp_path / "checkpoint").read_text()}) == ["ok"]
    indexes = sorted({0, size // 2, size - 1})
    about = {"do": "tiles", "folder": str(tmp_path), "size": size, "root": root}
    answers = ask(*({**about, "index": index} for index in indexes))
    assert answers == [base64.b64encode(leaf_hash(log.leaves[index])).decode() for index in indexes]
    tile = next(path for path in sorted(tmp_path.glob("tile/0/*")) if path.is_file() or path.is_dir())
    tile = tile if tile.is_file() else next(tile.iterdir())
    tile.write_bytes(bytes([tile.read_bytes()[0] ^ 1]) + tile.read_bytes()[1:])
    assert ask({**about, "index": 0})[0].startswith("refused: ")


def test_go_reads_the_tiles_that_a_hub_exports(ask: Ask, tmp_path: Path) -> None:
    world = make_folder(tmp_path / "hub")
    out = tmp_path / "tiles"
    size = export_tiles(tmp_path / "hub" / "hub.db", world.accord, out).size
    note = (out / "checkpoint").read_text()
    vkey = world.accord.accord.hub.log
    assert ask({"do": "note", "vkey": vkey, "note": note}) == ["ok"]
    root = note.split("\n")[2]
    about = {"do": "tiles", "folder": str(out), "size": size, "root": root}
    answers = ask(*({**about, "index": index} for index in range(size)))
    entries = (out / "tile" / "entries" / f"000.p/{size}").read_bytes()
    for answer in answers:
        length = int.from_bytes(entries[:2])
        assert answer == base64.b64encode(leaf_hash(entries[2 : 2 + length])).decode()
        entries = entries[2 + length :]
    assert entries == b""
