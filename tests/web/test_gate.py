from __future__ import annotations

import pytest
from aiohttp import WSServerHandshakeError

from tests.web.conftest import Browser
from tests.web.fakes import THREAD, FakeDesk
from web.shared.gate import CSP, host_allowed

PAGES = ("/", f"/threads/{THREAD}", f"/threads/{THREAD}?write=statement", "/journal", "/help", "/login", "/nowhere")


@pytest.mark.parametrize("path", [*PAGES, "/static/hotline.css", "/static/nothing.css", "/static/..%2f..%2fpages.py"])
async def test_every_response_carries_the_strict_headers(officer: Browser, path: str) -> None:
    response, _ = await officer.get(path)
    assert response.headers["Content-Security-Policy"] == CSP
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_needs_inline_script_or_style(officer: Browser, path: str) -> None:
    _, text = await officer.get(path)
    assert " style=" not in text
    assert "<style" not in text
    assert " onclick" not in text
    assert text.count("<script") == text.count('<script type="module" src="/static/')


async def test_a_strange_host_is_sent_away_before_anything_else(officer: Browser, desk: FakeDesk) -> None:
    for host in ("evil.example", "evil.example:8701", "127.0.0.1.evil.example", "[::1", ""):
        response, text = await officer.get("/", headers={"Host": host})
        assert response.status in (400, 421), host
        assert "St Brannoc" not in text


def test_a_host_is_matched_with_its_port_when_one_is_given() -> None:
    assert host_allowed("127.0.0.1:8701", {"127.0.0.1:8701"})
    assert not host_allowed("127.0.0.1:8702", {"127.0.0.1:8701"})
    assert host_allowed("LOCALHOST:9", {"localhost"})


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1:1", "file://"])
async def test_a_post_from_another_origin_does_nothing(officer: Browser, desk: FakeDesk, origin: str | None) -> None:
    await officer.get("/")
    headers = {} if origin is None else {"Origin": origin}
    response = await officer.client.post(
        f"/threads/{THREAD}/read", data={"csrf": officer.csrf, "seq": "3"}, headers=headers
    )
    assert response.status == 403
    assert all(name != "mark_read" for name, _ in desk.calls)


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_does_nothing(officer: Browser, desk: FakeDesk, token: str) -> None:
    officer.csrf = token
    response, text = await officer.post(f"/threads/{THREAD}/read", {"seq": "3"})
    assert response.status == 403
    assert "Nothing was done" in text
    assert all(name != "mark_read" for name, _ in desk.calls)


async def test_the_token_of_one_browser_is_no_good_in_another(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    first = officer.csrf
    officer.client.session.cookie_jar.clear()
    desk.tokens["second"] = "kid-rui"
    await officer.login("second")
    officer.csrf = first
    response, _ = await officer.post(f"/threads/{THREAD}/read", {"seq": "3"})
    assert response.status == 403


async def test_a_websocket_from_another_page_is_refused(officer: Browser) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await officer.client.ws_connect("/live", headers={"Origin": "http://evil.example"})
    assert caught.value.status == 403


async def test_a_websocket_without_a_session_is_refused(stranger: Browser) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await stranger.client.ws_connect("/live", headers={"Origin": stranger.origin})
    assert caught.value.status == 401


async def test_a_form_too_large_is_refused_in_words(officer: Browser) -> None:
    await officer.get("/")
    response, text = await officer.post(f"/threads/{THREAD}/send", {"kind": "statement", "text": "x" * 600_000})
    assert response.status == 413
    assert "too large" in text


async def test_a_failing_page_shows_no_trace(officer: Browser, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(limit: int = 200) -> object:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(desk, "journal", fail)
    response, text = await officer.get("/journal")
    assert response.status == 500
    assert "secret detail" not in text
    assert "engineers" in text
    assert response.headers["Content-Security-Policy"] == CSP
