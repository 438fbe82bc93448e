"""`hotline audit`: a verdict by the verifier's own trust, and exports from a hub's and a station's files."""

from __future__ import annotations

import dataclasses
import json
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from hotline import bundles, keystore
from hotline.cli import main
from hotline.cli.pins import pinning
from hotline.station.vault import Vault
from hotline.store import hub as hub_tables
from hotline.store import station as station_tables
from hotline.store.migrate import upgrade
from mediation.audit import verify
from mediation.state import to_bytes
from protocols.bundle import write_bundle
from protocols.encoding import digest
from protocols.entry import parse_entry
from protocols.translog import Mirror
from protocols.translog.timestamp import timestamp_request
from tests.mediation.audit.kit import silent, withheld
from tests.mediation.court import LADDER, LADDER_ID, LINE, POLICY, THREAD, TRUST, WITNESSES, Court, small_case
from tests.protocols.kit import counting_rng, seed
from tests.tsa import make_authority, needs_openssl

PASSPHRASE = "a passphrase for tests"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an audit asks nobody")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["audit", *(str(each) for each in arguments)], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def trust(tmp_path: Path) -> list[object]:
    """Options with the verifier's own policy and accord."""
    (tmp_path / "policy").write_text(POLICY)
    (tmp_path / "accord.jws").write_bytes(LINE.accord.data)
    return ["--policy", tmp_path / "policy", "--accord", tmp_path / "accord.jws"]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.zip"
    path.write_bytes(bundles.pack(small_case().bundle({2: (0,)})))
    return path


def test_a_good_bundle_holds_and_is_told_in_words(good: Path, trust: list[object]) -> None:
    words = run("verify", good, *trust).output
    assert "HOLDS: 5 entries, the thread stands on L1-notify." in words
    assert "text: Three hospitals lost their records." in words
    assert "up to 7 field(s) not disclosed" in words
    assert "Our thoughts" not in words
    assert "cannot show that no entry came after" in words


def test_the_id_of_the_accord_is_enough(good: Path, trust: list[object]) -> None:
    run("verify", good, *trust[:2], "--accord-id", LINE.accord.id)


def test_the_report_can_be_read_by_machines(good: Path, trust: list[object]) -> None:
    report = json.loads(run("verify", good, *trust, "--json").output)
    assert report["holds"] is True
    assert [entry["kind"] for entry in report["entries"]][:2] == ["open", "incident-notice"]
    assert report["entries"][1]["fields"] == {"text": "Three hospitals lost their records."}


def test_without_trust_of_ones_own_nothing_is_verified(good: Path, trust: list[object], tmp_path: Path) -> None:
    assert "audit.no-trust" in run("verify", good, *trust[:2], status=1).output
    run("verify", good, *trust[2:], status=2)
    assert "audit.no-trust" in run("verify", good, *trust[:2], "--accord-id", "short", status=1).output
    assert "audit.no-trust" in run("verify", good, *trust, "--accord-id", "A" * 43, status=1).output
    empty = tmp_path / "empty"
    empty.write_text("quorum none\n")
    assert "names no log" in run("verify", good, "--policy", empty, *trust[2:], status=1).output


def test_a_bundle_under_another_accord_does_not_hold(good: Path, trust: list[object]) -> None:
    words = run("verify", good, *trust[:2], "--accord-id", "A" * 43, status=1).output
    assert "DOES NOT HOLD" in words
    assert "accord.not-named" in words


def test_one_changed_byte_is_found(tmp_path: Path, trust: list[object]) -> None:
    bundle = small_case().bundle()
    leaf = bundle.exhibits[2].leaf
    changed = leaf.replace(b'"signature":"', b'"signature":"A', 1)
    exhibits = list(bundle.exhibits)
    exhibits[2] = type(exhibits[2])(changed, exhibits[2].proof)
    path = tmp_path / "changed.zip"
    path.write_bytes(bundles.pack(type(bundle)(**{**_members(bundle), "exhibits": tuple(exhibits)})))
    words = run("verify", path, *trust, status=1).output
    assert "PROBLEM" in words
    assert json.loads(run("verify", path, *trust, "--json", status=1).output)["holds"] is False


def _members(bundle: Any) -> dict[str, Any]:
    return {name: getattr(bundle, name) for name in bundle.__slots__}


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, trust: list[object]) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"not a zip")
    assert "bundle.malformed" in run("verify", path, *trust, status=1).output
    assert json.loads(run("verify", path, *trust, "--json", status=1).output)["holds"] is False


