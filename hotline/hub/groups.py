"""The public side of a thread's MLS group: one commit an epoch, and nobody in it whom the ladder does not allow.

It keeps the group before the newest renewals too, as long as the ladder may go back to it (`mediation.renewals`).

The hub holds no key of a group. It follows the tree that commits build, and compares: every member's credential must
name a station of the ladder's roster, and its signature key must be the one that station's mandate gives for MLS.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hotline.hub.errors import BadCommit, NotMandatedMember, RosterDiffers
from mediation.state import ThreadState
from protocols import mls
from protocols.encoding import unb64u
from protocols.entry import VerifiedEntry
from protocols.kinds import Member, Open, Rekey
from protocols.mandate import MandateBook, OutOfMandate


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """Snapshots of a thread's public group: as it is, and where the ladder may still take it back to."""

    now: bytes
    before: bytes | None = None

    @classmethod
    def read(cls, data: bytes) -> Kept:
        """The inverse of `write`. Raises `msgspec.DecodeError` on damage."""
        return msgspec.msgpack.decode(data, type=cls)

    def write(self) -> bytes:
        """As stored."""
        return msgspec.msgpack.encode(self)


def after(
    kept: Kept, entry: VerifiedEntry, parts: Mapping[str, bytes], state: ThreadState, mandates: MandateBook, at: int
) -> Kept:
    """The groups after an entry that the ladder has admitted; ``state``: the ladder's after it. ``at``: ms UTC.

    Raises `BadCommit`, `RosterDiffers` or `NotMandatedMember`.
    """
    payload = entry.payload
    if payload.kind in ("rekey", "rejoin"):
        before = mls.PublicGroup.restore(kept.now)
        group = follow(before, parts["commit"], payload.station, at, external=payload.kind == "rejoin")
        check_roster(group, state, mandates, at)
        check_info(group, parts, at)
        first = state.renewal is not None and state.renewal.depth == 1
        return Kept(group.snapshot(), kept.now if first else kept.before if state.renewal is not None else None)
    if payload.kind == "cannot-follow":
        if kept.before is None or mls.PublicGroup.restore(kept.before).epoch != state.mls_epoch:
            raise BadCommit("the group to go back to is not kept")
        return Kept(kept.before)
    return kept if state.renewal is not None else Kept(kept.now)


def check_info(group: mls.PublicGroup, parts: Mapping[str, bytes], at: int) -> None:
    """Refuses (`BadCommit`) a part ``external`` that is not a member's GroupInfo of exactly this epoch."""
    if "external" not in parts:
        return
    try:
        vouched = mls.PublicGroup.from_group_info(parts["external"], at // 1000)
    except mls.MlsError as error:
        raise BadCommit(str(error)) from error
    if vouched.snapshot() != group.snapshot():
        raise BadCommit("the GroupInfo beside the commit is of another epoch")


def open_group(entry: VerifiedEntry, parts: Mapping[str, bytes], suite: int, at: int) -> mls.PublicGroup:
    """The group that an ``open`` entry makes, at epoch 1. ``at``: ms UTC. Raises `BadCommit` or `RosterDiffers`."""
    payload = entry.payload
    try:
        group = mls.PublicGroup.from_group_info(parts["group_info"], at // 1000)
        if group.group_id != unb64u(payload.thread, size=16) or group.suite != suite or group.epoch != 0:
            raise BadCommit("group id, suite or epoch is not the thread's")
        if [member.identity for member in group.members()] != [payload.station.encode("ascii")]:
            raise RosterDiffers("a new group holds its creator alone")
    except mls.MlsError as error:
        raise BadCommit(str(error)) from error
    group = follow(group, parts["commit"], payload.station, at)
    check_info(group, parts, at)
    return group


def follow(group: mls.PublicGroup, commit: bytes, station: str, at: int, *, external: bool = False) -> mls.PublicGroup:
    """The group after a commit by ``station`` (its kid). Raises `BadCommit`.

    ``external``: the station comes back by itself and takes its own former leaf's place, nobody else's.
    """
    name = station.encode("ascii")
    try:
        staged = group.stage(commit, at // 1000)
        by = next((member.identity for member in group.members() if member.leaf == staged.sender), None)
        if external and staged.sender is None:
            changed = [[member.identity for member in members] for members in (staged.added, staged.removed)]
            by = name if changed == [[name], [name]] else None
        if by != name or external != (staged.sender is None):
            raise BadCommit("the commit is not by the station that hands it in")
        group.merge(staged)
    except mls.MlsError as error:
        raise BadCommit(str(error)) from error
    return group


def check_roster(group: mls.PublicGroup, state: ThreadState, mandates: MandateBook, at: int) -> None:
    """Refuses (`RosterDiffers`) a group that is not exactly the ladder's roster, keys and epoch included."""
    if group.epoch != state.mls_epoch:
        raise RosterDiffers(f"the group is in epoch {group.epoch}, the ladder in {state.mls_epoch}")
    found = {(member.identity, member.signature_key) for member in group.members()}
    allowed = set()
    for station, office in state.roster.items():
        try:
            mandate = mandates.find(station, at)
            key = unb64u(mandate.station_keys.mls, size=32)
        except OutOfMandate as error:
            raise NotMandatedMember(error.detail) from error
        if mandate.office != office:
            raise NotMandatedMember("a station of another office")
        allowed.add((station.encode("ascii"), key))
    if found != allowed or len(group.members()) != len(allowed):
        raise RosterDiffers(f"{len(found - allowed)} too many, {len(allowed - found)} missing")


def check_named(entry: VerifiedEntry, mandates: MandateBook, at: int) -> None:
    """Refuses (`NotMandatedMember`) a roster that names a station its office has not mandated at ``at`` (ms)."""
    act = entry.entry.act
    named: tuple[Member, ...] = ()
    if isinstance(act, Open):
        named = act.roster
    elif isinstance(act, Rekey):
        named = act.adds
    for member in named:
        try:
            mandates.require(member.station, role="station", office=member.office, at=at)
        except OutOfMandate as error:
            raise NotMandatedMember(error.detail) from error
