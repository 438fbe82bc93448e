"""What a station holds of a thread's keys beside the group itself: where it may have to go back to, and how it comes back.

``before`` is the group as it was before the newest renewals, kept only while the ladder may take the thread back to it
(`mediation.renewals`): whoever takes it, with the passphrase, can compute what came after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mediation.renewals import open_dispute, window_open
from mediation.state import ThreadState
from protocols.encoding import b64u, unb64u


@dataclass(frozen=True, slots=True)
class Keys:
    """``before``: snapshot of the group to go back to; ``tainted``: message keys may have been used in it that it still holds.
    ``info`` and ``info_before``: GroupInfos of the epoch in force and of that one, by which a lost member comes back.
    ``stuck``: the code of why this station does not hold the keys of the epoch in force, empty where it does; ``since``:
    the entry that it could not follow."""

    before: bytes | None = None
    tainted: bool = False
    info: bytes | None = None
    info_before: bytes | None = None
    stuck: str = ""
    since: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be sealed."""
        return {
            "before": None if self.before is None else b64u(self.before),
            "tainted": self.tainted,
            "info": None if self.info is None else b64u(self.info),
            "info_before": None if self.info_before is None else b64u(self.info_before),
            "stuck": self.stuck,
            "since": self.since,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Keys:
        """The inverse of `to_json`."""

        def part(name: str) -> bytes | None:
            return None if found[name] is None else unb64u(found[name])

        return cls(part("before"), found["tainted"], part("info"), part("info_before"), found["stuck"], found["since"])

    def renewed(self, former: bytes | None, tainted: bool, info: bytes | None, state: ThreadState) -> Keys:
        """After a renewal: ``former`` is the group before it, ``info`` what came beside it, ``state`` the ladder's now."""
        renewal = state.renewal
        if renewal is None:
            return Keys(info=info)
        if renewal.depth == 1:
            return Keys(former, tainted, info, self.info)
        return replace(self, info=info, stuck="", since="")

    def settled(self) -> Keys:
        """Every member has followed, or it is too late to go back."""
        if self.before is None and not self.tainted and self.info_before is None:
            return self  # the common case, kept cheap: every entry passes here
        return replace(self, before=None, tainted=False, info_before=None)

    def lost(self, code: str, since: str) -> Keys:
        """The keys in force are not held here; the first reason stays."""
        return self if self.stuck else replace(self, stuck=code, since=since)


def may_complain(keys: Keys, state: ThreadState, kid: str, at: int) -> bool:
    """Whether going back would give this station its keys again, and the ladder lets it ask for that now."""
    renewal = state.renewal
    if not keys.stuck or renewal is None or kid not in renewal.waiting or not window_open(state, at):
        return False
    return keys.before is not None or any(member.station == kid for member in renewal.adds)


def keys_due(state: ThreadState) -> bool:
    """Whether the ladder's state asks for new keys: somebody is to come in or go out, or a complaint is to be healed."""
    return bool(state.due_adds or state.due_removes or state.leaving or open_dispute(state) is not None)
