"""Two to twelve members do anything, over a line that loses, doubles and reorders, and restart when they like.

The hub orders commits; members take them from its list when they get to it, so that some are ahead and some behind. All who
processed the same commits must agree, everybody reads each message exactly once while it is in reach, who was removed reads
nothing sent after that, and who was added nothing sent before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.mls import (
    PAST_EPOCHS,
    Group,
    NotAMember,
    OwnMessage,
    Proposed,
    PublicGroup,
    RemoteMlsError,
    Replayed,
    StagedCommit,
    WrongEpoch,
)
from tests.protocols.mls.harness import NOW, Draw, Person, person

MOST = 12


@dataclass
class Station:
    """A member, or one that was: its group as it stands there, and what it read."""

    name: str
    group: Group
    first_epoch: int
    read: set[int] = field(default_factory=set)

    @property
    def epoch(self) -> int:
        return self.group.epoch

    def holds(self, epoch: int) -> bool:
        """Whether it was a member in that epoch, by what it knows, and still holds the keys."""
        last = self.epoch if self.group.is_member else self.epoch - 1
        return max(self.first_epoch, self.epoch - PAST_EPOCHS) <= epoch <= last


@dataclass(frozen=True)
class Sent:
    """A message on the line."""

    number: int
    sender: str
    epoch: int
    data: bytes
    text: bytes


class Walk(RuleBasedStateMachine):
    """A group, its hub, and everything that is on its way."""

    @initialize(size=st.integers(2, 5), suite=st.sampled_from([1, 3]))
    def begin(self, size: int, suite: int) -> None:
        self.rng = Draw(f"walk/{size}/{suite}")
        self.suite, self.names = suite, 1
        seed = self.rng(32)
        creator = Group.create(suite, b"walk", b"n0", seed, now=NOW, rng=self.rng)
        self.hub = PublicGroup.from_group_info(creator.group_info(), NOW)
        self.stations = {"n0": Station("n0", creator, 0)}
        self.commits: list[tuple[str, bytes]] = []
        self.pending: dict[str, StagedCommit] = {}
        self.sent: list[Sent] = []
        self.invited: list[tuple[Person, bytes, int]] = []
        self.agreed: dict[int, tuple[bytes, bytes, Any]] = {}
        self.admit("n0", creator.commit(add=self.newcomers(size - 1), now=NOW, rng=self.rng))
        while self.invited:
            self.enter(0)

    # Helpers

    def newcomers(self, count: int) -> list[bytes]:
        self.fresh = [person(f"n{self.names + number}", self.suite) for number in range(count)]
        self.names += count
        return [somebody.bundle.key_package for somebody in self.fresh]

    def admit(self, by: str, staged: StagedCommit) -> None:
        """The hub admits a commit: everybody can get it from now on, and the committer merges its own."""
        self.hub.merge(self.hub.stage(staged.commit, NOW))
        self.commits.append((by, staged.commit))
        self.stations[by].group.merge(staged)
        for newcomer in self.fresh:
            assert staged.welcome is not None
            self.invited.append((newcomer, staged.welcome, len(self.commits)))
        self.fresh = []

    def enter(self, place: int) -> None:
        newcomer, welcome, epoch = self.invited.pop(place)
        group = Group.join(welcome, newcomer.bundle, newcomer.seed, now=NOW)
        self.stations[newcomer.name] = Station(newcomer.name, group, epoch)

    def pick(self, data: st.DataObject, *, ready: bool = False) -> Station | None:
        """A member; ``ready`` for one that has processed all commits."""
        names = [
            name
            for name, station in self.stations.items()
            if station.group.is_member and (not ready or station.epoch == len(self.commits))
        ]
        return self.stations[data.draw(st.sampled_from(names))] if names else None

    def refused(
        self, station: Station, error: type[RemoteMlsError] | tuple[type[Exception], ...], message: bytes
    ) -> None:
        before = station.group.snapshot()
        try:
            station.group.process(message, now=NOW)
        except error:
            assert station.group.snapshot() == before
        else:
            raise AssertionError("accepted")

    # Commits

    @rule(data=st.data(), adds=st.integers(0, 3), removes=st.integers(0, 3), public=st.just(True))
    def commit(self, data: st.DataObject, adds: int, removes: int, public: bool) -> None:
        station = self.pick(data, ready=True)
        if station is None:
            return
        members = {m.identity.decode(): m.leaf for m in station.group.members()}
        others = sorted(set(members) - {station.name})
        adds = min(adds, MOST - len(members))
        gone = data.draw(st.lists(st.sampled_from(others), max_size=removes, unique=True)) if others else []
        package = self.newcomers(adds)
        leaves = [members[name] for name in gone]
        self.admit(station.name, station.group.commit(add=package, remove=leaves, now=NOW, rng=self.rng))

    @rule(data=st.data())
    def update_by_reference(self, data: st.DataObject) -> None:
        proposer, committer = self.pick(data, ready=True), self.pick(data, ready=True)
        if proposer is None or committer is None:
            return
        message = proposer.group.propose_update(now=NOW, rng=self.rng)
        for station in self.stations.values():
            ready = station.group.is_member and station.epoch == len(self.commits)
            if station is not proposer and ready:
                assert isinstance(station.group.process(message, now=NOW), Proposed)
                # A second copy of a proposal changes nothing.
                before = station.group.snapshot()
                station.group.process(message, now=NOW)
                assert station.group.snapshot() == before
        self.proposals = getattr(self, "proposals", {})
        self.proposals[len(self.commits)] = [*self.proposals.get(len(self.commits), []), (proposer.name, message)]
        self.hub.propose(message, NOW)
        self.fresh = []
        self.admit(committer.name, committer.group.commit(now=NOW, rng=self.rng))

    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        first, second = self.pick(data, ready=True), self.pick(data, ready=True)
        if first is None or second is None or first is second:
            return
        self.fresh = []
        late = second.group.commit(now=NOW, rng=self.rng, pending=False)
        self.admit(first.name, first.group.commit(now=NOW, rng=self.rng, pending=False))
        try:
            self.hub.stage(late.commit, NOW)
        except WrongEpoch:
            self.refused(first, WrongEpoch, late.commit)
        else:
            raise AssertionError("two commits in one epoch")

    @rule(data=st.data())
    def take_the_next_commit(self, data: st.DataObject) -> None:
        behind = [s for s in self.stations.values() if s.group.is_member and s.epoch < len(self.commits)]
        if not behind:
            return
        station = data.draw(st.sampled_from(behind))
        self.catch_up(station, len(self.commits) if data.draw(st.booleans()) else station.epoch + 1)

    def catch_up(self, station: Station, until: int) -> None:
        while station.group.is_member and station.epoch < until:
            at = station.epoch
            if at + 1 < len(self.commits):
                self.refused(station, WrongEpoch, self.commits[at + 1][1])
            for author, message in getattr(self, "proposals", {}).get(at, []):
                if author != station.name:
                    station.group.process(message, now=NOW)
            station.group.merge(station.group.stage(self.commits[at][1], now=NOW))
            if station.group.is_member:
                self.refused(station, WrongEpoch, self.commits[at][1])

    @precondition(lambda self: self.invited)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        self.enter(data.draw(st.integers(0, len(self.invited) - 1)))

    # Messages

    @rule(data=st.data(), text=st.binary(max_size=20))
    def send(self, data: st.DataObject, text: bytes) -> None:
        station = self.pick(data)
        if station is not None:
            message = station.group.encrypt(text, rng=self.rng)
            self.sent.append(Sent(len(self.sent), station.name, station.epoch, message, text))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any message to anybody, any number of times: what is never drawn was lost."""
        message = data.draw(st.sampled_from(self.sent))
        station = self.stations[data.draw(st.sampled_from(sorted(self.stations)))]
        if not station.holds(message.epoch):
            self.refused(station, WrongEpoch, message.data)
        elif message.sender == station.name:
            self.refused(station, OwnMessage, message.data)
        elif message.number in station.read:
            self.refused(station, Replayed, message.data)
        else:
            got = station.group.decrypt(message.data)
            assert (got.data, got.epoch) == (message.text, message.epoch)
            station.read.add(message.number)

    # Restarts

    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        station = self.stations[data.draw(st.sampled_from(sorted(self.stations)))]
        station.group = Group.restore(station.group.snapshot())
        self.hub = PublicGroup.restore(self.hub.snapshot())

    @rule(data=st.data())
    def restart_with_a_pending_commit(self, data: st.DataObject) -> None:
        station = self.pick(data, ready=True)
        if station is None:
            return
        self.fresh = []
        staged = station.group.commit(now=NOW, rng=self.rng)
        station.group = Group.restore(station.group.snapshot())
        self.admit(station.name, StagedCommit.restore(staged.snapshot()))

    # What must hold

    @invariant()
    def all_that_processed_the_same_commits_agree(self) -> None:
        for station in getattr(self, "stations", {}).values():
            group = station.group
            if group.is_member:
                view = (group.epoch_authenticator, group.tree_hash, group.members())
                assert self.agreed.setdefault(group.epoch, view) == view
            else:
                try:
                    group.encrypt(b"", rng=self.rng)
                except NotAMember:
                    continue
                raise AssertionError("a removed member can write")

    @invariant()
    def the_hub_knows_the_tree(self) -> None:
        if hasattr(self, "hub"):
            assert self.hub.epoch == len(self.commits)
            known = self.agreed.get(self.hub.epoch)
            assert known is None or known[1:] == (self.hub.tree_hash, self.hub.members())

    def teardown(self) -> None:
        """At the end everybody catches up and reads what is still in reach."""
        if not hasattr(self, "stations"):
            return
        while self.invited:
            self.enter(0)
        for station in self.stations.values():
            self.catch_up(station, len(self.commits))
            for message in self.sent:
                if not station.holds(message.epoch):
                    self.refused(station, WrongEpoch, message.data)
                elif message.sender != station.name and message.number not in station.read:
                    assert station.group.decrypt(message.data).data == message.text
        self.all_that_processed_the_same_commits_agree()
        self.the_hub_knows_the_tree()


TestWalk: Any = Walk.TestCase
TestWalk.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