def test_what_was_written_cannot_steer_the_auditors_terminal(tmp_path: Path, trust: list[object]) -> None:
    court = small_case()
    court.send("goodwill-note", "AV", fields={"text": "fine\x1b[2K\rHOLDS: everything\u202e"})
    path = tmp_path / "b.zip"
    path.write_bytes(bundles.pack(court.bundle({6: (0,)})))
    words = run("verify", path, *trust).output
    assert "\x1b" not in words
    assert "\r" not in words
    assert "\u202e" not in words


NEEDED = {"hotline", "mediation", "protocols", "click", "msgspec", "nacl", "cryptography", "rfc3161_client"}
"""What must be installed to verify; the last two packages bring `cffi` with them, nothing else."""

ALONE = """
import builtins, socket, sys

def refuse(*_, **__): raise AssertionError("an audit asks nobody")
for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = refuse

real, allowed = builtins.__import__, {needed!r} | {{"cffi", "_cffi_backend", "pycparser"}} | set(sys.stdlib_module_names)
def importing(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.partition(".")[0] if level == 0 else ""
    if top and top not in allowed:
        raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = importing

from hotline.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    loaded = {{name.partition(".")[0] for name in sys.modules}}
    assert not loaded & {{"aiohttp", "websockets", "sqlalchemy", "alembic", "jinja2", "structlog", "web"}}, loaded
    hub = [name for name in sys.modules if name.startswith(("hotline.hub", "hotline.station", "hotline.store"))]
    assert not hub, hub
    sys.exit(end.code)
"""


