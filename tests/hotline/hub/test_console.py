"""What operators get: two factors, one-time links, the trail and its drawing, and an export that verifies."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from click.testing import CliRunner

from hotline.cli.hub import command
from hotline.hub.console import HubConsole
from hotline.hub.operators import STEP, OperatorFault, Operators
from protocols.bundle import read_bundle
from protocols.frames import Published
from protocols.translog import parse_policy, parse_proof, verify_proof
from tests.hotline.harness import connect, make_world, open_thread, running_hub
from tests.hotline.hub.test_process import make_folder


class HandClock:
    def __init__(self, now: int) -> None:
        self.at = now

    def now(self) -> int:
        return self.at

    async def sleep_until(self, at: int) -> None:
        self.at = max(self.at, at)


async def test_an_operator_needs_password_and_a_fresh_code(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        clock = HandClock(1_900_000_000_000)
        operators = Operators(hub.hub.store, clock, hub.hub.keys.operators, "hub.test")
        made = await operators.add("ops 1", "a long enough password")
        totp = pyotp.TOTP(parse_qs(urlsplit(made.otpauth).query)["secret"][0])

        def code() -> str:
            return totp.generate_otp(clock.at // STEP)

        assert not await operators.login("nobody", "a long enough password", code())
        assert not await operators.login("ops 1", "another password here", code())
        assert await operators.login("ops 1", "a long enough password", code())
        assert not await operators.login("ops 1", "a long enough password", code()), "a code is taken once"
        clock.at += STEP
        assert await operators.login("ops 1", "a long enough password", code())
        clock.at += STEP
        for _ in range(5):
            assert not await operators.login("ops 1", "guess guess guess", code())
        assert not await operators.login("ops 1", "a long enough password", code()), "blocked for a while"
        clock.at += 60_000
        assert await operators.login("ops 1", "a long enough password", code())
        with pytest.raises(OperatorFault):
            await operators.add("ops 2", "short")
    raw = b"".join(each.read_bytes() for each in tmp_path.glob("hub.db*"))
    assert totp.secret.encode() not in raw
    assert b"a long enough password" not in raw


async def test_a_login_link_works_once_and_not_for_long(tmp_path: Path) -> None:
    async with running_hub(make_world(tmp_path)) as hub:
        clock = HandClock(1_900_000_000_000)
        operators = Operators(hub.hub.store, clock, hub.hub.keys.operators, "hub.test")
        await operators.add("ops", "a long enough password")
        token = await operators.make_token("ops")
        assert await operators.redeem(token) == "ops"
        assert await operators.redeem(token) is None
        late = await operators.make_token("ops")
        clock.at += 16 * 60_000
        assert await operators.redeem(late) is None


async def test_the_console_shows_trail_spans_and_an_export_that_verifies(tmp_path: Path) -> None:
    world = make_world(tmp_path, quorum=1)
    async with (
        running_hub(world) as hub,
        connect(hub.url, world, "AV") as av,
        connect(hub.url, world, "KV") as kv,
    ):
        console = HubConsole(hub.hub)
        changes = console.changes()
        hint = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)
        thread = await open_thread(av, kv)
        assert await hint in (thread.id, "")
        notice = await av.say(thread, "incident-notice", fields={"text": "St Brannoc is down"}, drafter=1)
        await kv.deliveries(kv.threads[thread.id], 2)
        await kv.say(kv.threads[thread.id], "receipt", {"entry": notice.id}, officer=None)
        while await av.cosign_next() < 3:
            pass
        while (await console.log_health()).published_size < 3:
            await av.expect(Published)
        summary = console.summary()
        assert {office for office, _, since in summary.stations if since} == {"AV", "KV"}
        health = await console.log_health()
        assert (health.size, health.published_size, health.cosigners) == (3, 3, ("AV",))
        (row,) = await console.threads()
        assert (row.parties, row.entries, row.rung) == (("AV", "KV"), 3, "L1-notify")
        trail = await console.trail(thread.id)
        assert trail is not None
        assert [entry.kind for entry in trail.entries] == ["open", "incident-notice", "receipt"]
        assert (trail.entries[1].rung_before, trail.entries[1].rung_after) == ("L0-routine", "L1-notify")
        kinds = {span.kind for span in trail.spans}
        assert kinds >= {"rung", "clock", "member"}
        assert await console.trail("nothing") is None
        files = zipfile.ZipFile(io.BytesIO(await console.export(thread.id)))
        bundle = read_bundle({name: files.read(name) for name in files.namelist()})
        policy = parse_policy(world.accord.accord.policy)
        for exhibit in bundle.exhibits:
            verify_proof(parse_proof(exhibit.proof), exhibit.leaf, policy)
        assert len(bundle.exhibits) == 3
        assert b"St Brannoc" not in b"".join(each.leaf for each in bundle.exhibits)
        await changes.aclose()  # type: ignore[attr-defined]


def test_operators_are_added_and_let_in_by_commands(tmp_path: Path) -> None:
    _, hub, port = make_folder(tmp_path, plain=False)
    (tmp_path / "password").write_text("a long enough password\n")
    added = CliRunner().invoke(
        command,
        [
            "operator-add",
            str(hub),
            "ops",
            "--password-file",
            str(tmp_path / "password"),
            "--passphrase-file",
            str(tmp_path / "passphrase"),
        ],
    )
    assert added.exit_code == 0, added.output
    assert "otpauth://totp/" in added.output
    linked = CliRunner().invoke(command, ["login-link", str(hub), "ops"])
    assert linked.output.startswith(f"https://127.0.0.1:{port}/console/login#")
    unknown = CliRunner().invoke(command, ["login-link", str(hub), "nobody"])
    assert unknown.exit_code == 1
