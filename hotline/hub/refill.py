"""``hotline hub refill``: a hub restored behind its witnesses gets the leaves that it lacks back from the stations.

Nothing is believed because a station says so. Every leaf bears the hub's own stamp; each entry is admitted anew, by the same
code, at the time and place of that stamp, and must come out as the same leaf, byte for byte; and at every size of which
somebody holds a head that the log's key signed, the tree must have that root. Only then is anything kept, all of it in one
transaction: the log goes on where it was, and nothing is forked. One leaf missing, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy import Connection

from hotline.errors import LocalFault
from hotline.hub import commits
from hotline.hub.admission import Pass, Rules
from hotline.hub.given_back import Given, GivenEntry, GivenOwn, TwoHistories
from hotline.hub.own_leaves import OwnLeaf
from hotline.hub.safekeeping import NotOurs, Safe
from hotline.store import hub as t
from hotline.store.engine import Store
from mediation.refusals import Refusal
from protocols.encoding import b64u, digest
from protocols.errors import ProtocolError
from protocols.mandate import MandateBook
from protocols.translog import (
    Frontier,
    Policy,
    TranslogError,
    leaf_hash,
    open_with_policy,
    parse_policy,
    parse_vkey,
)

AT_ONCE = 200
"""Leaves that are judged before their rows are written, and so many are in memory at once."""
_NAMED = 20
"""Runs of missing leaves that are named one by one."""


class RefillFault(LocalFault):
    """Not everything was given back. ``detail`` says what is missing, or what does not fit."""

    code = "refill.incomplete"
    _sentence = (
        "The log cannot be made whole from what was given back, so nothing was changed and the hub must not serve. Get the "
        "missing from the stations that hold it; if nobody does, found a new log that every office signs."
    )


class Unsound(LocalFault):
    """The store was refilled, and the check of the whole of it found something. ``detail`` says what."""

    code = "refill.unsound"
    _sentence = (
        "The log was put back and has the roots that were signed, but the check of the whole store found what is named below. "
        "Do not serve it. Keep the folder and the stations' files, and tell whoever maintains the program."
    )


class Unheard(LocalFault):
    """Too few have said what they hold. ``detail`` says who is missing."""

    code = "refill.unheard"
    _sentence = (
        "Not everybody who may hold more of the log has been heard, so nothing was changed. Get the files of the stations "
        "named below, and have the witnesses reachable. A station that is lost for good can be passed over by name, one by one."
    )


@dataclass(frozen=True, slots=True)
class Refilled:
    """``before`` and ``size``: leaves in the log before and after; ``head``: size of the largest head that anybody showed;
    ``uncovered``: leaves beyond it, by the hub's stamps alone."""

    before: int
    size: int
    head: int
    root: str
    heads: int
    mandates: int

    @property
    def uncovered(self) -> int:
        return max(0, self.size - max(self.head, self.before))


async def refill(
    store: Store,
    rules: Rules,
    safe: Safe,
    given: Given,
    now: int,
    *,
    heard: Iterable[str] = (),
    without: Iterable[str] = (),
) -> Refilled:
    """Take what was given back into the store, or refuse and change nothing. The hub does not run.

    ``now``: ms UTC; ``heard``: key names of witnesses that were asked over HTTP (their heads are in ``given``);
    ``without``: kids of stations that are passed over. Raises `RefillFault`, `Unheard`, `TwoHistories`, `NotOurs`.
    """
    return await store.transact(lambda connection: _Refill(connection, rules, safe, given, now).run(heard, without))


async def log_size(store: Store) -> int:
    """How many leaves stand in the store."""
    async with store.read() as connection:
        return await connection.run_sync(commits.log_size)