def test_verifying_needs_no_server_libraries_and_no_network(good: Path, trust: list[object], tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_bytes(bundles.pack(withheld(small_case().bundle(), 3)))
    for path, status in ((good, 0), (bad, 1)):
        for more in ([], ["--json"]):
            arguments = ["audit", "verify", str(path), *map(str, trust), *more]
            script = [sys.executable, "-c", ALONE.format(needed=NEEDED), *arguments]
            done = subprocess.run(script, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stderr) == (status, "")
            assert "HOLD" in done.stdout or '"holds"' in done.stdout


def test_a_folder_is_verified_like_its_zip_file(tmp_path: Path, trust: list[object]) -> None:
    for name, data in write_bundle(small_case().bundle()).items():
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(data)
    assert "HOLDS: 5 entries" in run("verify", tmp_path / "b", *trust).output
    (tmp_path / "b" / "policy").unlink()
    assert "bundle.malformed" in run("verify", tmp_path / "b", *trust, status=1).output


def test_withheld_entries_are_accepted_only_if_the_verifier_says_so(tmp_path: Path, trust: list[object]) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(bundles.pack(withheld(small_case().bundle(), 3)))
    words = run("verify", path, *trust, status=1).output
    assert "WITHHELD" in words
    assert "Say --allow-withheld" in words
    assert "replayed up to entry 2 of 5" in words
    words = run("verify", path, *trust, "--allow-withheld").output
    assert "HOLDS: 4 entries and 1 left out, which you allowed" in words
    for status, more in ((1, []), (0, ["--allow-withheld"])):
        said = json.loads(run("verify", path, *trust, "--json", *more, status=status).output)
        assert (said["holds"], said["sound"], said["whole"]) == (status == 0, True, False)
        assert [each["seq"] for each in said["withheld"]] == [3]


def test_clocks_times_and_grades_are_told_in_words(tmp_path: Path, trust: list[object]) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(bundles.pack(silent().evidence()))
    words = run("verify", path, *trust).output
    assert "Clock notice-silent/2" in words
    assert "wait ELAPSED (at least 484 s" in words
    assert "deadline of KV MISSED (no such entry is shown; path shown by entry 3 of KV)" in words
    assert "evidence L3: a quorum, and the adverse party itself" in words
    assert "made after 2031-03-10T03:20:09.000Z and by 2031-03-10T03:20:15.000Z" in words
    assert "The tail is not proven" in words
    assert "wait UNDETERMINED" in run("verify", path, *trust, "--epsilon", "3").output


def test_a_root_certificate_that_cannot_be_used_is_no_trust(good: Path, trust: list[object], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"not a certificate")
    assert "audit.no-trust" in run("verify", good, *trust, "--tsa-ca", tmp_path / "ca.pem", status=1).output


@needs_openssl
def test_tokens_are_told_where_their_authority_is_believed(tmp_path: Path, trust: list[object]) -> None:
    authority, bundle = make_authority(tmp_path), small_case().bundle()
    token = authority.reply(timestamp_request(bundle.checkpoint, 1))
    path = tmp_path / "b.zip"
    path.write_bytes(bundles.pack(dataclasses.replace(bundle, final_token=token)))
    (tmp_path / "ca.pem").write_bytes(authority.root)
    words = run("verify", path, *trust, "--tsa-ca", tmp_path / "ca.pem").output
    assert "the first 7 leaves stood by then" in words
    assert "stood by then" not in run("verify", path, *trust).output


# -- exports ------------------------------------------------------------------------------------------------------------


def folder_of(path: Path) -> Path:
    (path / "ladders").mkdir(parents=True)
    (path / "ladders" / f"{LADDER_ID}.toml").write_bytes(LADDER)
    (path / "accord.jws").write_bytes(LINE.accord.data)
    return path


def hub_folder(path: Path, court: Court, note: str | None) -> Path:
    """A hub's folder with what the court's hub would have stored."""
    folder = folder_of(path)
    upgrade(folder / "hub.db", "hub")
    t = hub_tables
    engine = sa.create_engine(f"sqlite:///{folder / 'hub.db'}")
    with engine.begin() as connection:
        nodes = [{"level": level, "idx": index, "hash": node} for (level, index), node in court.nodes.items()]
        connection.execute(t.nodes.insert(), nodes)
        for seq, (index, leaf) in enumerate(court.leaves, 1):
            entry = parse_entry(leaf)
            connection.execute(t.leaves.insert().values(idx=index, data=leaf))
            row = {"idx": index, "thread": THREAD, "seq": seq, "id": entry.id, "kind": entry.payload.kind}
            row |= {"office": entry.payload.office, "station": entry.payload.station, "serial": entry.payload.serial}
            row |= {"at": 0, "precedence": "ROUTINE", "size": len(leaf), "rung_before": "", "rung_after": ""}
            connection.execute(t.entries.insert().values(**row))
        for mandate in court.book.all():
            row = {"digest": digest(mandate.data), "kid": mandate.kid, "office": mandate.office, "added": 0}
            connection.execute(t.mandates.insert().values(**row, data=mandate.data))
        assert court.state is not None
        last = {"seq": len(court.ids), "head": court.ids[-1], "chain": digest(court.leaves[-1][1]), "at": court.at}
        state = {"state": to_bytes(court.state), "group": b"", "opened": 0, "ladder": LADDER_ID, "thread": THREAD}
        connection.execute(t.threads.insert().values(**last, **state))
        if note is not None:
            size = int(note.split("\n")[1])
            connection.execute(t.heads.insert().values(size=size, root=bytes(32), at=0))
            connection.execute(t.published.insert().values(number=1, size=size, at=0, note=note))
    engine.dispose()
    return folder


def station_folder(path: Path, court: Court, proven: int) -> Path:
    """A station's folder with a station's store, whose mirror of the log reaches as far as the ``proven``-th entry."""
    folder = folder_of(path)
    secrets = {name: seed(name) for name in ("sign", "mls", "seal", "witness", "data")}
    keystore.create(folder / "station.key", secrets, PASSPHRASE.encode(), profile="interactive")
    upgrade(folder / "station.db", "station")
    vault = Vault(seed("data"), counting_rng())
    size = court.leaves[proven - 1][0] + 1
    mirror, note = Mirror(), court.head(size=size)
    tiles = mirror.extend(b"".join(court.node(0, index) for index in range(size)))
    t = station_tables
    engine = sa.create_engine(f"sqlite:///{folder / 'station.db'}")
    with engine.begin() as connection:
        connection.execute(t.threads.insert().values(id=THREAD, ladder=LADDER_ID, outside=False, seq=len(court.ids)))
        for seq, (index, leaf) in enumerate(court.leaves, 1):
            name, body = court.ids[seq - 1], court.bodies[seq - 1]
            row = {"thread": THREAD, "seq": seq, "id": name, "index": index, "leaf": leaf}
            connection.execute(t.entries.insert().values(**row))
            if body is not None:
                sealed = vault.seal_json(f"bodies/{name}", list(body.disclosures))
                connection.execute(t.bodies.insert().values(entry=name, how="group", sealed=sealed))
        for mandate in court.book.all():
            connection.execute(t.mandates.insert().values(digest=digest(mandate.data), data=mandate.data))
        for (level, number), data in tiles.items():
            connection.execute(t.tiles.insert().values(level=level, number=number, data=data))
        connection.execute(t.mirrored.insert().values(origin=LINE.accord.log_origin, size=size, note=note))
    engine.dispose()
    return folder


def test_a_hubs_export_holds_and_discloses_nothing(tmp_path: Path, trust: list[object]) -> None:
    court = small_case()
    out = tmp_path / "out.zip"
    folder = hub_folder(tmp_path / "hub", court, court.head())
    assert "5 entries, 0 disclosed" in run("export", THREAD, "--hub", folder, "--out", out).output
    assert bundles.load(out) == court.bundle() or verify(bundles.load(out), TRUST).holds
    run("verify", out, *trust)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_what_no_published_head_holds_is_left_out_and_said(tmp_path: Path, trust: list[object]) -> None:
    court = small_case()
    note = court.head()
    court.send("goodwill-note", "AV", fields={"text": "Later."})
    folder = hub_folder(tmp_path / "hub", court, note)
    out = tmp_path / "out.zip"
    assert "LEFT OUT: the newest 1 entries" in run("export", THREAD, "--hub", folder, "--out", out).output
    assert "HOLDS: 5 entries" in run("verify", out, *trust).output


def test_without_a_published_head_or_thread_there_is_nothing_to_export(tmp_path: Path) -> None:
    court, out = small_case(), tmp_path / "out.zip"
    folder = hub_folder(tmp_path / "hub", court, None)
    assert "no head was published" in run("export", THREAD, "--hub", folder, "--out", out, status=1).output
    assert "no such thread" in run("export", "A" * 22, "--hub", folder, "--out", out, status=1).output
    assert "no hub's folder" in run("export", THREAD, "--hub", tmp_path, "--out", out, status=1).output
    assert not out.exists()


def with_passphrase(folder: Path) -> list[object]:
    path = folder / "pass"
    path.write_text(PASSPHRASE)
    path.chmod(0o600)
    return ["--passphrase-file", path]


def test_a_stations_export_discloses_what_was_named_and_nothing_else(tmp_path: Path, trust: list[object]) -> None:
    court, out = small_case(), tmp_path / "out.zip"
    folder = station_folder(tmp_path / "station", court, proven=5)
    secret = with_passphrase(folder)
    run("export", THREAD, "--station", folder, "--out", out, "--disclose", "2:severity", *secret)
    report = verify(bundles.load(out), TRUST)
    assert report.holds
    assert [dict(entry.fields) for entry in report.entries] == [{}, {"severity": "high"}, {}, {}, {}]
    everything = tmp_path / "all.zip"
    run("export", THREAD, "--station", folder, "--out", everything, "--disclose", "*:*", *secret)
    assert "Our thoughts" in run("verify", everything, *trust).output


def test_a_stations_export_without_disclosure_needs_no_passphrase(tmp_path: Path) -> None:
    court, out = small_case(), tmp_path / "out.zip"
    folder = station_folder(tmp_path / "station", court, proven=3)
    assert "LEFT OUT: the newest 2" in run("export", THREAD, "--station", folder, "--out", out).output
    assert verify(bundles.load(out), TRUST).holds


@pytest.mark.parametrize("spec", ["2:harm", "3:text", "9:*", "*:harm", "2", "x:text", "0:text", "-1:text", "2:"])
def test_a_field_that_cannot_be_disclosed_stops_the_export(tmp_path: Path, spec: str) -> None:
    out = tmp_path / "out.zip"
    folder = station_folder(tmp_path / "station", small_case(), proven=5)
    secret = with_passphrase(folder)
    result = run("export", THREAD, "--station", folder, "--out", out, f"--disclose={spec}", *secret, status=1)
    assert "export.cannot-disclose" in result.output
    assert not out.exists()


def test_an_export_wants_one_source_and_a_new_file(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    folder = hub_folder(tmp_path / "hub", small_case(), None)
    run("export", THREAD, "--out", out, status=2)
    run("export", THREAD, "--hub", folder, "--station", folder, "--out", out, status=2)
    run("export", THREAD, "--hub", folder, "--out", out, "--disclose", "2:text", status=2)
    out.write_text("mine")
    assert "stands already" in run("export", THREAD, "--hub", folder, "--out", out, status=1).output
    assert out.read_text() == "mine"
    assert len(WITNESSES) == 4


def test_a_policy_that_names_its_accord_in_a_comment_is_all_that_a_verifier_needs(tmp_path: Path) -> None:
    bundle = tmp_path / "b.zip"
    bundle.write_bytes(bundles.pack(small_case().bundle()))
    policy = tmp_path / "policy"
    policy.write_text(pinning(LINE.accord.id) + POLICY)
    run("verify", bundle, "--policy", policy)
    policy.write_text(pinning("A" * 43) + POLICY)
    assert "accord.not-named" in run("verify", bundle, "--policy", policy, status=1).output
    for text in (
        POLICY,
        pinning("A" * 43) + pinning("B" * 42 + "A") + POLICY,
        f"log x # hotline accord {LINE.accord.id}\n",
    ):
        policy.write_text(text)
        assert "audit.no-trust" in run("verify", bundle, "--policy", policy, status=1).output
