"""Handing evidence to somebody outside: the officer ticks fields, sees what the reader will see, and only then downloads."""

from __future__ import annotations

import re

from aiohttp import web

from hotline.errors import HotlineError
from hotline.station.views import Outcome
from web.desk.state import DESK, OFFICER, show, thread_of

_FIELD = re.compile(r"[1-9][0-9]{0,5}:[a-z][a-z0-9_-]{0,63}", re.ASCII)
MAX_FIELDS = 2_000


async def choose(request: web.Request) -> web.Response:
    """The incident's entries with a box beside each field that this station can read. Nothing is ticked."""
    return show(
        request, "desk/export.html", view=thread_of(request), chosen=frozenset(), seen="", made=None, problem=""
    )


async def export(request: web.Request) -> web.Response:
    """``do=preview``: the page with what the reader will see; ``do=download``: the bundle, kept in the journal."""
    view, desk = thread_of(request), request.app[DESK]
    form = await request.post()
    chosen = list(dict.fromkeys(value for value in form.getall("show", []) if isinstance(value, str)))
    if len(chosen) > MAX_FIELDS or not all(_FIELD.fullmatch(each) for each in chosen):
        raise web.HTTPBadRequest(text="The form was not whole. Nothing was exported; open the page again.")
    if form.get("do") == "download" and form.get("seen") == " ".join(chosen):
        made = await desk.export(request[OFFICER].kid, view.summary.id, chosen)
        if not isinstance(made, Outcome):
            return web.Response(
                body=made.bundle,
                content_type="application/zip",
                headers={"Content-Disposition": f'attachment; filename="hotline-{view.summary.id}.zip"'},
            )
        problem = made.sentence or ""
    else:
        # A box ticked after the preview was not in it: it is shown first, whatever button was pressed.
        problem = (
            "" if form.get("do") == "preview" else "What is ticked has changed since you looked. Look at it again."
        )
    try:
        preview = await desk.preview_export(view.summary.id, chosen)
    except HotlineError as fault:
        preview, problem = None, fault.sentence
    return show(
        request,
        "desk/export.html",
        status=409 if problem else 200,
        view=view,
        chosen=frozenset(chosen),
        seen=" ".join(chosen),
        made=preview,
        problem=problem,
    )


def add_routes(app: web.Application) -> None:
    app.router.add_get("/threads/{thread}/export", choose, name="export")
    app.router.add_post("/threads/{thread}/export", export, name="export-post")
