from __future__ import annotations

from tests.web.conftest import Browser
from tests.web.fakes import PASSPHRASE, THREAD, FakeDesk, StoppedClock
from web.shared.sessions import IDLE, LIFE, Sessions


async def test_a_token_opens_the_desk_once(stranger: Browser, desk: FakeDesk) -> None:
    response, text = await stranger.login("good-token")
    assert response.url.path == "/"
    assert "St Brannoc hospitals" in text
    stranger.client.session.cookie_jar.clear()
    response, text = await stranger.login("good-token")
    assert response.status == 403
    assert "used before" in text


async def test_a_pasted_link_works_as_well_as_its_token(stranger: Browser, desk: FakeDesk) -> None:
    response, _ = await stranger.login("http://127.0.0.1:8701/login#good-token")
    assert response.url.path == "/"
    assert desk.calls[0] == ("redeem", "good-token")


async def test_an_empty_token_is_not_asked_about(stranger: Browser, desk: FakeDesk) -> None:
    response, _ = await stranger.login("  ")
    assert response.status == 403
    assert desk.calls == []


async def test_the_session_cookie_is_strict_and_out_of_reach_of_scripts(stranger: Browser) -> None:
    await stranger.get("/login")
    response, _ = await stranger.post("/login", {"token": "good-token"}, allow_redirects=False)
    [cookie] = [value for value in response.headers.getall("Set-Cookie") if "Max-Age=0" not in value]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "good-token" not in cookie


async def test_without_a_session_every_page_leads_to_the_login(stranger: Browser) -> None:
    for path in ("/", f"/threads/{THREAD}", "/journal", "/help"):
        response, text = await stranger.get(path)
        assert response.url.path == "/login"
        assert "St Brannoc hospitals" not in text


async def test_a_locked_key_is_opened_with_the_passphrase(stranger: Browser, desk: FakeDesk) -> None:
    desk.unlocked = False
    response, text = await stranger.login()
    assert response.url.path == "/unlock"
    assert "St Brannoc hospitals" not in text
    response, text = await stranger.post("/unlock", {"passphrase": "wrong"})
    assert response.status == 403
    assert "wrong" not in text
    response, _ = await stranger.get(f"/threads/{THREAD}")
    assert response.url.path == "/unlock"
    response, text = await stranger.post("/unlock", {"passphrase": PASSPHRASE.decode()})
    assert response.url.path == "/"


async def test_logging_out_ends_the_session_on_the_server_and_closes_the_key(officer: Browser, desk: FakeDesk) -> None:
    await officer.get("/")
    jar = officer.client.session.cookie_jar
    kept = {cookie.key: cookie.value for cookie in jar}
    response, _ = await officer.post("/logout")
    assert ("lock", ("kid-ana",)) in desk.calls
    assert response.url.path == "/login"
    jar.clear()
    jar.update_cookies(kept, officer.client.make_url("/"))
    response, _ = await officer.get("/")
    assert response.url.path == "/login"


async def test_a_session_ends_after_idle_time_and_after_its_life(officer: Browser, desk: FakeDesk) -> None:
    desk.clock.at += IDLE - 1
    response, _ = await officer.get("/")
    assert response.url.path == "/"
    desk.clock.at += IDLE + 1
    response, _ = await officer.get("/")
    assert response.url.path == "/login"
    assert LIFE > IDLE


async def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive(officer: Browser, desk: FakeDesk) -> None:
    for _ in range(3):
        desk.clock.at += IDLE // 2
        response, _ = await officer.get("/", headers={"X-Hotline-Refresh": "1"})
    assert response.url.path == "/login"


async def test_an_officer_the_office_no_longer_has_is_out_at_once(officer: Browser, desk: FakeDesk) -> None:
    desk.officers = lambda: ()  # type: ignore[method-assign]
    response, _ = await officer.get("/")
    assert response.url.path == "/login"


def test_two_desks_on_one_machine_use_different_cookies() -> None:
    clock = StoppedClock()
    assert Sessions(clock, "desk/AV/av-1").cookie != Sessions(clock, "desk/KV/kv-1").cookie