class _Refill:
    """One refill, inside one transaction: whatever it raises undoes all of it."""

    def __init__(self, connection: Connection, rules: Rules, safe: Safe, given: Given, now: int) -> None:
        self._connection, self._rules, self._safe, self._given, self._now = connection, rules, safe, given, now
        self._policy: Policy = parse_policy(rules.accord.accord.policy)
        stored = connection.execute(sa.select(t.mandates.c.data)).scalars()
        self._stored = [bytes(data) for data in stored]
        self._book = given.book(self._stored)
        self._at: dict[int, int] = {}

    def run(self, heard: Iterable[str], without: Iterable[str]) -> Refilled:
        given, connection = self._given, self._connection
        self._pin()
        before = commits.load_frontier(connection)
        self._check_heads_below(before.size)
        self._check_heard(set(heard), set(without))
        top = max([before.size, given.top, *given.roots])
        self._check_complete(before.size, top)
        frontier = self._replay(before, top)
        mandates = self._save_mandates()
        heads = self._save_heads()
        self._spend_key_packages()
        head = max(given.roots, default=0)
        return Refilled(before.size, top, head, b64u(frontier.root()), heads, mandates)

    # -- may it be done -----------------------------------------------------------------------------------------------

    def _pin(self) -> None:
        """A store belongs to one accord, as at every start of a hub; an empty one takes its whole log from the first leaf."""
        m, accord = t.meta, self._rules.accord.id
        pinned = self._connection.execute(sa.select(m.c.value).where(m.c.key == "accord")).scalar()
        if pinned is None:
            self._connection.execute(m.insert().values(key="accord", value=accord))
        elif pinned != accord:
            raise RefillFault("the store was made under another accord")

    def _check_heads_below(self, size: int) -> None:
        """What the store has already must be what was signed."""
        if self._given.spoken and self._given.since != size:
            raise ValueError(f"leaves were read from {self._given.since} on; the store has {size}")
        for head, root in self._given.roots.items():
            if head <= size and self._root(head) != root:
                raise TwoHistories(f"the store's first {head} leaves are not those that were signed")

    def _check_heard(self, heard: set[str], without: set[str]) -> None:
        policy, given = self._policy, self._given
        offices = self._rules.accord.accord.offices
        stations = {m.kid: m for office in offices for m in self._book.stations(office.id, self._now)}
        strangers = given.spoken - {m.kid for m in self._book.all() if m.mandate.subject == "station"}
        if strangers:
            raise RefillFault(f"a file is by {', '.join(sorted(strangers))}, which no office has mandated")
        silent = sorted(set(stations) - given.spoken - without)
        if silent:
            names = (f"{stations[kid].office} {stations[kid].mandate.name} ({kid})" for kid in silent)
            raise Unheard("; ".join(names))
        spoken = set(heard) | {name for kid in given.spoken for name in _witness_names(self._book, kid, self._now)}
        n, k = len(policy.operators), policy.smallest_quorum()
        needed, found = min(k, n - k + 1), spoken & set(policy.operators)
        if len(found) < needed:
            missing = ", ".join(sorted(set(policy.operators) - found))
            raise Unheard(f"{len(found)} of the {needed} witnesses that are needed; not heard: {missing}")

    def _check_complete(self, size: int, top: int) -> None:
        if missing := _runs(self._given.missing(size, top)):
            raise RefillFault(f"missing are the leaves {missing} of {top}")
        if lacking := _runs(self._given.lacking()):
            raise RefillFault(f"sealed parts are missing of the leaves {lacking}")

    # -- doing it -----------------------------------------------------------------------------------------------------

    def _replay(self, before: Frontier, top: int) -> Frontier:
        threads, frontier = commits.load_threads(self._connection), before
        newest = commits.newest_stamp(self._connection)
        known, leaves = self._known_heads(), self._given.walk()
        for start in range(before.size, top, AT_ONCE):
            batch = list(islice(leaves, min(AT_ONCE, top - start)))
            done = Pass(self._rules, self._book, newest, frontier, threads, self._ids(batch), None, known)
            own = [made for leaf in batch if (made := self._one(done, leaf)) is not None]
            commits.save(self._connection, done, own)
            threads, frontier, newest = {**threads, **done.changed}, done.frontier, done.at
        if frontier.size != top:
            raise RefillFault(
                f"the leaves from {frontier.size} on are not there any more: a file was changed meanwhile"
            )
        return frontier

    def _one(self, done: Pass, leaf: GivenEntry | GivenOwn) -> OwnLeaf | None:
        """Take in the next leaf; a leaf of the hub's own is returned."""
        index = done.frontier.size
        if index != (leaf.stamp.index if isinstance(leaf, GivenEntry) else leaf.leaf.payload.index):
            raise RefillFault(f"leaf {index} is not where it was any more: a file was changed meanwhile")
        made = None
        at = leaf.stamp.at if isinstance(leaf, GivenEntry) else leaf.leaf.payload.at
        if at < done.at:
            raise RefillFault(f"leaf {index} is stamped before the leaf that precedes it")
        seen = leaf.entry.payload.seen if isinstance(leaf, GivenEntry) else leaf.leaf.payload.seen
        if seen is not None and seen not in done.known_heads:
            raise RefillFault(f"leaf {index} names a published head that nobody gave back")
        if isinstance(leaf, GivenOwn):
            done.at = at
            made = OwnLeaf(index, at, leaf.leaf.kind, leaf.data, self._disclosures(index, leaf))
            done.frontier, nodes = done.frontier.append(leaf_hash(leaf.data))
            done.nodes += nodes
        else:
            self._admit(done, leaf, index)
        root = self._given.roots.get(done.frontier.size)
        if root is not None:
            self._at[done.frontier.size] = at
        if root is not None and done.frontier.root() != root:
            raise TwoHistories(f"the first {done.frontier.size} leaves have another root than the head that was signed")
        return made

    def _disclosures(self, index: int, leaf: GivenOwn) -> dict[str, str]:
        """What opens a leaf of the hub's own, from whichever station kept it as it was."""
        for sealed in leaf.others:
            try:
                return self._safe.open(index, sealed)
            except NotOurs:
                continue  # one station's word is nothing: the next one's, and in the end the first one's, decides
        return self._safe.open(index, leaf.sealed)

    def _admit(self, done: Pass, leaf: GivenEntry, index: int) -> None:
        try:
            found = done.again(leaf.entry, leaf.stamp, leaf.parts)
        except ProtocolError as error:
            raise RefillFault(f"leaf {index} would not be admitted: {error}") from error
        if isinstance(found, Refusal):
            raise RefillFault(f"leaf {index} would not be admitted: {found.code}")
        if found.entry.leaf != leaf.leaf or done.frontier.size != index + 1:
            raise RefillFault(f"leaf {index} does not follow: admitted anew it is another leaf")

    def _ids(self, batch: Iterable[GivenEntry | GivenOwn]) -> dict[tuple[str, int], str]:
        payloads = [leaf.entry.payload for leaf in batch if isinstance(leaf, GivenEntry)]
        return commits.find_ids(self._connection, [(payload.thread, payload.prev_seq) for payload in payloads])

    def _known_heads(self) -> set[str]:
        """Digests of the heads that entries may have seen: published before, and those given back that meet the policy."""
        stored = self._connection.execute(sa.select(t.published.c.digest)).scalars()
        return set(stored) | set(self._publishable())

    def _publishable(self) -> dict[str, int]:
        found = {}
        for name, note in self._given.notes.items():
            try:
                found[name] = open_with_policy(note, self._policy).checkpoint.size
            except TranslogError:
                continue  # a head without a quorum, as a witness last cosigned it: proof of the tree, no published head
        return found

    def _save_heads(self) -> int:
        """The heads that were signed since, and those of them that were published, in the order of their size."""
        h, p = t.heads.c, t.published.c
        connection = self._connection
        stored = set(connection.execute(sa.select(h.size)).scalars())
        for size in sorted(set(self._given.roots) - stored - {0}):
            at = self._at.get(size, 0) or commits.newest_stamp(connection)
            connection.execute(t.heads.insert().values(size=size, root=self._given.roots[size], at=at))
        known = set(connection.execute(sa.select(p.digest)).scalars())
        last = connection.execute(sa.select(sa.func.coalesce(sa.func.max(p.size), 0))).scalar_one()
        added = 0
        for name, size in sorted(self._publishable().items(), key=lambda each: (each[1], each[0])):
            if name not in known and size >= last:
                at = connection.execute(sa.select(h.at).where(h.size == size)).scalar_one()
                row = {"size": size, "at": at, "note": self._given.notes[name], "digest": name}
                connection.execute(t.published.insert().values(**row))
                added += 1
        return added

    def _save_mandates(self) -> int:
        known = set(self._stored)
        new = [each for each in self._book.all() if each.data not in known]
        for each in new:
            row = {
                "digest": digest(each.data),
                "kid": each.kid,
                "office": each.office,
                "added": self._now,
                "data": each.data,
            }
            self._connection.execute(t.mandates.insert().values(**row))
        return len(new)

    def _spend_key_packages(self) -> None:
        """Which of them were handed out since the copy nobody can say: none is, a second time. Stations publish new ones."""
        k = t.key_packages.c
        spent = t.key_packages.update().where(k.claimed_at.is_(None))
        self._connection.execute(spent.values(claimed_by="refill", claimed_at=self._now))

    def _root(self, size: int) -> bytes:
        wanted: list[tuple[int, int]] = []

        def plan(level: int, index: int) -> bytes:
            wanted.append((level, index))
            return bytes(32)

        Frontier.load(size, plan)
        nodes = commits.read_nodes(self._connection, wanted)
        return Frontier.load(size, lambda level, index: nodes[level, index]).root()


def _witness_names(book: MandateBook, kid: str, now: int) -> set[str]:
    try:
        keys = book.find(kid, now).station_keys
        return {parse_vkey(vkey).name for vkey in (keys.witness, keys.witness_pq) if vkey}
    except (ProtocolError, TranslogError):
        return set()


def _runs(indexes: Iterable[int]) -> str:
    """As in "4 to 7, 9"; "" for none. ``indexes`` ascend."""
    runs: list[list[int]] = []
    more = 0
    for index in indexes:
        if runs and not more and index == runs[-1][1] + 1:
            runs[-1][1] = index
        elif len(runs) < _NAMED:
            runs.append([index, index])
        else:
            more += 1
    words = [str(a) if a == b else f"{a} to {b}" for a, b in runs]
    return ", ".join(words) + (f" and {more} leaves more" if more else "")
