"""What a person sees when something is refused or fails: what happened, what is safe, what to do; never a trace."""

from __future__ import annotations

import traceback

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hotline.errors import HotlineError
from protocols.errors import ProtocolError
from web.shared.rendering import render

log = structlog.get_logger()

_SENTENCES = {
    404: "There is no such page. Nothing was changed.",
    405: "This page cannot be used that way. Nothing was changed.",
    413: "What you sent is too large. Nothing was sent; shorten it and try again.",
}


def faults(template: str, title: str, home: str) -> Middleware:
    """The middleware: any refusal or fault becomes the page ``template`` with a code and a sentence.

    ``home``: the route that the page leads back to.
    """

    def page(request: web.Request, status: int, code: str, sentence: str) -> web.Response:
        if request.match_info.route.name is not None and request.match_info.route.name.startswith("api-"):
            return web.json_response({"code": code, "sentence": sentence}, status=status)
        values = {"code": code, "sentence": sentence, "status": status, "title": title, "home": home}
        return render(request, template, values, status=status)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            if refusal.status < 400:
                raise
            sentence = _SENTENCES.get(refusal.status) or refusal.text or refusal.reason
            return page(request, refusal.status, f"http.{refusal.status}", sentence)
        except (HotlineError, ProtocolError) as fault:
            log.info("page-refused", code=fault.code, path=request.path)
            status = 404 if fault.code.endswith("unknown-thread") else 409
            return page(request, status, fault.code, fault.sentence)
        except Exception as fault:
            # Where, not what: a message or a local variable may hold what somebody wrote.
            where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)[-4:]]
            log.error("page-failed", path=request.path, fault=type(fault).__name__, where=where)
            sentence = (
                "This page failed. Nothing you sent before is lost; what you just typed is kept where drafts are. "
                "Go back and try again; if it happens again, tell your engineers the time and the address of the page."
            )
            return page(request, 500, "page.failed", sentence)

    return middleware
