"""A ladder file is refused with its line and field before anybody depends on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediation.durations import DAY, HOUR, MINUTE, SECOND, WEEK, parse_duration, parse_period, scaled
from mediation.errors import LadderError
from mediation.ladder import ladder_hash, parse_ladder, to_plain
from mediation.ladder_check import read_all
from protocols.encoding import digest
from protocols.kinds import KINDS
from tests.mediation.play import DATA, LADDER

TEXT = DATA.decode()


def complaint(data: bytes) -> LadderError:
    with pytest.raises(LadderError) as caught:
        parse_ladder(data)
    return caught.value


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_shipped_ladder_says_for_every_clock_where_its_number_comes_from() -> None:
    for clock in LADDER.clocks.values():
        assert clock.check in "STAD"
        assert len(clock.why) > 20
        assert clock.why.endswith(".")
    for rung in LADDER.rungs.values():
        assert rung.about


def test_the_default_ladder_lists_every_kind_but_those_for_other_states() -> None:
    keys = {"followed", "cannot-follow", "resealed", "complaint"}
    assert set(LADDER.kinds) == set(KINDS) - {"open", "clock-expired", "second", "block"} - keys


def test_the_hash_is_of_the_exact_bytes() -> None:
    assert ladder_hash(DATA) == LADDER.hash == digest(DATA)
    assert ladder_hash(DATA + b"\n") != LADDER.hash


def test_a_ladder_can_be_shown_as_plain_values() -> None:
    plain = to_plain(LADDER)
    assert plain["id"] == "cpci-default"
    assert len(plain["clocks"]) == len(LADDER.clocks)


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ('after = "PT4H"', 'after = "P12Y"', "duration", "clock[2].after"),
        ('after = "PT4H"', 'after = "4 hours"', "duration", "clock[2].after"),
        ('after = "PT4H"', 'after = "PT0S"', "duration", "clock[2].after"),
        ('after = "PT4H"', "after = 4", "field", "clock[2].after"),
        ('after = "PT4H"', 'after = "PT4H"\ncolour = "red"', "field", "clock[2]"),
        ('review = "P1Y"', 'review = "yearly"', "duration", "review"),
        ("format = 1", "format = 2", "field", "format"),
        ('start = "L0-routine"', 'start = "L9"', "reference", "start"),
        ('closed = "closed"', 'closed = "monitoring"', "contradiction", "closed"),
        ('id = "L2-clarify"\ntitle = "Clarification"', 'id = "L1-notify"\ntitle = "Clarification"', "duplicate", "rung[2].id"),
        ('from = ["L1-notify"]', 'from = ["L1"]', "reference", "step[1].from"),
        ('to = "L2-clarify"\ndirection = "up"', 'to = "L2-clarify"\ndirection = "down"', "contradiction", "step[1].direction"),
        ('to = "L1-notify"\ndirection = "down"', 'to = "L1-notify"\ndirection = "up"', "contradiction", "step[10].direction"),
        ('to = "L1-notify"\ndirection = "up"', 'to = "closed"\ndirection = "up"', "contradiction", "step[0].to"),
        ('trigger = "incident-notice"', 'trigger = "telegram"', "reference", "step[0].trigger"),
        ('stops = ["inquiry",', 'stops = ["standstill", "inquiry",', "contradiction", "step[8].stops"),
        ('stops = ["inquiry",', 'stops = ["tea",', "reference", "step[8].stops"),
        ('forbids_kinds = ["public-attribution"]', 'forbids_kinds = ["acknowledgement"]', "contradiction",
         "step[3].standstill.forbids_kinds"),
        ('forbids_directions = ["up"]', 'forbids_directions = ["up", "down"]', "contradiction",
         "step[3].standstill.forbids_directions"),
        ('forbids_steps = ["L6-inquiry"', 'forbids_steps = ["L5-mediation"', "contradiction",
         "step[3].standstill.forbids_directions"),
        ('clock = "standstill"', 'clock = "session"', "contradiction", "step[3].standstill.clock"),
        ('of = "incident-notice"', 'of = "acknowledgement"', "contradiction", "clock[0].of"),
        ('met_by = ["clarification-answer"]', 'met_by = ["tea"]', "reference", "clock[4].met_by"),
        ('option = "L2-clarify"', 'option = "L22"', "reference", "clock[2].timeout.option"),
        ('timeout = { option = "L2-clarify", to = "requester" }', 'timeout = { moves = "L2-clarify" }', "contradiction",
         "clock[2].timeout.moves"),
        ('timeout = { option = "L2-clarify", to = "requester" }', "timeout = { }", "contradiction",
         "clock[2].timeout.option"),
        ('of = "L3-experts"', 'of = "L33"', "reference", "clock[6].of"),
        ('timeout = { option = "L4-cooling-off", to = "either" }\n', "", "unreachable", "step[3].needs_option"),
        ('[mediation]\nstep = "L5-mediation"\nnominations = "nominations"',
         '[mediation]\nstep = "L5-mediation"\nnominations = "session"', "contradiction", "mediation.nominations"),
        ("[kinds.finding]", "[kinds.findings]", "reference", "kinds.findings"),
        ('[kinds.acknowledgement]\nwho = ["party", "mediator"]',
         '[kinds.acknowledgement]\nwho = ["party", "mediator"]\ntwo_person = true', "contradiction", "kinds.acknowledgement"),
        ('[kinds.nomination-reveal]\nwho = ["party"]', '[kinds.nomination-reveal]\ntwo_person = true\nwho = ["party"]',
         "contradiction", "kinds.nomination-reveal.two_person"),
        ('[kinds.close]\nwho = ["party", "mediator"]\ntwo_person = true\n', "", "no-way-down", "kinds"),
        ('[kinds.update]\nwho = ["party"]', '[kinds.update]\nwho = ["king"]', "reference", "kinds.update.who"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_field(old: str, new: str, code: str, field: str) -> None:
    assert old in TEXT
    error = complaint(TEXT.replace(old, new, 1).encode())
    assert (error.code, error.field) == (f"ladder.file.{code}", field), str(error)
    assert error.sentence.endswith(".")
    assert error.code in str(error)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('after = "PT4H"', 'after = "P12Y"'),
        ('review = "P1Y"', 'review = "soon"'),
        ('option = "L2-clarify"', 'option = "L22"'),
        ('trigger = "incident-notice"', 'trigger = "telegram"'),
        ('clock = "standstill"', 'clock = "session"'),
        ("[kinds.finding]", "[kinds.findings]"),
        ('default_appointment = "default-appointment"', 'default_appointment = "x"'),
    ],
)
def test_the_complaint_points_at_the_line(old: str, new: str) -> None:
    text = TEXT.replace(old, new, 1)
    assert complaint(text.encode()).line == line_of(text, new)


def test_every_complaint_is_collected_with_line_and_column() -> None:
    text = TEXT
    faults = (
        ('after = "PT4H"', 'after = "4 hours"', "clock[2].after"),
        ('trigger = "incident-notice"', 'trigger = "telegram"', "step[0].trigger"),
        ('option = "L2-clarify"', 'option = "L22"', "clock[2].timeout.option"),
        ("[kinds.finding]", "[kinds.findings]", "kinds.findings"),
    )
    for old, new, _ in faults:
        text = text.replace(old, new, 1)
    file, errors = read_all(text.encode())
    assert file is not None
    found = {error.field: error for error in errors}
    for _, new, field in faults:
        assert found[field].line == line_of(text, new)
        line = text.splitlines()[(found[field].line or 0) - 1]
        column = found[field].column or 0
        assert line[column - 1 :].startswith(new.partition("= ")[2] or new), (field, line, column)
    with pytest.raises(LadderError) as caught:
        parse_ladder(text.encode())
    assert caught.value.field == errors[0].field


def test_one_wrong_field_does_not_hide_the_next_tables() -> None:
    text = TEXT.replace('after = "PT4H"', "after = 4", 1).replace("level = 3", 'level = "three"', 1)
    text = text.replace("stations = 16 ", 'stations = "many" ', 1)
    file, errors = read_all(text.encode())
    assert file is None
    assert {error.field for error in errors} == {"clock[2].after", "rung[3].level", "limits.stations"}
    assert all(error.line and error.column for error in errors)


def test_a_rung_that_cannot_be_reached_or_left_is_refused() -> None:
    island = '\n[[rung]]\nid = "L8"\ntitle = "Island"\nlevel = 8\n'
    assert complaint((TEXT + island).encode()).code == "ladder.file.unreachable"
    trap = island + '\n[[step]]\nid = "L8"\ntitle = "Trap"\nfrom = ["L7-referral"]\nto = "L8"\ndirection = "up"\n'
    assert complaint((TEXT + trap).encode()).code == "ladder.file.no-way-down"


def test_bytes_that_are_not_a_ladder_are_refused_with_a_line_where_there_is_one() -> None:
    assert complaint(b"\xff").code == "ladder.file.syntax"
    assert complaint(b"a = 1\nb = \n").line == 2
    assert complaint(b"").code == "ladder.file.field"
    assert complaint(b"#" * 300_000).code == "ladder.file.size"
    assert complaint(b"a = " + b"[" * 20_000).code in ("ladder.file.syntax",)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 60), st.binary(max_size=20))
def test_a_damaged_file_is_a_ladder_or_a_ladder_error(start: int, length: int, patch: bytes) -> None:
    data = DATA[:start] + patch + DATA[start + length :]
    try:
        parse_ladder(data)
    except LadderError as error:
        assert error.code.startswith("ladder.file.")


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("PT10M", 10 * MINUTE),
        ("PT4H", 4 * HOUR),
        ("P7D", 7 * DAY),
        ("P2W", 2 * WEEK),
        ("P1DT12H", DAY + 12 * HOUR),
        ("PT1H30M15S", HOUR + 30 * MINUTE + 15 * SECOND),
    ],
)
def test_durations_are_read(text: str, ms: int) -> None:
    assert parse_duration(text) == ms
    assert parse_period(text) == text


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "P1M", "P1Y", "P0M", "PT-1H", "PT1.5H", "1H", "PT0S", "P99999D", "PT١H"]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_duration(text)


def test_scaling_never_makes_a_clock_of_no_length() -> None:
    assert scaled(HOUR, 60) == MINUTE
    assert scaled(5, 1_000_000) == 1
