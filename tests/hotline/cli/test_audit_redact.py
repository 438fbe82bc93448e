"""`hotline audit redact`, and what a station exports where the accord asks for both parties' consent."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hotline import bundles
from tests.hotline.cli import test_audit as audits
from tests.hotline.cli.test_audit import no_network, run, station_folder, trust, with_passphrase
from tests.mediation import court as courts
from tests.mediation.court import LINE, THREAD, small_case
from tests.protocols.kit import Line

__all__ = ["no_network", "trust"]

BOTH = Line(msgspec.structs.replace(LINE.content, disclosure="both"))
WHY = ["--by", "AV", "--reason", "court-order", "--label", "High Court, 3 May 2031", "--docket", "HC-44"]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "full.zip"
    path.write_bytes(bundles.pack(small_case().bundle({2: (0, 1), 4: (0,), 5: (0,)})))
    return path


def test_a_redacted_bundle_verifies_and_says_what_was_left_out(full: Path, trust: list[object], tmp_path: Path) -> None:
    out, before = tmp_path / "out.zip", full.read_bytes()
    said = run("redact", full, "--hide", "2:text", "--withhold", 3, *WHY, "--out", out).output
    assert "5 entries: 4 shown, 1 withheld; 1 field(s) named as hidden." in said
    assert "NOT shown: text (by AV: by order of a court; High Court, 3 May 2031, HC-44)" in said
    assert "replayed from it up to entry 2 of 5" in said
    assert full.read_bytes() == before
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    words = run("verify", out, *trust, "--allow-withheld").output
    assert "Three hospitals" not in words
    assert "left out by AV: text (court-order" in words
    assert "HOLDS" in words and "which you allowed" in words
    run("verify", out, *trust, status=1)
    report = json.loads(run("verify", out, *trust, "--json", status=1).output)
    assert (report["holds"], report["sound"], report["whole"]) == (False, True, False)


def test_a_preview_writes_nothing(full: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    said = run("redact", full, "--hide", "*:text", *WHY, "--preview").output
    assert "Nothing was written." in said
    assert "shown: severity" in said
    assert "Three hospitals" not in said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["--hide", "2:harm", "--preview"], 1, "redaction.refused"),
        (["--withhold", 9, "--preview"], 1, "redaction.refused"),
        (["--hide", "2", "--preview"], 1, "redaction.fault"),
        (["--hide", "2:text"], 2, ""),
        (["--preview"], 2, ""),
    ],
)
def test_what_cannot_be_left_out_is_refused_and_nothing_written(
    full: Path, tmp_path: Path, arguments: list[object], status: int, code: str
) -> None:
    before = sorted(tmp_path.iterdir())
    assert code in run("redact", full, *arguments, *WHY, status=status).output
    assert sorted(tmp_path.iterdir()) == before


def test_no_file_is_written_over(full: Path) -> None:
    before = full.read_bytes()
    assert "redaction.fault" in run("redact", full, "--hide", "2:text", *WHY, "--out", full, status=1).output
    assert full.read_bytes() == before


def test_redacting_needs_no_server_libraries(full: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from hotline.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'aiohttp', 'websockets', 'sqlalchemy', 'alembic', 'jinja2'}, loaded\n"
    )
    arguments = ["audit", "redact", str(full), "--hide", "2:text", *WHY, "--out", str(tmp_path / "out.zip")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)


# -- consent ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (courts, audits):
        monkeypatch.setattr(module, "LINE", BOTH)


@pytest.mark.usefixtures("strict")
def test_a_station_shows_words_only_once_both_parties_agreed_in_the_log(tmp_path: Path) -> None:
    court, out = small_case(), tmp_path / "out.zip"
    notice = court.send(
        "disclosure-notice", "KV", {"recipient": "court", "portions": [{"seq": 2, "fields": ["severity"]}]}
    )
    before = station_folder(tmp_path / "before", court, proven=6)
    court.send("disclosure-consent", "AV", {"notice": notice, "agree": True})
    unproven = station_folder(tmp_path / "unproven", court, proven=6)
    after = station_folder(tmp_path / "after", court, proven=7)
    secret = with_passphrase(after)
    for folder in (before, unproven):
        said = run(
            "export", THREAD, "--station", folder, "--out", out, "--disclose", "2:severity", *secret, status=1
        ).output
        assert "export.no-consent: 2:severity" in said
        assert not out.exists()
    run("export", THREAD, "--station", after, "--out", out, "--disclose", "2:text", *secret, status=1)
    assert not out.exists()
    run("export", THREAD, "--station", before, "--out", tmp_path / "silent.zip")
    run("export", THREAD, "--station", after, "--out", out, "--disclose", "2:severity", *secret)
    options = ["--policy", tmp_path / "policy", "--accord-id", BOTH.accord.id]
    (tmp_path / "policy").write_text(courts.POLICY)
    words = run("verify", out, *options).output
    assert "severity [CONSENTED]: high" in words
    assert "Entry 6: KV means to show words to outsiders (court): consented to with entry 7." in words
    assert "asks for the consent of both parties" in words
