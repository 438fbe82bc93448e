"""Two to eight members do anything in any order: they agree, the hub agrees, and every message is read exactly once."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.mls import Group, PublicGroup, RemoteMlsError, Replayed, StagedCommit, WrongEpoch
from tests.protocols.mls.harness import NOW, Room, person

MOST = 8


class Walk(RuleBasedStateMachine):
    """A group, a hub, and messages under way."""

    room: Room
    under_way: list[tuple[int, int, bytes, bytes]]

    @initialize(size=st.integers(2, 4), suite=st.sampled_from([1, 3]))
    def begin(self, size: int, suite: int) -> None:
        self.room = Room(size, suite)
        self.under_way = []
        self.names = 0

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.room.groups)))

    @rule(data=st.data())
    def update(self, data: st.DataObject) -> None:
        self.room.commit(self.pick(data))

    @rule(data=st.data(), count=st.integers(1, 3))
    def add(self, data: st.DataObject, count: int) -> None:
        count = min(count, MOST - len(self.room.groups))
        people = []
        for _ in range(count):
            self.names += 1
            people.append(person(f"n{self.names}", self.room.suite_code))
        if people:
            self.room.add(people, by=self.pick(data))

    @precondition(lambda self: len(self.room.groups) > 2)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        by = self.pick(data)
        others = [leaf for leaf in self.room.groups if leaf != by]
        gone = data.draw(st.lists(st.sampled_from(others), min_size=1, max_size=len(others) - 1, unique=True))
        leavers = [self.room[leaf] for leaf in gone]
        self.room.commit(by, remove=gone)
        assert not any(group.is_member for group in leavers)
        self.under_way = [message for message in self.under_way if message[1] not in gone]

    @rule(data=st.data())
    def update_by_reference(self, data: st.DataObject) -> None:
        proposer, committer = self.pick(data), self.pick(data)
        message = self.room[proposer].propose_update(now=NOW, rng=self.room.rng)
        for leaf, group in self.room.groups.items():
            if leaf != proposer:
                group.process(message, now=NOW)
        self.room.hub.propose(message, NOW)
        self.room.commit(committer)

    @rule(data=st.data(), text=st.binary(max_size=20))
    def send(self, data: st.DataObject, text: bytes) -> None:
        sender = self.pick(data)
        message = self.room[sender].encrypt(text, rng=self.room.rng)
        for reader, group in self.room.groups.items():
            if reader != sender:
                self.under_way.append((group.epoch, reader, message, text))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        epoch, reader, message, text = self.under_way.pop(place)
        group = self.room[reader]
        if group.epoch - epoch > 3:
            self.refused(group, WrongEpoch, message)
            return
        assert group.decrypt(message).data == text
        self.refused(group, Replayed, message)

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        leaf = self.pick(data)
        self.room.groups[leaf] = Group.restore(self.room[leaf].snapshot())
        self.room.hub = PublicGroup.restore(self.room.hub.snapshot())

    @rule(data=st.data())
    def crash_with_a_pending_commit(self, data: st.DataObject) -> None:
        leaf = self.pick(data)
        staged = self.room[leaf].commit(now=NOW, rng=self.room.rng)
        self.crash(data)
        self.room.groups[leaf] = Group.restore(self.room[leaf].snapshot())
        self.room.follow(leaf, StagedCommit.restore(staged.snapshot()))

    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        first, second = self.pick(data), self.pick(data)
        staged = {leaf: self.room[leaf].commit(now=NOW, rng=self.room.rng) for leaf in {first, second}}
        self.room.follow(first, staged[first])
        if second != first:
            self.refused(self.room[first], WrongEpoch, staged[second].commit)

    def refused(self, group: Group, error: type[RemoteMlsError], message: bytes) -> None:
        before = group.snapshot()
        try:
            group.process(message, now=NOW)
        except error:
            assert group.snapshot() == before
        else:
            raise AssertionError("accepted")

    @invariant()
    def everybody_agrees(self) -> None:
        if hasattr(self, "room"):
            self.room.agree()


TestWalk: Any = Walk.TestCase
TestWalk.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
