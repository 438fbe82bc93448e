"""Pages from templates: everything escaped, nothing undefined, links that know where the app is mounted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined

from web.shared import markings, timewords
from web.shared.language import ENGLISH
from web.shared.sessions import SESSIONS

ENVIRONMENT = web.AppKey("environment", Environment)


def make_environment() -> Environment:
    """Templates of ``shared/``, ``desk/`` and ``console/``, autoescaped whatever their name."""
    env = Environment(
        loader=PrefixLoader(
            {
                "shared": PackageLoader("web.shared"),
                "desk": PackageLoader("web.desk"),
                "console": PackageLoader("web.console"),
            }
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        iso=timewords.iso,
        utc=timewords.utc,
        utc_full=timewords.utc_full,
        local=timewords.local,
        span=timewords.span,
        countdown=timewords.left,
        bytes=markings.bytes_words,
        time_field=timewords.ms_to_field,
        css=markings.css,
        precedence_shape=markings.precedence_shape,
        tlp_shape=markings.tlp_shape,
        mark_shape=markings.mark_shape,
        note_shape=markings.note_shape,
        clock_shape=markings.clock_shape,
        line_shape=markings.line_shape,
        source_shape=markings.source_shape,
        source_words=markings.source_words,
    )
    return env


def url(request: web.Request, route: str, /, **parts: str) -> str:
    """The path of a named route, under whatever prefix the app is mounted at."""
    return str(request.app.router[route].url_for(**parts))


def render(request: web.Request, template: str, values: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """A page. Gives the template ``url``, ``csrf`` and the page language besides ``values``."""
    sessions = request.app[SESSIONS]
    response = web.Response(status=status, content_type="text/html", charset="utf-8")
    token = sessions.csrf(request) or sessions.csrf_before_login(response)
    response.text = (
        request.app[ENVIRONMENT]
        .get_template(template)
        .render(
            **values,
            url=partial(url, request),
            csrf=token,
            language=ENGLISH,
            path=request.path,
        )
    )
    return response


def see(
    request: web.Request, name: str, *, query: Mapping[str, str] | None = None, at: str = "", **parts: str
) -> web.Response:
    """After a POST: go and look at a named page (303), at an element of it."""
    where = request.app.router[name].url_for(**parts).with_query(query or {})
    return web.Response(status=303, headers={"Location": str(where) + (f"#{at}" if at else "")})
