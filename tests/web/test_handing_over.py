"""An officer sees what a reader will see before anything leaves, and nothing leaves that was not seen."""

from __future__ import annotations

from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, THREAD, FakeDesk

PAGE = f"/threads/{THREAD}/export"


async def test_nothing_is_ticked_at_first_and_every_readable_field_can_be(officer: Browser, desk: FakeDesk) -> None:
    response, text = await officer.get(PAGE)
    assert response.status == 200
    assert 'name="show" value="2:text"' in text and 'name="show" value="9:subject"' in text
    assert "checked" not in text and "Download this" not in text
    assert not [name for name, _ in desk.calls if name in ("preview", "export")]


async def test_the_preview_shows_exactly_the_chosen_words_and_counts_the_rest(officer: Browser, desk: FakeDesk) -> None:
    await officer.get(PAGE)
    response, text = await officer.post(PAGE, [("do", "preview"), ("show", "2:text"), ("show", "9:subject")])
    assert response.status == 200
    preview = text.partition('id="seen-title"')[2]
    assert "Three hospitals, 1140 beds." in preview and "St Brannoc hospital trust" not in preview
    assert "2 fields in words" in preview and "8 places" in preview and "2 newest entries are not in it" in preview
    assert HOSTILE not in text
    assert desk.calls[-1] == ("preview", (THREAD, ("2:text", "9:subject")))


async def test_only_what_was_looked_at_goes_out(officer: Browser, desk: FakeDesk) -> None:
    await officer.get(PAGE)
    ticked = [("show", "2:text"), ("show", "9:text")]
    for seen in ("", "2:text", "9:text 2:text"):
        response, text = await officer.post(PAGE, [("do", "download"), ("seen", seen), *ticked])
        assert response.status == 409 and "changed since you looked" in text
    assert not [name for name, _ in desk.calls if name == "export"]
    response, _ = await officer.post(PAGE, [("do", "download"), ("seen", "2:text 9:text"), *ticked])
    assert response.content_type == "application/zip"
    assert desk.calls[-1] == ("export", ("kid-ana", THREAD, ("2:text", "9:text")))


async def test_without_words_a_bundle_is_made_all_the_same(officer: Browser, desk: FakeDesk) -> None:
    await officer.get(PAGE)
    _, text = await officer.post(PAGE, {"do": "preview"})
    assert "0 fields in words" in text
    response, _ = await officer.post(PAGE, {"do": "download", "seen": ""})
    assert response.content_type == "application/zip"
    assert desk.calls[-1] == ("export", ("kid-ana", THREAD, ()))


async def test_a_missing_consent_and_a_locked_key_are_said_and_nothing_goes_out(
    officer: Browser, desk: FakeDesk
) -> None:
    await officer.get(PAGE)
    desk.consent_missing = True
    response, text = await officer.post(PAGE, {"do": "preview", "show": "2:text"})
    assert response.status == 409 and "consent of both parties" in text and "Download this" not in text
    assert 'value="2:text" checked' in text
    for form in ({"do": "preview", "show": "x"}, {"do": "download", "show": "2:text; rm"}):
        response, _ = await officer.post(PAGE, form)
        assert response.status == 400
    assert not [name for name, _ in desk.calls if name == "export"]
