"""The clock: a wall clock that jumps moves nothing, and a process that is started again counts on."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from hotline import clock as clock_module
from hotline.clock import Mark, SystemClock, boot_id, span_words

DAY = 86_400_000


class Wall:
    """A wall clock that somebody sets; the steady clock stays the machine's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = 0
        self._steady = {name: getattr(time, name) for name in ("clock_gettime_ns", "CLOCK_MONOTONIC")}
        shim = SimpleNamespace(time_ns=lambda: time.time_ns() + self.off * 1_000_000, **self._steady)
        monkeypatch.setattr(clock_module, "time", shim)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_wall_clock_that_jumps_by_a_day_moves_nothing_and_is_noticed(
    monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    wall = Wall(monkeypatch)
    clock = SystemClock()
    before = clock.now()
    wall.off = jump
    assert 0 <= clock.now() - before < 5_000
    assert abs(clock.drift() - jump) < 100


@pytest.mark.skipif(not boot_id(), reason="this system does not name its boots")
@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_process_started_again_on_the_same_boot_counts_on(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    wall = Wall(monkeypatch)
    first = SystemClock()
    wall.off = jump
    second = SystemClock()
    assert abs(second.now() - first.now() - jump) < 5_000
    assert second.go_on(first.mark())
    assert abs(second.now() - first.now()) < 5
    assert abs(second.drift() - jump) < 100


def test_a_mark_of_another_boot_counts_for_nothing() -> None:
    clock = SystemClock()
    before = clock.mark()
    assert not clock.go_on(Mark("another boot", 5))
    assert not clock.go_on(Mark("", 5))
    assert clock.mark() == before


def test_what_is_written_down_is_never_gone_behind() -> None:
    clock = SystemClock()
    later = clock.now() + DAY
    clock.raise_floor(later)
    assert clock.now() >= later
    clock.raise_floor(later - DAY)
    assert later <= clock.now() < later + 5_000
    assert abs(clock.drift() + DAY) < 5_000


def test_a_length_of_time_is_said_in_its_two_largest_units() -> None:
    said = [span_words(ms) for ms in (0, 999, 1_000, -61_000, 3_600_000, DAY + 3_600_000 + 5_000)]
    assert said == ["0 s", "0 s", "1 s", "1 min 1 s", "1 h", "1 d 1 h"]
