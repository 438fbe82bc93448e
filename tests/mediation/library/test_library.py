"""Each shipped ladder says what its source says: steps, actors, clocks, and how sure each number is.

The numbers stand in ``mechanisms.toml``, written down apart from the ladder files.
"""

from __future__ import annotations

from typing import Any

import pytest

from hotline import ladders
from tests.mediation.library.table import MECHANISMS, SHIPPED, ladder, rows

ROWS = rows()
INSIDE = [row for row in ROWS if "outside" not in row[2]]
CLOCKS = [row for row in INSIDE if row[2]["clock"]]
STEPS = [(name, step) for name, mechanism in MECHANISMS.items() for step in mechanism["step"]]
EXTENSIONS = {
    "consensus only": "consensus",
    "mutual consent": "mutual",
    "requester consent": "requester",
    "may be shortened unilaterally, lengthened only if the parties agree": "mutual",
}


def named(row: tuple[str, dict[str, Any], dict[str, Any]]) -> str:
    return f"{row[0]}: {row[1]['id']} {row[2].get('clock', '')}"


def test_every_mechanism_ships_as_a_ladder_and_nothing_else_does() -> None:
    assert set(SHIPPED) == set(MECHANISMS)
    assert len(SHIPPED) == 27


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_ladder_names_its_source_its_legal_status_and_how_it_departs(name: str) -> None:
    found, mechanism = ladder(name), MECHANISMS[name]
    assert found.id == name
    assert found.source == mechanism["source"]
    assert found.status == mechanism["status"]
    if name != "cpci-default":
        assert found.preamble
        assert found.notes


@pytest.mark.parametrize("row", CLOCKS, ids=named)
def test_a_clock_of_the_source_is_in_the_ladder_with_its_number_and_its_mark(row: Any) -> None:
    name, _, said = row
    clock = ladder(name).clocks[said["clock"]]
    assert (clock.kind, clock.after, clock.check) == (said.get("held_as", said["kind"]), said["after"], said["check"])
    assert (clock.starts, clock.of, clock.who) == (said["from"], said["of"], said["for"])
    assert clock.by == said.get("by", "other")
    assert clock.opens == said.get("opens", "")


@pytest.mark.parametrize("row", [row for row in INSIDE if {"count", "fraction"} & set(row[2])], ids=named)
def test_a_step_that_others_must_second_needs_as_many_as_the_source_says(row: Any) -> None:
    name, _, said = row
    quorum = ladder(name).steps[said["of"]].seconded_by
    assert quorum is not None
    assert (quorum.count, quorum.fraction) == (said.get("count", 0), said.get("fraction", ""))
    assert (quorum.role, quorum.within) == (said["for"], said["clock"])


@pytest.mark.parametrize("row", CLOCKS, ids=named)
def test_a_standstill_is_where_the_source_has_one_and_nowhere_else(row: Any) -> None:
    name, _, said = row
    assert (said["clock"] in ladder(name).standstill_clocks) == bool(said.get("standstill"))


@pytest.mark.parametrize("name", [name for name in MECHANISMS if "urgent" in MECHANISMS[name]])
def test_an_urgent_track_has_its_own_lengths(name: str) -> None:
    urgent = dict(MECHANISMS[name]["urgent"])
    check = urgent.pop("check")
    found = {clock.id: clock for clock in ladder(name).clocks.values() if clock.tracks}
    assert {clock.id: clock.tracks["urgent"] for clock in found.values()} == urgent
    assert {clock.check for clock in found.values()} == {check}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0]}: {step[1]['id']}")
def test_a_step_of_the_source_is_taken_by_its_actor(step: tuple[str, dict[str, Any]]) -> None:
    name, said = step
    if "step" in said:
        assert list(ladder(name).steps[said["step"]].who) == said["who"]
    else:
        assert said["clocks"]


@pytest.mark.parametrize(
    "step", [step for step in STEPS if "timeout" in step[1]], ids=lambda s: f"{s[0]}: {s[1]['id']}"
)
def test_a_clock_that_runs_out_entitles_whom_the_source_says(step: tuple[str, dict[str, Any]]) -> None:
    name, said = step
    timeouts = [ladder(name).clocks[row["clock"]].timeout for row in said["clocks"] if row.get("clock")]
    found = [timeout for timeout in timeouts if timeout is not None]
    assert [(timeout.option, timeout.moves) for timeout in found] == [
        (said["timeout"].get("option", ""), said["timeout"].get("moves", ""))
    ]
    assert all(timeout.to == said["timeout"].get("to", timeout.to) for timeout in found)


@pytest.mark.parametrize(
    "step", [step for step in STEPS if "extension" in step[1]], ids=lambda s: f"{s[0]}: {s[1]['id']}"
)
def test_a_clock_is_lengthened_only_by_those_bound(step: tuple[str, dict[str, Any]]) -> None:
    name, said = step
    found = {ladder(name).clocks[row["clock"]].extend for row in said["clocks"]}
    assert EXTENSIONS[said["extension"]] in found
    assert found <= {EXTENSIONS[said["extension"]], "mutual", "nobody"}


def test_an_early_exit_is_where_the_source_has_one() -> None:
    said = [(name, step) for name, step in STEPS if "early_exit" in step]
    assert [(name, step["id"]) for name, step in said] == [("wto-dsu", "panel-request")]
    assert ladder("wto-dsu").steps["panel"].early_exit


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_clock_that_the_source_does_not_name_claims_no_source_of_its_own(name: str) -> None:
    """A further clock is the model's own choice, unread (T), or the same number on another way through the ladder."""
    said = [row[2] for row in CLOCKS if row[0] == name]
    known = {row["clock"] for row in said}
    numbers = {(row["after"], row["check"]) for row in said}
    for clock in ladder(name).clocks.values():
        if clock.id not in known:
            assert clock.check in ("D", "T") or (clock.after, clock.check) in numbers, clock.id


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_number_is_explained_and_what_was_not_read_again_says_so(name: str) -> None:
    for clock in ladder(name).clocks.values():
        assert clock.why.endswith((".", "?")), clock.id
        assert ("ot read again" in clock.why) == (clock.check == "T"), clock.id


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_rung_can_be_left_by_agreement(name: str) -> None:
    found = ladder(name)
    for rung in found.rungs.values():
        if rung.level > 0:
            assert any(
                step.direction == "down" and step.consent == "other" and rung.id in step.start
                for step in found.steps.values()
            ), rung.id


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_ladder_file_is_short_enough_to_be_read_before_it_is_signed(name: str) -> None:
    assert len(ladders.load(name).decode().splitlines()) < 700
    assert len(ladders.load(name)) < 64 * 1024


@pytest.mark.parametrize("name", sorted({name for name, step in STEPS if "check" in step}))
def test_a_text_without_clocks_that_was_not_read_again_says_so_in_a_note_or_on_its_clock(name: str) -> None:
    found = ladder(name)
    unread = [step["id"] for other, step in STEPS if other == name and step.get("check") == "T"]
    assert any("not read again" in note for note in found.notes) or all(
        found.clocks[step].check == "T" for step in unread
    )
