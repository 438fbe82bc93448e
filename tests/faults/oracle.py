"""The oracle of the fault suite: what stations were promised, compared with what every station ends up holding.

A `Ledger` writes down, while things break, each text that a station took from its officer, each entry that the hub acknowledged
and where, and each refusal. `Ledger.judge` asks afterwards, of every thread:

* every acknowledged entry stands at every station where the acknowledgement said: none lost, none moved;
* no entry and no text stands twice; seqs have no gap; each sender's texts stand in the order they were said in;
* every station holds the same bytes and computes the same state;
* every clock that ran out is noted once, not before the end that its receipt and the ladder give it;
* every refusal has a code that the fault explains and a sentence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotline.hub.fsck import fsck
from hotline.station.model import Held
from hotline.station.station import Station
from mediation.durations import scaled
from mediation.ladder import parse_ladder
from tests.faults.kit import agree, positions, until
from tests.faults.processes import Remote
from tests.hotline.harness import LADDER, World

EXPLAINED = frozenset(
    {"hub.not-stored", "line.too-fast", "keys.none-left", "keys.claim-refused", "entry.wrong-epoch", "ladder.serial"}
)
"""Codes that a station answers by itself, by asking again: nobody is shown them."""


@dataclass
class Ledger:
    """What was promised. ``said``: by thread and station, texts in order. ``unsure``: texts that a station which was killed may
    have on its disk without having said so."""

    world: World
    said: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    unsure: set[str] = field(default_factory=set)
    acknowledged: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    answers: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    wordless: list[str] = field(default_factory=list)

    def watch(self, station: Station) -> Station:
        """Write down what the hub answers this station from now on."""
        accepted, refused = station.sender.accepted, station.sender.refused

        async def acknowledged(frame: Any) -> None:
            self.acknowledge(frame.id, frame.thread, frame.seq, frame.index, frame.at)
            await accepted(frame)

        async def answered_no(frame: Any) -> None:
            self.refuse(frame.code, frame.sentence)
            await refused(frame)

        station.sender.accepted, station.sender.refused = acknowledged, answered_no  # type: ignore[method-assign]
        return station

    def acknowledge(self, entry: str, *place: Any) -> None:
        self.answers += 1
        before = self.acknowledged.setdefault(entry, place)
        assert before == place, f"{entry} was acknowledged at {before}, now at {place}"

    def refuse(self, code: str, sentence: str) -> None:
        self.refusals[code] += 1
        if len(sentence) < 20:
            self.wordless.append(code)

    def hear(self, remote: Remote) -> list[tuple[Any, ...]]:
        """Take in what a station in another process told; gives back what is no promise."""
        assert remote.pipe is not None
        rest = []
        for word in remote.pipe.taken():
            match word:
                case ("kept", thread, text):
                    self.said[thread, remote.cast.kid].append(text)
                    self.unsure.discard(text)
                case ("acknowledged", *place):
                    self.acknowledge(*place)
                case ("refused", code, sentence):
                    self.refuse(code, sentence)
                case _:
                    rest.append(word)
        return rest

    async def settle(self, threads: Iterable[str], *stations: Station, seconds: float = 60) -> None:
        """Wait until every station is level and nothing waits anywhere."""
        threads = tuple(threads)

        def level() -> bool:
            quiet = all(each.core.line.caught and not each.connection().queued for each in stations)
            return quiet and all(len(positions(thread, *stations)) == 1 for thread in threads)

        try:
            await until(level, seconds)
        except AssertionError:
            stand = {
                each.name: (each.connection(), [each.core.threads[t].position.seq for t in threads])
                for each in stations
            }
            raise AssertionError(f"never level: {stand}") from None

    def judge(
        self, threads: Iterable[str], *stations: Station, explained: frozenset[str] = EXPLAINED, told: str = "\0"
    ) -> None:
        """Raises `AssertionError` for the first promise that was not kept. Every station must hold every thread; none may raise
        an alarm but one with the words ``told``."""
        threads = tuple(threads)
        for thread in threads:
            agree(thread, *stations)
            held = stations[0].core.threads[thread].held
            judge_order(held)
            judge_clocks(self.world, held)
            for kid in {kid for name, kid in self.said if name == thread}:
                self._judge_texts(thread, kid, held)
        for station in stations:
            found = {
                each.id: (thread, each.seq, each.stamp.index, each.stamp.at)
                for thread in threads
                for each in station.core.threads[thread].held
            }
            wrong = {
                name: (place, found.get(name)) for name, place in self.acknowledged.items() if found.get(name) != place
            }
            assert not wrong, (station.name, wrong)
            alarms = [words for words in station.connection().alarms if told not in words]
            assert not alarms, alarms
        assert not set(self.refusals) - explained, self.refusals
        assert not self.wordless, self.wordless

    def _judge_texts(self, thread: str, kid: str, held: Sequence[Held]) -> None:
        expected = self.said[thread, kid]
        found = [str(each.fields["text"]) for each in held if each.payload.station == kid and each.fields]
        known = set(expected)
        assert [text for text in found if text in known] == expected, (found, expected)
        extra = [text for text in found if text not in known]
        assert set(extra) <= self.unsure, extra

    def judge_store(self) -> None:
        """The hub's store, computed anew from its leaves, holds; every acknowledged leaf lies in it."""
        found = fsck(self.world.place, self.world.accord)
        assert found.holds, found.findings
        assert not self.acknowledged or found.leaves > max(place[2] for place in self.acknowledged.values())

    def figures(self, **more: Any) -> str:
        """One line for people."""
        refused = ", ".join(f"{code} {count}" for code, count in sorted(self.refusals.items())) or "none"
        rest = ", ".join(f"{name} {value}" for name, value in more.items())
        return f"{rest}, entries acknowledged {len(self.acknowledged)} ({self.answers} answers), refusals: {refused}"


def judge_order(held: Sequence[Held]) -> None:
    """Seqs from 1 without a gap; positions in the log and stamps rise; serials of each sender without a gap; no id twice."""
    assert [each.seq for each in held] == list(range(1, len(held) + 1))
    indexes, stamps = [each.stamp.index for each in held], [each.stamp.at for each in held]
    assert indexes == sorted(set(indexes))
    assert stamps == sorted(stamps)
    assert len({each.id for each in held}) == len(held)
    serials: dict[str, list[int]] = defaultdict(list)
    for each in held:
        if each.kind.name != "clock-expired":
            serials[each.payload.station].append(each.payload.serial)
    for kid, found in serials.items():
        assert found == list(range(1, len(found) + 1)), (kid, found)


def judge_clocks(world: World, held: Sequence[Held]) -> int:
    """Each clock that ran out is noted once, at or after the end that somebody who only reads the thread gives it: the stamp of
    the entry that started it and the length of the ladder. How many were noted."""
    ladder = parse_ladder(world.ladders[LADDER])
    (scale,) = (each.scale for each in world.accord.accord.ladders if each.id == LADDER)
    noted: list[str] = []
    for each in held:
        if each.payload.kind != "clock-expired":
            continue
        name, end = str(each.payload.act["clock"]), int(each.payload.act["end"])
        length = scaled(ladder.ms[name.split("/")[0]], scale)
        assert end - length in {before.stamp.at for before in held[: each.seq]}, f"{name} was shortened or moved"
        assert each.stamp.at >= end, f"{name} fired early"
        noted.append(name)
    assert len(noted) == len(set(noted)), noted
    return len(noted)
