"""Mandates put into the folder of a station: a running one takes them, hands them on, and says what was refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hotline.station.errors import TakesBack
from hotline.station.folder import StationSettings
from hotline.station.papers import Papers, _stored, add_papers
from protocols.encoding import rfc3339
from protocols.mandate import MandateBook, sign_mandate
from tests.hotline.harness import World, make_world, mandate_of, running_hub
from tests.hotline.station.kit import open_station, opened, running, until


def revocation(world: World, number: int, not_before: int) -> bytes:
    """Takes back what an officer of AV may do, from ``not_before`` (ms UTC) on."""
    key = world.stations["AV"].officers[number]
    mandate = mandate_of("AV", f"officer {number + 1}", key, (), 90 + number, not_before=rfc3339(not_before))
    return sign_mandate(mandate, world.roots["AV"])


def now() -> int:
    return time.time_ns() // 1_000_000


async def test_a_running_station_takes_a_revocation_and_hands_it_to_the_hub(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    folder = tmp_path / "mandates"
    folder.mkdir()
    (folder / "own.jws").write_bytes(world.stations["AV"].mandate)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv:
        av = await open_station(world, "AV", hub.url)
        av.watch(Papers(folder))
        await av.start()
        try:
            await until(lambda: av.core.line.caught)
            thread = await opened(av, kv)
            data = revocation(world, 1, now() + 60_000)
            (folder / "revoked.jws").write_bytes(data)
            await until(lambda: any(m.data == data for m in kv.core.identity.mandates.all()))
            assert data in {known.data for known in hub.hub.directory.book.all()}
            assert [what for _, what, _ in av.journal()].count("mandate") == 1
            late = revocation(world, 0, av.core.threads[thread].position.at - 1)
            (folder / "late.jws").write_bytes(late)
            await until(lambda: any("not taken" in words for _, _, words in av.journal()))
            assert late not in {known.data for known in hub.hub.directory.book.all()}
            assert not kv.connection().alarms
            assert any("The station's folder holds" in words for _, _, words in av.journal())
        finally:
            await av.stop()


async def test_what_would_unmake_messages_that_stand_is_not_written_into_a_stopped_stations_folder(
    tmp_path: Path,
) -> None:
    world = make_world(tmp_path)
    async with running_hub(world) as hub, running(world, "KV", hub.url) as kv, running(world, "AV", hub.url) as av:
        thread = await opened(av, kv)
        at = av.core.threads[thread].position.at
    folder = tmp_path / "folder"
    (folder / "mandates").mkdir(parents=True)
    settings = StationSettings("AV", "1", accord=world.accord.id)
    (folder / "station.toml").write_text(f'office = "AV"\nname = "1"\naccord = "{settings.accord}"\n')
    (folder / "accord.jws").write_bytes(world.accord.data)
    (tmp_path / f"AV-{world.stations['AV'].name}.db").rename(folder / "station.db")
    book = MandateBook(world.accord.accord)
    assert (await _stored(folder / "station.db", world.accord, book))["AV"] >= at
    early, fit = tmp_path / "early.jws", tmp_path / "fit.jws"
    early.write_bytes(revocation(world, 0, at))
    fit.write_bytes(revocation(world, 1, now() + 60_000))
    with pytest.raises(TakesBack, match="early"):
        await add_papers(folder, (fit, early), now=now())
    assert not list((folder / "mandates").iterdir())
    (added,) = await add_papers(folder, (fit,), now=now())
    assert [path.read_bytes() for path in (folder / "mandates").iterdir()] == [fit.read_bytes()] == [added.data]


def test_a_file_is_given_out_once_and_again_when_it_changed(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    (tmp_path / "a.jws").write_bytes(b"one")
    (tmp_path / "b.partial").write_bytes(b"half")
    assert papers.fresh() == (b"one",)
    assert papers.fresh() == ()
    (tmp_path / "a.jws").write_bytes(b"another")
    assert papers.fresh() == (b"another",)
