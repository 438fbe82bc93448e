"""Witness policies: C2SP tlog-policy, which witnesses must have signed before a checkpoint counts.

One item a line, separated by spaces and tabs::

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...     members stand on earlier lines; each name is a member at most once
    quorum <name>|none                       exactly one
    # a comment: only as a whole line

The names exist only inside the policy. Two lines may not hold the same public key, whatever its name; beyond the
format, that holds between logs and witnesses too (no key has two roles), and the text must be UTF-8.

A verifier brings its own policy. One found inside the evidence is information about what the sender believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from protocols.translog.checkpoint import peek_checkpoint
from protocols.translog.cosignature import Cosignature, CosignedCheckpoint, open_cosigned
from protocols.translog.errors import KeyMalformed, NoKnownSignature, NoteMalformed, PolicyMalformed, QuorumNotMet
from protocols.translog.note import (
    KeyKind,
    Note,
    VerifierKey,
    parse_vkey,
)
from protocols.translog.wire import decode_decimal

MAX_POLICY_BYTES = 1024 * 1024
MAX_LINES = 256  # logs, witnesses and groups together; the format asks for at least 32 of each
MAX_OPERATORS_TRIED = 12  # all subsets of them are tried; 4096 at most
NONE = "none"

_NAME_BYTES = re.compile(r"[^\x00-\x20\x7f]+")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints are accepted. ``url`` is for people and tools, never for verification."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness under its name in this policy, which need not be its key's name."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Witnesses a checkpoint when at least ``threshold`` of its ``members`` (witnesses or groups) do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that is known to make sense. ``items`` are witnesses and groups, members before the groups they are in.

    ``quorum`` is the name of one of them, or None if no cosignature is needed.

    Raises:
        PolicyMalformed: it contradicts itself (see the module's text).
    """

    logs: tuple[PolicyLog, ...]
    items: tuple[PolicyWitness | PolicyGroup, ...]
    quorum: str | None

    def __post_init__(self) -> None:
        _check_keys(self)
        _check_names(self)

    @property
    def witnesses(self) -> tuple[PolicyWitness, ...]:
        """The witnesses, in the order of the policy."""
        return tuple(item for item in self.items if isinstance(item, PolicyWitness))

    @property
    def groups(self) -> tuple[PolicyGroup, ...]:
        """The groups, in the order of the policy."""
        return tuple(item for item in self.items if isinstance(item, PolicyGroup))

    def satisfied_by(self, names: Collection[str]) -> bool:
        """True if the witnesses of these policy names, having cosigned, make the quorum. Unknown names do not help."""
        if self.quorum is None:
            return True
        holds: dict[str, bool] = {}
        for item in self.items:
            if isinstance(item, PolicyWitness):
                holds[item.name] = item.name in names
            else:
                holds[item.name] = sum(holds[member] for member in item.members) >= item.threshold
        return holds[self.quorum]

    def cosigners(self, cosignatures: Iterable[Cosignature]) -> dict[str, int]:
        """Which witnesses cosigned and when: policy name to POSIX seconds. Keys that the policy lacks are left out."""
        names = {(item.key.kind, item.key.name, item.key.public_key): item.name for item in self.witnesses}
        found: dict[str, int] = {}
        for each in cosignatures:
            name = names.get((each.key.kind, each.key.name, each.key.public_key))
            if name is not None:
                found.setdefault(name, each.time)
        return found

    @property
    def operators(self) -> tuple[str, ...]:
        """Who runs the witnesses: their distinct *key* names, in order. Keys of one key name are one operator's."""
        return tuple(dict.fromkeys(item.key.name for item in self.witnesses))

    def smallest_quorum(self) -> int:
        """The least number of operators whose witnesses can make the quorum; 0 for ``quorum none``.

        It is the ``k`` of the time bounds (their ``n`` is ``len(operators)``). In a very large policy where operators
        hold several keys it is a lower bound, which only makes those bounds more careful.
        """
        witnesses = self._least_witnesses()
        owned = Counter(item.key.name for item in self.witnesses)
        if not owned or max(owned.values()) == 1:
            return witnesses
        lower = -(-witnesses // max(owned.values()))
        if len(owned) > MAX_OPERATORS_TRIED:
            return lower
        for count in range(lower, len(owned)):
            for chosen in combinations(owned, count):
                if self.satisfied_by({item.name for item in self.witnesses if item.key.name in chosen}):
                    return count
        return len(owned)

    def _least_witnesses(self) -> int:
        if self.quorum is None:
            return 0
        need: dict[str, int] = {}
        for item in self.items:
            if isinstance(item, PolicyWitness):
                need[item.name] = 1
            else:
                need[item.name] = sum(sorted(need[member] for member in item.members)[: item.threshold])
        return need[self.quorum]


def quorum_met(policy: Policy, cosignatures: Iterable[Cosignature]) -> bool:
    """True if these *verified* cosignatures make the policy's quorum. A witness counts once."""
    return policy.satisfied_by(policy.cosigners(cosignatures))


def open_with_policy(note: Note, policy: Policy) -> CosignedCheckpoint:
    """Open a checkpoint as the policy demands: signed by one of its logs, cosigned by a quorum of its witnesses.

    Raises:
        NoteMalformed: not a note; ``CheckpointMalformed``: not of a checkpoint.
        SignatureRefused: a signature by a known log or witness is false.
        NoKnownSignature: the origin is not a log of the policy, or that log did not sign.
        QuorumNotMet: too few witnesses cosigned.
    """
    origin = peek_checkpoint(note).origin
    refusal = NoKnownSignature(f"{origin} is not a log of the policy")
    for log in policy.logs:
        if log.key.name != origin:
            continue
        try:
            opened = open_cosigned(note, log.key, [item.key for item in policy.witnesses])
        except NoKnownSignature as error:
            refusal = error  # a log may have two keys while it changes them
            continue
        if not quorum_met(policy, opened.cosignatures):
            have = len(policy.cosigners(opened.cosignatures))
            raise QuorumNotMet(f"{have} of {len(policy.witnesses)} witnesses do not make {policy.quorum}")
        return opened
    raise refusal


# ---------------------------------------------------------------------------------------------------------------------
# Text form


def format_policy(policy: Policy) -> str:
    """The policy's text: logs, then witnesses and groups in order, then the quorum."""
    lines = [" ".join(filter(None, ("log", log.key.vkey, log.url))) for log in policy.logs]
    for item in policy.items:
        if isinstance(item, PolicyWitness):
            lines.append(" ".join(filter(None, ("witness", item.name, item.key.vkey, item.url))))
        else:
            lines.append(f"group {item.name} {_format_threshold(item)} {' '.join(item.members)}")
    lines.append(f"quorum {policy.quorum or NONE}")
    return "".join(f"{line}\n" for line in lines)


def parse_policy(text: Note) -> Policy:
    """Read a policy.

    Raises:
        PolicyMalformed: it breaks the grammar or contradicts itself.
    """
    logs: list[PolicyLog] = []
    items: list[PolicyWitness | PolicyGroup] = []
    known: set[str] = set()
    quorum: list[str] = []
    for line in _lines(text):
        match line:
            case ["log", vkey, *url] if len(url) < 2:
                logs.append(PolicyLog(_key(vkey), *url))
            case ["witness", name, vkey, *url] if len(url) < 2:
                items.append(PolicyWitness(name, _key(vkey), *url))
                known.add(name)
            case ["group", name, threshold, *members] if members:
                items.append(PolicyGroup(name, _threshold(threshold, len(members)), tuple(members)))
                known.add(name)
            case ["quorum", name]:
                if quorum:
                    raise PolicyMalformed("more than one quorum line")
                if name != NONE and name not in known:  # defined on a *later* line is not enough
                    raise PolicyMalformed(f"undefined name {name!r}")
                quorum.append(name)
            case _:
                raise PolicyMalformed(f"not a policy line: {' '.join(line)[:80]!r}")
    if not quorum:
        raise PolicyMalformed("no quorum line")
    return Policy(tuple(logs), tuple(items), None if quorum[0] == NONE else quorum[0])


def _lines(text: Note) -> list[list[str]]:
    """The words of every line that is neither empty nor a comment."""
    try:
        raw = text if isinstance(text, bytes) else text.encode()
        whole = raw.decode()
    except UnicodeError:
        raise PolicyMalformed("not UTF-8") from None
    if len(raw) > MAX_POLICY_BYTES:
        raise PolicyMalformed(f"more than {MAX_POLICY_BYTES} bytes")
    if any((char < " " and char not in "\t\n") or char == "\x7f" for char in whole):
        raise PolicyMalformed("a control character")
    if whole and not whole.endswith("\n"):
        raise PolicyMalformed("no newline at the end")
    lines = []
    for line in whole.split("\n"):
        words = [word for word in re.split("[ \t]+", line) if word]
        if words and not words[0].startswith("#"):
            lines.append(words)
    if len(lines) > MAX_LINES:
        raise PolicyMalformed(f"more than {MAX_LINES} lines")
    return lines


def _key(vkey: str) -> VerifierKey:
    try:
        return parse_vkey(vkey)
    except KeyMalformed as error:
        raise PolicyMalformed(f"bad key: {error.detail}") from error


def _threshold(word: str, count: int) -> int:
    if word in ("all", "any"):
        return count if word == "all" else 1
    try:
        return decode_decimal(word)
    except NoteMalformed as error:
        raise PolicyMalformed(error.detail) from None


def _format_threshold(group: PolicyGroup) -> str:
    names: Mapping[int, str] = {1: "any", len(group.members): "all"}
    return names.get(group.threshold, str(group.threshold))


def _check_keys(policy: Policy) -> None:
    seen: set[bytes] = set()
    for key in [*(log.key for log in policy.logs), *(item.key for item in policy.witnesses)]:
        # Same key under two names would be one party counted twice; as log and witness, one key with two meanings.
        if key.public_key in seen:
            raise PolicyMalformed(f"duplicate key of {key.name}")
        seen.add(key.public_key)
    if any(log.key.kind is not KeyKind.ED25519 for log in policy.logs):
        raise PolicyMalformed("a log's key must be of kind 0x01")
    if any(item.key.kind is KeyKind.ED25519 for item in policy.witnesses):
        raise PolicyMalformed("a witness's key must be of kind 0x04 or 0x06")
    identities = {(item.key.name, item.key.key_id) for item in policy.witnesses}
    if len(identities) != len(policy.witnesses):
        raise PolicyMalformed("two witnesses share a key name and key ID")
    urls = [*(log.url for log in policy.logs), *(item.url for item in policy.witnesses)]
    if any(url is not None and _NAME_BYTES.fullmatch(url) is None for url in urls):
        raise PolicyMalformed("a space or control character in a URL")


def _check_names(policy: Policy) -> None:
    known: set[str] = {NONE}
    members: set[str] = set()
    for item in policy.items:
        if item.name in known:
            raise PolicyMalformed(f"duplicate name {item.name!r}")
        if _NAME_BYTES.fullmatch(item.name) is None:
            raise PolicyMalformed(f"bad name {item.name!r}")
        if isinstance(item, PolicyGroup):
            for member in item.members:
                if member == NONE:
                    raise PolicyMalformed("'none' cannot be a group member")
                if member not in known:
                    raise PolicyMalformed(f"undefined name {member!r}")
                if member in members:
                    raise PolicyMalformed(f"{member!r} is already a member")
                members.add(member)
            if not 1 <= item.threshold <= len(item.members):
                raise PolicyMalformed(f"{item.name!r} asks for {item.threshold} of {len(item.members)}")
        known.add(item.name)
    if policy.quorum is not None and policy.quorum not in known - {NONE}:
        raise PolicyMalformed(f"undefined name {policy.quorum!r}")
