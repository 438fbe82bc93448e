"""The promise the product makes: hub, both sides' stations and the bare ladder come to the same state, whatever is sent.

A failing walk names its seed and its last moves; `WALKS` may be set to that seed alone to replay it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.hotline.agreement.table import table
from tests.hotline.agreement.walk import Walk

WALKS = range(4)
MOVES = 60


async def test_random_entries_lead_ladder_hub_and_two_stations_to_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for seed in WALKS:
        path = tmp_path / str(seed)
        path.mkdir()
        async with table(path, monkeypatch) as found:
            walk = Walk(found, seed)
            try:
                for number in range(MOVES):
                    await walk.move()
                    if number == MOVES // 2:
                        await found.restart_readers()
            except BaseException as error:
                error.add_note(f"seed {seed}; the last of {len(walk.log)} moves:\n" + "\n".join(walk.log[-12:]))
                raise
            for reader in found.readers.values():
                read = [held for held in reader.core.threads[found.thread].held if held.fields is not None]
                assert len(read) == found.readable
                assert not reader.connection().alarms
        said += found.said
        refused += found.refused
    assert len(said) >= 12, said
    assert len(refused) >= 12, refused
