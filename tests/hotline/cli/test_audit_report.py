"""The verifier's own report on file, and the reports in what is exported and redacted."""

from __future__ import annotations

import stat
import subprocess
import sys
from html import unescape
from pathlib import Path

from hotline import bundles
from tests.hotline.cli.test_audit import (
    ALONE,
    NEEDED,
    good,
    hub_folder,
    no_network,
    run,
    station_folder,
    trust,
    with_passphrase,
)
from tests.mediation.audit.kit import withheld
from tests.mediation.court import THREAD, small_case

__all__ = ["good", "no_network", "trust"]


def test_the_verifier_writes_its_own_report_readable_by_its_owner(
    good: Path, trust: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    assert "HOLDS: 5 entries" in run("verify", good, *trust, "--report", out).output
    html = unescape(out.read_text("utf-8"))
    assert "HOLDS: 5 entries" in html and "the verifier's user, by their own policy and accord" in html
    assert "Three hospitals lost their records." in html
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_report_is_written_of_what_does_not_hold_too(trust: list[object], tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.zip", tmp_path / "report.html"
    bad.write_bytes(bundles.pack(withheld(small_case().bundle(), 3)))
    run("verify", bad, *trust, "--report", out, status=1)
    assert 'data-state="sound"' in out.read_text("utf-8")


def test_a_report_is_never_written_over_a_file(good: Path, trust: list[object], tmp_path: Path) -> None:
    for taken in (good, tmp_path / "no" / "such" / "folder.html"):
        before = good.read_bytes()
        said = run("verify", good, *trust, "--report", taken, status=1).output
        assert "audit.no-report" in said and "HOLDS" not in said
        assert good.read_bytes() == before


def test_a_report_needs_no_server_libraries_either(good: Path, trust: list[object], tmp_path: Path) -> None:
    arguments = ["audit", "verify", str(good), *map(str, trust), "--report", str(tmp_path / "report.html")]
    script = [sys.executable, "-c", ALONE.format(needed=NEEDED), *arguments]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.html").stat().st_size > 5_000


def test_what_hub_and_station_export_holds_both_reports_of_exactly_what_it_shows(tmp_path: Path) -> None:
    court, station, hub = small_case(), tmp_path / "station.zip", tmp_path / "hub.zip"
    run("export", THREAD, "--hub", hub_folder(tmp_path / "hub", court, court.head()), "--out", hub)
    folder = station_folder(tmp_path / "station", court, proven=5)
    run("export", THREAD, "--station", folder, "--out", station, "--disclose", "2:text", *with_passphrase(folder))
    for path, words in ((hub, False), (station, True)):
        reports = bundles.load(path).reports
        assert set(reports) == {"report.html", "report.txt"}
        for data in reports.values():
            assert b"This report proves nothing." in data
            assert (b"Three hospitals" in data) == words


def test_a_redacted_bundle_holds_reports_of_what_is_left_in_it(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    run("redact", good, "--hide", "2:text", "--by", "AV", "--reason", "court-order", "--out", out)
    reports = bundles.load(out).reports
    assert set(reports) == {"report.html", "report.txt"}
    for data in reports.values():
        assert b"Three hospitals" not in data
        assert b"court-order" in data
