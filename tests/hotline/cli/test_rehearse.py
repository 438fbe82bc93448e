"""`hotline ladder rehearse`: typed at, piped to, recorded and played."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotline import ladders
from hotline.cli import main
from hotline.cli.rehearse import Misplayed, Terminal, read_script
from mediation.ladder import parse_ladder

WALK = """\
do incident-notice
n
as KV
do acknowledgement
do step-request L4-cooling-off
as AV
do step-accept
! do public-attribution
do goodwill-note
w 72h
do public-attribution
u
"""


def rehearse(*arguments: object, typed: str = "") -> Result:
    return CliRunner().invoke(
        main, ["ladder", "rehearse", *(str(each) for each in arguments)], input=typed, catch_exceptions=False
    )


def test_a_pipe_walks_through_a_ladder_and_the_end_of_the_input_ends_it() -> None:
    result = rehearse("cpci-default", typed="do incident-notice\nas KV\n2\nn\n")
    assert result.exit_code == 0
    assert "the rung changes: Routine to Notification" in result.output
    assert "KV> 2" in result.output
    assert result.output.endswith("The rehearsal has ended.\n")


def test_q_ends_it_and_what_follows_is_not_typed() -> None:
    result = rehearse("cpci-default", typed="q\ndo incident-notice\n")
    assert result.exit_code == 0
    assert "Incident notice;" in result.output
    assert "#2" not in result.output


def test_ctrl_c_ends_it_like_the_end_of_the_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Terminal, "type", interrupted)
    result = rehearse("cpci-default", "--record", tmp_path / "script", typed="n\n")
    assert result.exit_code == 0
    assert "The rehearsal has ended." in result.output
    assert (tmp_path / "script").exists()


def test_the_standstill_shows_with_its_end_and_what_it_forbids() -> None:
    result = rehearse("cpci-default", typed=WALK)
    assert "STANDSTILL: 3 d left" in result.output
    assert "Nobody can shorten it." in result.output
    assert "Forbidden by the standstill, 3 d left: Step: Call the experts" in result.output
    assert "(cpci-default/standstill)" in result.output


def test_what_was_typed_is_recorded_and_plays_to_the_same_state(tmp_path: Path) -> None:
    script = tmp_path / "walk.txt"
    typed = rehearse("cpci-default", "--record", script, typed=WALK)
    assert typed.exit_code == 0
    assert "! do public-attribution" in script.read_text().splitlines()
    again = tmp_path / "again.txt"
    played = rehearse("cpci-default", "--play", script, "--record", again)
    assert played.exit_code == 0
    assert again.read_text() == script.read_text()
    moments = [line for line in typed.output.splitlines() if line.startswith("* ")]
    assert moments
    assert [line for line in played.output.splitlines() if line.startswith("* ")] == moments


def test_numbers_are_recorded_as_names_so_that_a_script_outlives_a_longer_list(tmp_path: Path) -> None:
    script = tmp_path / "walk.txt"
    rehearse("cpci-default", "--record", script, typed="1\n")
    assert script.read_text().splitlines()[-1] == "do step-request L5-mediation"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("do incident-notice\ndo incident-notice\n", "line 2"),
        ("! do incident-notice\n", "line 1"),
        ("# a remark\n\ndance\n", "line 3"),
        ("start yesterday\n", "the script's head"),
        ("seed !!!\n", "the script's head"),
        ("many 9 update\n", "line 1"),
    ],
)
def test_a_script_that_goes_another_way_ends_with_status_1_and_says_where(
    tmp_path: Path, lines: str, said: str
) -> None:
    script = tmp_path / "walk.txt"
    script.write_text(lines)
    result = rehearse("cpci-default", "--play", script)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_undoing_goes_back_to_the_state_before_actor_included() -> None:
    said: list[str] = []
    terminal = Terminal(parse_ladder(ladders.load("cpci-default")), b"s" * 32, said.append)
    assert terminal.begin() is None
    begun = terminal.session
    for line in ("do incident-notice", "as KV", "n", "u", "u", "u"):
        assert terminal.type(tuple(line.split())) is None
    assert terminal.session == begun
    assert terminal.actor == "AV"
    answered = terminal.type(("u",))
    assert answered is not None
    assert answered.text == "Nothing has happened yet."


@pytest.mark.parametrize("line", ["?", "c", "l", "s", "as KV", "down KV", "up KV", "w 1h", "n"])
def test_every_line_of_the_help_does_something(line: str) -> None:
    said: list[str] = []
    terminal = Terminal(parse_ladder(ladders.load("cpci-default")), b"s" * 32, said.append)
    terminal.begin()
    terminal.type(("do", "incident-notice"))
    said.clear()
    assert terminal.type(tuple(line.split())) is None
    assert said


@pytest.mark.parametrize("line", ["as XX", "down MD", "0", "99", "w soon", "do", "do dance", "u u", "many 0 update"])
def test_what_is_not_understood_is_answered_and_changes_nothing(line: str) -> None:
    terminal = Terminal(parse_ladder(ladders.load("cpci-default")), b"s" * 32, lambda _: None)
    terminal.begin()
    before = terminal.session
    answered = terminal.type(tuple(line.split()))
    assert answered is not None
    assert not answered.refused
    assert terminal.session == before
    assert terminal.recorded == []


def test_control_characters_from_a_ladder_never_reach_the_terminal() -> None:
    data = ladders.load("cpci-default").replace(b'title = "Notification"', b'title = "Noti\\u001b[2Jfication"')
    said: list[str] = []
    terminal = Terminal(parse_ladder(data), b"s" * 32, said.append)
    terminal.begin()
    terminal.type(("do", "incident-notice"))
    terminal.type(("do", "incident-notice"))
    assert not any("\x1b" in line for line in said)


def test_a_script_keeps_its_seed_and_its_beginning() -> None:
    terminal = Terminal(parse_ladder(ladders.load("cpci-default")), b"s" * 32, lambda _: None, start=1_900_000_000_000)
    terminal.begin()
    script = read_script("\n".join(terminal.script()))
    assert (script.seed, script.start, script.ladder) == (b"s" * 32, 1_900_000_000_000, terminal.ladder.hash)
    with pytest.raises(Misplayed):
        read_script("start 2031-13-01T00:00:00Z")
