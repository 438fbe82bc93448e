"""Files at the desk over HTTP: taken whole or not at all, only ever saved, never trusted for what they are called."""

from __future__ import annotations

import pytest

from hotline.station.views import FileView
from protocols.attachment import MAX_ATTACHMENT
from tests.web.conftest import Browser
from tests.web.fakes import HOSTILE, THREAD, FakeDesk, entry

PAGE = f"/threads/{THREAD}"
BLOB = "B" * 43
KEY = "K" * 43


def view(**changes: object) -> FileView:
    given = {
        "blob": BLOB, "name": "plan.pdf", "type": "application/pdf", "size": 25, "way": "get", "state": "whole",
        "have": 41, "total": 41, "here": True,
    }  # fmt: skip
    return FileView(**{**given, **changes})  # type: ignore[arg-type]


async def headers(officer: Browser, **more: str) -> dict[str, str]:
    await officer.get("/")
    return {"Origin": officer.origin, "X-Hotline-CSRF": officer.csrf, **more}


def with_file(desk: FakeDesk, file: FileView) -> None:
    desk.file_views[file.blob] = file
    value = {"name": file.name, "type": file.type, "size": 25, "blob": file.blob, "key": KEY, "hash": "H" * 43}
    desk.entries = (entry(1, "statement", "KV", fields={"text": "See.", "attachment-1": value}),)


async def test_a_file_is_taken_with_its_name_and_answered_in_json(officer: Browser, desk: FakeDesk) -> None:
    given = await headers(officer, **{"X-Hotline-Name": "caf%C3%A9.pdf", "Content-Type": "application/pdf"})
    response = await officer.client.post(f"{PAGE}/files", data=b"%PDF", headers=given)
    assert response.status == 201 and (await response.json())["name"] == "café.pdf"
    assert desk.calls[-1] == ("attach", (THREAD, "café.pdf", "application/pdf", b"%PDF"))
    listed = await (await officer.client.get(f"{PAGE}/files")).json()
    assert [each["state"] for each in listed] == ["announced"]


async def test_a_file_from_another_page_or_too_large_is_not_taken(officer: Browser, desk: FakeDesk) -> None:
    given = await headers(officer)
    for bad in ({**given, "X-Hotline-CSRF": "x"}, {**given, "Origin": "http://evil.test"}):
        assert (await officer.client.post(f"{PAGE}/files", data=b"x", headers=bad)).status == 403
    too_long = {**given, "Content-Length": str(MAX_ATTACHMENT + 1)}
    response = await officer.client.post(f"{PAGE}/files", data=b"x", headers=too_long)
    assert response.status == 413
    assert not desk.file_views


async def test_a_file_goes_out_as_bytes_to_be_kept_whatever_it_claims_to_be(officer: Browser, desk: FakeDesk) -> None:
    desk.file_views[BLOB] = view(name="a b'é.html", type="text/html")
    response = await officer.client.get(f"{PAGE}/files/{BLOB}")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"file\"; filename*=UTF-8''a%20b%27%C3%A9.html"
    assert await response.read() == b"<script>alert(1)</script>"
    assert (await officer.client.get(f"{PAGE}/files/{'C' * 43}")).status == 409


async def test_an_entry_shows_its_files_without_their_keys(officer: Browser, desk: FakeDesk) -> None:
    with_file(desk, view(name=HOSTILE[:60], state="known", here=False, have=0))
    _, text = await officer.get(PAGE)
    assert KEY not in text and "<script>alert" not in text
    assert "25 bytes, said to be application/pdf" in text and "Not checked for viruses" in text
    assert f'action="{PAGE}/files/{BLOB}/fetch"' in text and ">Save" not in text
    response, _ = await officer.post(f"{PAGE}/files/{BLOB}/fetch", allow_redirects=False)
    assert response.status == 303 and desk.calls[-1] == ("fetch", (THREAD, BLOB))
    with_file(desk, view())
    _, text = await officer.get(PAGE)
    assert f'href="{PAGE}/files/{BLOB}" download>Save' in text


@pytest.mark.parametrize(("state", "words"), [("announced", "⇣ 50 %"), ("refused", "The file is not the one")])
async def test_what_stands_in_the_way_of_a_file_is_said_in_words(
    officer: Browser, desk: FakeDesk, state: str, words: str
) -> None:
    with_file(desk, view(state=state, have=20, total=40, here=False, sentence="The file is not the one."))
    _, text = await officer.get(PAGE)
    assert words in text


async def test_a_form_keeps_its_files_and_sends_them_as_fields(officer: Browser, desk: FakeDesk) -> None:
    desk.file_views[BLOB] = view(way="put", state="announced")
    await officer.get("/")
    typed = {"kind": "statement", "text": "See the file.", "attachment": BLOB, "client_id": "c-7"}
    desk.files_refused = "The hub has not kept a place for it."
    response, text = await officer.post(f"{PAGE}/send", typed)
    assert response.status == 422 and "has not kept a place" in text
    assert f'name="attachment" value="{BLOB}"' in text and "See the file." in text
    desk.files_refused = ""
    await officer.post(f"{PAGE}/send", typed)
    sent = next(given for name, given in reversed(desk.calls) if name == "send")
    assert sent["fields"]["attachment-1"] == {"blob": BLOB} and sent["fields"]["text"] == "See the file."


async def test_a_file_is_taken_off_again(officer: Browser, desk: FakeDesk) -> None:
    desk.file_views[BLOB] = view(way="put")
    response = await officer.client.post(f"{PAGE}/files/{BLOB}/off", headers=await headers(officer))
    assert response.status == 204 and not desk.file_views


async def test_a_form_that_takes_no_files_shows_no_chooser(officer: Browser, desk: FakeDesk) -> None:
    _, text = await officer.get(f"{PAGE}?write=statement")
    assert 'id="file-list"' in text and 'type="file"' in text
    _, text = await officer.get(f"{PAGE}?write=nomination")
    assert 'id="file-list"' not in text


async def test_a_program_names_its_files_by_what_they_are_called_and_sees_no_key(
    officer: Browser, desk: FakeDesk
) -> None:
    path = f"/api/threads/{THREAD}/send"
    body = {"kind": "statement", "act": {}, "fields": {"text": "See."}, "files": [BLOB]}
    given = await headers(officer)
    response = await officer.client.post(path, json=body, headers=given)
    assert response.status == 200
    sent = next(given for name, given in reversed(desk.calls) if name == "send")
    assert sent["fields"] == {"text": "See.", "attachment-1": {"blob": BLOB}}
    count = len(desk.calls)
    desk.files_refused = "The hub has not kept a place for it."
    response = await officer.client.post(path, json=body, headers=given)
    assert (await response.json())["code"] == "attachment.quota"
    for bad in ("x", [1], {"a": 1}):
        assert (await officer.client.post(path, json={**body, "files": bad}, headers=given)).status == 409
    assert not [name for name, _ in desk.calls[count:] if name == "send"]
