"""``hotline station``: folders, keys, what an installation refuses."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from hotline import give_back
from hotline.cli import main
from hotline.office import StationCard
from protocols.mandate import Mandate, sign_mandate
from tests.hotline.harness import World, make_world


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["station", *map(str, arguments)])


def made(tmp_path: Path) -> tuple[Path, Path]:
    passphrase = tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple\n")
    folder = tmp_path / "station"
    result = run("init", folder, "--office", "AV", "--name", "av-1", "--passphrase-file", passphrase)
    assert result.exit_code == 0, result.output
    return folder, passphrase


def test_init_makes_sealed_keys_and_a_public_card(tmp_path: Path) -> None:
    folder, passphrase = made(tmp_path)
    assert stat.S_IMODE((folder / "station.key").stat().st_mode) == 0o600
    assert "station.av.av-1+" in (folder / "station-card.json").read_text()
    again = run("init", folder, "--office", "AV", "--name", "av-1", "--passphrase-file", passphrase)
    assert again.exit_code == 1 and "not empty" in again.output
    added = run("officer-add", folder, "duty", "--role", "drafter", "--passphrase-file", passphrase)
    assert added.exit_code == 0 and (folder / "officers" / "duty-card.json").exists()
    bad = run("officer-add", folder, "../x", "--role", "drafter", "--passphrase-file", passphrase)
    assert bad.exit_code == 1


def test_install_refuses_what_does_not_fit_and_writes_nothing(tmp_path: Path) -> None:
    folder, _ = made(tmp_path)
    world, other = make_world(tmp_path / "a"), make_world(tmp_path / "b")
    accord, ladder = tmp_path / "accord.jws", tmp_path / "ladder.toml"
    accord.write_bytes(world.accord.data)
    ladder.write_bytes(world.ladders["cpci-default"])
    mandate, foreign = tmp_path / "m.jws", tmp_path / "f.jws"
    mandate.write_bytes(world.stations["AV"].mandate)
    foreign.write_bytes(other.stations["AV"].mandate)
    wrong = tmp_path / "wrong.toml"
    wrong.write_bytes(ladder.read_bytes() + b"\n# changed\n")
    for ladder_file, mandate_file in ((wrong, mandate), (ladder, foreign)):
        result = run("install", folder, "--accord", accord, "--ladder", ladder_file, "--mandate", mandate_file)
        assert result.exit_code == 1, result.output
        assert not (folder / "accord.jws").exists() and 'accord = ""' in (folder / "station.toml").read_text()
    result = run("install", folder, "--accord", accord, "--ladder", ladder, "--mandate", mandate)
    assert result.exit_code == 0 and world.accord.id in (folder / "station.toml").read_text()
    accord.write_bytes(other.accord.data)
    result = run("install", folder, "--accord", accord, "--ladder", ladder, "--mandate", foreign)
    assert result.exit_code == 1 and "another accord" in result.output


def installed(tmp_path: Path, world: World) -> Path:
    """A station's folder with the accord pinned, its keys beside the point."""
    folder, _ = made(tmp_path)
    files = {
        "accord": world.accord.data,
        "ladder": world.ladders["cpci-default"],
        "mandate": world.stations["AV"].mandate,
    }
    arguments: list[object] = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        arguments += [f"--{name}", tmp_path / name]
    result = run("install", folder, *arguments)
    assert result.exit_code == 0, result.output
    return folder


def test_mandates_are_added_without_repeating_the_accord_and_what_does_not_fit_adds_none(tmp_path: Path) -> None:
    world, other = make_world(tmp_path / "a"), make_world(tmp_path / "b")
    folder = installed(tmp_path, world)
    good, foreign = tmp_path / "good.jws", tmp_path / "foreign.jws"
    good.write_bytes(world.stations["KV"].mandate)
    foreign.write_bytes(other.stations["KV"].mandate)
    result = run("mandates", folder, good, foreign)
    assert result.exit_code == 1 and len(list((folder / "mandates").iterdir())) == 1, result.output
    for _ in range(2):
        result = run("mandates", folder, good)
        assert result.exit_code == 0 and "KV no." in result.output, result.output
        assert {path.read_bytes() for path in (folder / "mandates").iterdir()} == {
            world.stations["AV"].mandate,
            world.stations["KV"].mandate,
        }
    (tmp_path / "bare").mkdir()
    bare, _ = made(tmp_path / "bare")
    result = run("mandates", bare, good)
    assert result.exit_code == 1 and "no accord" in result.output


def test_a_desk_listens_on_the_loopback_only(tmp_path: Path) -> None:
    folder, passphrase = made(tmp_path)
    result = run("serve", folder, "--listen", "0.0.0.0:8701", "--passphrase-file", passphrase)
    assert result.exit_code == 1 and "loopback" in result.output


def test_a_station_gives_back_a_signed_file_once_and_overwrites_none(tmp_path: Path) -> None:
    world = make_world(tmp_path / "a")
    folder, passphrase = made(tmp_path)
    card = msgspec.json.decode((folder / "station-card.json").read_bytes(), type=StationCard)
    dates = ("2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z")
    mandate = Mandate(1, "AV", "station", "av-1", 9, ("station",), card.keys.sign, *dates, card.holder, card.keys)
    files = {
        "accord": world.accord.data,
        "ladder": world.ladders["cpci-default"],
        "mandate": sign_mandate(mandate, world.roots["AV"]),
    }
    arguments: list[object] = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        arguments += [f"--{name}", tmp_path / name]
    assert run("install", folder, *arguments).exit_code == 0
    out = tmp_path / "out.back"
    result = run("give-back", folder, out, "--since", 7, "--passphrase-file", passphrase)
    assert result.exit_code == 0, result.output
    assert "0 entries" in result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with out.open("rb") as file:
        begin, *papers = give_back.read(file)
    assert isinstance(begin, give_back.Begin)
    assert (begin.log, begin.accord, begin.sign, begin.since) == (
        world.accord.log_origin,
        world.accord.id,
        card.keys.sign,
        7,
    )
    assert papers == [give_back.Paper(files["mandate"])]
    before = out.read_bytes()
    again = run("give-back", folder, out, "--passphrase-file", passphrase)
    assert again.exit_code == 1 and out.read_bytes() == before
