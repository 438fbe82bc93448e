"""The page that searches entries by incident, office, kind and time; never by words, which the hub does not have.

A search is a GET with its question in the address, so that it can be kept and handed on. Nothing in it is secret.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from hotline.hub.findings import Found, Search
from web.console.state import CONSOLE, look, show
from web.shared.rendering import url
from web.shared.timewords import ms_to_field

_THREAD = re.compile(r"[A-Za-z0-9_-]{4,22}", re.ASCII)
_FIELDS = ("thread", "office", "kind", "from", "to", "before")


class BadSearch(Exception):
    """What was asked cannot be looked for; the message says why."""


async def search(request: web.Request) -> web.Response:
    """The form, and below it one page of what was found."""
    given = {name: request.query.get(name, "").strip()[:40] for name in _FIELDS}
    asked = {name: value for name, value in given.items() if value}
    kinds, offices = request.app[CONSOLE].kinds_and_offices()
    problem, found = "", None
    try:
        wanted = read_search(given, {kind for kind, _ in kinds}, set(offices))
    except BadSearch as error:
        await look(request, "search")
        problem = str(error)
    else:
        question = {name: value for name, value in asked.items() if name != "before"}
        await look(request, f"search {urlencode(question)}".rstrip())
        found = await request.app[CONSOLE].search(wanted)
    response = show(
        request,
        "console/search.html",
        given=given,
        asked=bool(asked),
        kinds=kinds,
        offices=offices,
        found=found,
        problem=problem,
        links={} if found is None else _links(request, found),
    )
    if problem:
        response.set_status(400)
    return response


def read_search(given: dict[str, str], kinds: set[str], offices: set[str]) -> Search:
    """The question in a form's fields. Raises `BadSearch`."""
    if given["thread"] and not _THREAD.fullmatch(given["thread"]):
        raise BadSearch("An incident is named by its number, or by the first 4 or more characters of it.")
    if given["office"] and given["office"] not in offices:
        raise BadSearch(f"There is no office {given['office']} on this line.")
    if given["kind"] and given["kind"] not in kinds:
        raise BadSearch(f"There is no kind of entry called {given['kind']}.")
    since, until = _time(given["from"], "From"), _time(given["to"], "To")
    if since is not None and until is not None and since >= until:
        raise BadSearch("From must be before To: as they stand, no time lies between them.")
    if given["before"] and not (
        given["before"].isascii() and given["before"].isdecimal() and len(given["before"]) < 16
    ):
        raise BadSearch("The address of this page is not whole. Start the search again.")
    before = int(given["before"]) if given["before"] else None
    return Search(given["thread"], given["office"], given["kind"], since, until, before)


def query_of(wanted: Search) -> str:
    """The address's query of a search, "" for none."""
    parts = {
        "thread": wanted.thread,
        "office": wanted.office,
        "kind": wanted.kind,
        "from": "" if wanted.since is None else ms_to_field(wanted.since),
        "to": "" if wanted.until is None else ms_to_field(wanted.until),
        "before": "" if wanted.before is None else str(wanted.before),
    }
    return urlencode({name: value for name, value in parts.items() if value})


def _links(request: web.Request, found: Found) -> dict[str, str]:
    here, links = url(request, "search"), {}
    if found.wanted.before is not None:
        links["newest"] = f"{here}?{query_of(replace(found.wanted, before=None))}".rstrip("?")
    if found.older is not None:
        links["older"] = f"{here}?{query_of(replace(found.wanted, before=found.older))}"
    return links


def _time(text: str, name: str) -> int | None:
    """ms UTC. A time without an offset is UTC, as every time on these pages."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadSearch(f"{name} is not a time. Write it as 2031-03-12 03:12, in UTC.") from None


def add_routes(app: web.Application) -> None:
    app.router.add_get("/search", search, name="search")
