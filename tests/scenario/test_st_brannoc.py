"""The whole line, as its users would use it, event by event."""

from __future__ import annotations

import pytest

from hotline.scenario.play import Result, StBrannoc
from hotline.scenario.script import st_brannoc
from hotline.scenario.stage import Exercise
from tests.scenario.conftest import SCALE

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]


async def test_every_live_event_of_st_brannoc_shows_what_it_must(exercise: Exercise) -> None:
    script = st_brannoc()
    player = StBrannoc(script, exercise.stage(), SCALE, script.ladder)
    seen: list[Result] = []
    results = await player.run(seen.append)
    assert seen == list(results)
    wrong = [
        f"{result.event.id}: expected {result.event.expect}; saw {result.saw}"
        for result in results
        if result.ok is False
    ]
    assert not wrong, "\n".join(wrong)
    assert sum(result.ok is True for result in results) == sum(event.live for event in script.event)
    _database_holds_no_plaintext(exercise)


def _database_holds_no_plaintext(exercise: Exercise) -> None:
    """What people wrote is nowhere on the hub's disk, nor in the clear on a station's."""
    script = st_brannoc()
    words = [event.text.encode()[:24] for event in script.event if event.text]
    words += [question.encode()[:24] for event in script.event for question in event.questions]
    folders = [exercise.folders.hub, *(exercise.folders.station(office) for office in exercise.stations)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for path in files:
        data = path.read_bytes()
        found = [word for word in words if word in data]
        assert not found, f"{path.name} holds {found}"
