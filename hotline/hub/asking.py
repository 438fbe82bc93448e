"""What others hold of this hub's log, asked while the hub does not run: before a restored copy is trusted, and by a check.

As `hotline.hub.foreign` asks it at a start: every witness of the policy that has a URL, one GET of its checkpoint for this
log (C2SP tlog-witness). A head counts if this log's own key signed it, whoever handed it over.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import aiohttp

from hotline.hub.settings import Settings
from protocols.accord import SignedAccord
from protocols.translog import Checkpoint, TranslogError, open_checkpoint, parse_policy, parse_vkey
from protocols.translog.note import MAX_NOTE_BYTES

ANSWER = 10.0
"""Seconds that one may take to answer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One witness: what it says. ``note``: a head that the log's key signed; "": it holds none, or ``problem`` says why it is
    not known."""

    name: str
    note: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a store stands to a head: ``level`` (it holds all of it), ``behind`` (leaves are missing) or ``other`` (of another
    history)."""

    how: Literal["level", "behind", "other"]
    head: Checkpoint


def witness_urls(settings: Settings, accord: SignedAccord) -> dict[str, str]:
    """Key name to URL of the witnesses that are reached over HTTP: as the policy says, and as the settings say instead."""
    policy = parse_policy(accord.accord.policy)
    urls = {each.key.name: each.url for each in policy.witnesses if each.url is not None}
    return {name: url.rstrip("/") for name, url in {**urls, **settings.witnesses}.items()}


async def ask_witnesses(urls: Mapping[str, str], accord: SignedAccord) -> tuple[Heard, ...]:
    """Every witness at once; none of them can hold up or break the others. In order of their names."""
    timeout = aiohttp.ClientTimeout(total=ANSWER)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=jar) as session:
        return tuple(await asyncio.gather(*(_ask(session, name, urls[name], accord) for name in sorted(urls))))


async def _ask(session: aiohttp.ClientSession, name: str, url: str, accord: SignedAccord) -> Heard:
    place = hashlib.sha256(accord.log_origin.encode()).hexdigest()
    try:
        async with session.get(f"{url}/{place}/checkpoint", allow_redirects=False) as response:
            if response.status == 404:
                return Heard(name)
            if response.status != 200:
                return Heard(name, problem=f"answers with status {response.status}")
            data = b""
            async for chunk in response.content.iter_chunked(16 * 1024):
                data += chunk
                if len(data) > MAX_NOTE_BYTES:
                    return Heard(name, problem="answers with more than a head")
            note = data.decode()
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
        return Heard(name, problem=f"does not answer ({type(error).__name__})")
    try:
        open_checkpoint(note, parse_vkey(accord.accord.hub.log))
    except TranslogError as error:
        return Heard(name, problem=f"answers with a head that is not this log's ({error.code})")
    return Heard(name, note)


def compare(notes: Iterable[str], accord: SignedAccord, size: int, root_at: Callable[[int], bytes]) -> list[Standing]:
    """How a store of ``size`` leaves stands to each of these heads, the largest first. ``root_at(n)``: its root at ``n``
    leaves. What this log's key did not sign is passed over: it proves nothing."""
    key, found = parse_vkey(accord.accord.hub.log), dict[tuple[int, bytes], Checkpoint]()
    for note in notes:
        try:
            head = open_checkpoint(note, key)
        except TranslogError:
            continue
        found[head.size, head.root] = head
    standings = []
    for head in sorted(found.values(), key=lambda each: each.size, reverse=True):
        if head.size > size:
            standings.append(Standing("behind", head))
        else:
            standings.append(Standing("level" if root_at(head.size) == head.root else "other", head))
    return standings
