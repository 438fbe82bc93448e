"""The public side of a thread's MLS group: one commit an epoch, and nobody in it whom the ladder does not allow.

The hub holds no key of a group. It follows the tree that commits build, and compares: every member's credential must
name a station of the ladder's roster, and its signature key must be the one that station's mandate gives for MLS.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotline.hub.errors import BadCommit, NotMandatedMember, RosterDiffers
from mediation.state import ThreadState
from protocols import mls
from protocols.encoding import unb64u
from protocols.entry import VerifiedEntry
from protocols.kinds import Member, Open, Rekey
from protocols.mandate import MandateBook, OutOfMandate


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
    return follow(group, parts["commit"], payload.station, at)


def follow(group: mls.PublicGroup, commit: bytes, station: str, at: int) -> mls.PublicGroup:
    """The group after a commit by ``station`` (its kid). Raises `BadCommit`."""
    try:
        staged = group.stage(commit, at // 1000)
        by = next((member for member in group.members() if member.leaf == staged.sender), None)
        if by is None or by.identity != station.encode("ascii"):
            raise BadCommit("the commit is not by the station that hands it in")
        group.merge(staged)
    except mls.MlsError as error:
        raise BadCommit(str(error)) from error
    return group


def check_roster(group: mls.PublicGroup, state: ThreadState, mandates: MandateBook, at: int) -> None:
    """Refuses (`RosterDiffers`) a group that is not exactly the ladder's roster, keys and epoch included."""
    if group.epoch != state.epoch:
        raise RosterDiffers(f"the group is in epoch {group.epoch}, the ladder in {state.epoch}")
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
