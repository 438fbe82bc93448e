"""The few files browsers fetch: one style sheet and small scripts, read once at start, no other path reachable."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_static(app: web.Application) -> None:
    """Serve ``static/<name>`` under the route name ``static``."""
    held: dict[str, tuple[bytes, str]] = {}
    for file in files("web.shared").joinpath("static").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in _TYPES:
            held[file.name] = (file.read_bytes(), _TYPES[suffix])

    async def static(request: web.Request) -> web.Response:
        found = held.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found[0], content_type=found[1], charset="utf-8")

    app.router.add_get("/static/{name}", static, name="static")
