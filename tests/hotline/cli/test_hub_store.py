"""`hotline hub migrate`: nothing of a shared store changes without a copy and a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotline.cli import main
from hotline.hub.folder import only_one
from hotline.store.migrate import upgrade
from tests.hotline.hub.test_process import make_folder
from tests.hotline.store.version_to_come import NEWEST, to_come
from tests.postgres import MISSING, available, new_database


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["hub", *map(str, words)])


@pytest.mark.skipif(not available(), reason=MISSING)
def test_a_shared_store_takes_its_steps_one_by_one_after_a_copy(tmp_path: Path) -> None:
    _, hub, _ = make_folder(tmp_path, plain=True)
    place = new_database()
    upgrade(place, "hub")
    with (hub / "hub.toml").open("a") as file:
        file.write(f'[store]\nurl = "{place.conninfo}"\n')
    assert "Nothing waits" in run("migrate", hub).output
    assert "Nothing was changed" in run("migrate", hub, "--after").output
    with to_come():
        said = run("migrate", hub).output
        assert f"the form {NEWEST}" in said
        assert "Waits for --before: 9001" in said
        assert "Waits for --after: 9002" in said
        refused = run("migrate", hub, "--before")
        assert (refused.exit_code, "store.no-copy" in refused.output) == (1, True)
        (tmp_path / "taken").touch()
        assert run("migrate", hub, "--before", "--backup", tmp_path / "taken").exit_code == 1
        done = run("migrate", hub, "--before", "--backup", tmp_path / "copy")
        assert (done.exit_code, "Taken: 9001" in done.output) == (0, True), done.output
        assert (tmp_path / "copy").stat().st_size > 0
        done = run("migrate", hub, "--after", "--backed-up")
        assert (done.exit_code, "Taken: 9002" in done.output) == (0, True), done.output
    refused = run("migrate", hub)
    assert (refused.exit_code, "store.too-new" in refused.output) == (3, True)


def test_a_file_is_changed_only_while_its_hub_is_stopped_and_copied_by_itself(tmp_path: Path) -> None:
    _, hub, _ = make_folder(tmp_path, plain=True)
    assert "nothing yet" in run("migrate", hub).output
    assert not (hub / "hub.db").exists()
    upgrade(hub / "hub.db", "hub")
    with to_come():
        with only_one(hub):
            assert run("migrate", hub, "--before").exit_code == 1
        done = run("migrate", hub, "--after")
    assert (done.exit_code, f"hub.db.before-{NEWEST}" in done.output) == (0, True), done.output
    assert (hub / f"hub.db.before-{NEWEST}").exists()
