"""The log as files: whole, incremental, safe against being cut short, and read back by the verifier's own policy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline.cli import main
from hotline.hub.tiles import TilesDoNotHold, TilesFault, check_tiles, export_tiles
from protocols.translog import TranslogError, parse_policy
from tests.hotline.harness import World
from tests.hotline.hub.stored import alter, make_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    path = tmp_path_factory.mktemp("tiles") / "hub"
    return path, make_folder(path)


@pytest.fixture
def hub(made: tuple[Path, World], tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    shutil.copytree(made[0], path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_files_stand_where_the_specification_says_and_lead_to_the_head(
    made: tuple[Path, World], tmp_path: Path
) -> None:
    path, world = made
    out = tmp_path / "tiles"
    done = export_tiles(path / "hub.db", world.accord, out)
    assert done.size == 5
    assert set(files(out)) == {"checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5"}
    head = check_tiles(out, parse_policy(world.accord.accord.policy))
    assert head.checkpoint.size == 5
    before = files(out)
    again = export_tiles(path / "hub.db", world.accord, out)
    assert (again.written, again.kept) == (1, 2)
    assert files(out) == before


@pytest.mark.parametrize("at", range(8))
def test_an_export_that_is_cut_short_anywhere_is_taken_up_again(
    made: tuple[Path, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path, world = made
    out, real, calls = tmp_path / "tiles", os.fsync, 0

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    if at < 6:  # three files, each flushed with its folder
        with pytest.raises(TilesFault):
            export_tiles(path / "hub.db", world.accord, out)
    export_tiles(path / "hub.db", world.accord, out)
    check_tiles(out, parse_policy(world.accord.accord.policy))
    assert not [name for name in files(out) if "/." in name]


def test_what_a_killed_export_left_aside_is_in_nobodys_way(made: tuple[Path, World], tmp_path: Path) -> None:
    path, world = made
    out = tmp_path / "tiles"
    (out / "tile/0/000.p").mkdir(parents=True)
    (out / "tile/0/000.p/.5.0123456789abcdef").write_bytes(b"half")
    export_tiles(path / "hub.db", world.accord, out)
    check_tiles(out, parse_policy(world.accord.accord.policy))


@pytest.mark.parametrize("name", ["tile/0/000.p/5", "tile/entries/000.p/5"])
@pytest.mark.parametrize("how", ["changed", "short", "gone"])
def test_a_file_that_is_changed_is_not_taken_for_the_log(
    made: tuple[Path, World], tmp_path: Path, name: str, how: str
) -> None:
    path, world = made
    out = tmp_path / "tiles"
    export_tiles(path / "hub.db", world.accord, out)
    content = (out / name).read_bytes()
    if how == "gone":
        (out / name).unlink()
    else:
        (out / name).write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if how == "changed" else b""))
    with pytest.raises((TilesDoNotHold, TranslogError)):
        check_tiles(out, parse_policy(world.accord.accord.policy))


def test_a_folder_with_another_history_is_left_alone(hub: Path, made: tuple[Path, World], tmp_path: Path) -> None:
    _, world = made
    out = tmp_path / "tiles"
    out.mkdir()
    (out / "letter").write_text("not a log")
    with pytest.raises(TilesFault):
        export_tiles(hub / "hub.db", world.accord, out)
    (out / "letter").unlink()
    (out / "checkpoint").write_text("rubbish")
    with pytest.raises(TilesFault):
        export_tiles(hub / "hub.db", world.accord, out)
    assert files(out) == {"checkpoint": b"rubbish"}


def test_a_store_whose_tree_does_not_hold_is_not_exported(hub: Path, made: tuple[Path, World], tmp_path: Path) -> None:
    _, world = made
    alter(hub / "hub.db", "UPDATE nodes SET hash = zeroblob(32) WHERE level = 2")
    with pytest.raises(TilesFault):
        export_tiles(hub / "hub.db", world.accord, tmp_path / "tiles")
    assert not (tmp_path / "tiles").exists()


def test_the_commands_write_and_check(hub: Path, made: tuple[Path, World], tmp_path: Path) -> None:
    policy, out = tmp_path / "policy", tmp_path / "tiles"
    policy.write_text(made[1].accord.accord.policy)
    run = CliRunner().invoke
    assert "5 leaves" in run(main, ["audit", "tiles", str(out), "--hub", str(hub)], catch_exceptions=False).output
    said = run(main, ["audit", "check-tiles", str(out), "--policy", str(policy)], catch_exceptions=False)
    assert said.exit_code == 0
    assert "HOLDS" in said.output
    (out / "tile/0/000.p/5").write_bytes(bytes(160))
    said = run(main, ["audit", "check-tiles", str(out), "--policy", str(policy)], catch_exceptions=False)
    assert said.exit_code == 1
    assert "tiles.false" in said.output
