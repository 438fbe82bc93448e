"""A rehearsal is the line's own fold under a clock that is an argument: nothing in it may come out otherwise."""

from __future__ import annotations

import pytest

from hotline import ladders
from mediation import rehearsal
from mediation.durations import DAY, HOUR, MINUTE
from mediation.ladder import Ladder, parse_ladder
from mediation.refusals import Refusal
from mediation.rehearsal import Happening, Session, Unfit
from mediation.rehearsal_acts import milliseconds
from protocols.encoding import b64u
from protocols.kinds import (
    Admission,
    Answer,
    Appointment,
    DisclosureConsent,
    DisclosureNotice,
    Extension,
    Objection,
    Portion,
)
from tests.mediation.play import DATA, LADDER, T0
from tests.mediation.receipts import READ, UNREAD, ladder

SALT = b64u(b"s" * 32)


class Rehearsed:
    """A session that is typed at, as the terminal does."""

    def __init__(self, ladder: Ladder = LADDER) -> None:
        begun = rehearsal.begin(ladder, T0)
        assert not isinstance(begun, Refusal)
        self.session: Session = begun[0]
        self.happened: tuple[Happening, ...] = begun[1]

    def do(self, office: str, line: str) -> None:
        words = tuple(line.split())
        choice, rest = rehearsal.find(rehearsal.choices(self.session, office), words)
        done = rehearsal.do(self.session, choice, rest, SALT)
        assert not isinstance(done, Refusal), (office, line, done)
        self.session, self.happened = done

    def refused(self, office: str, line: str) -> Refusal:
        choice, rest = rehearsal.find(rehearsal.choices(self.session, office), tuple(line.split()))
        done = rehearsal.do(self.session, choice, rest, SALT)
        assert isinstance(done, Refusal), (office, line)
        assert choice.refusal is not None
        assert choice.refusal.code == done.code
        return done

    def wait(self, ms: int) -> None:
        self.session, self.happened = rehearsal.wait(self.session, self.session.now + ms)

    @property
    def kinds(self) -> list[str]:
        return [happening.kind for happening in self.happened]

    @property
    def act(self) -> object:
        return self.happened[0].act


@pytest.fixture
def rehearsed() -> Rehearsed:
    return Rehearsed()


def test_stations_sign_for_what_they_receive_and_clocks_run_from_that(rehearsed: Rehearsed) -> None:
    rehearsed.do("AV", "incident-notice")
    assert rehearsed.kinds == ["incident-notice", "receipt"]
    assert {clock.rule for clock in rehearsed.session.state.clocks} == {"page-alternate", "human-ack", "reply"}


def test_an_office_whose_line_is_down_signs_for_nothing_until_it_is_up(rehearsed: Rehearsed) -> None:
    rehearsed.session, _ = rehearsal.set_line(rehearsed.session, "KV", up=False)
    rehearsed.do("AV", "incident-notice")
    assert rehearsed.kinds == ["incident-notice"]
    with pytest.raises(Unfit):
        rehearsed.do("KV", "statement")
    rehearsed.wait(9 * HOUR)
    assert [option.step for option in rehearsed.session.state.options] == ["L3-experts"]
    rehearsed.session, happened = rehearsal.set_line(rehearsed.session, "KV", up=True)
    assert [happening.kind for happening in happened] == ["receipt"]


def test_a_body_signs_for_what_it_must_receive_when_its_line_is_up() -> None:
    rehearsed = Rehearsed(ladder(READ, UNREAD))
    (office,) = rehearsed.session.state.holders["chair"]
    rehearsed.session, _ = rehearsal.set_line(rehearsed.session, office, up=False)
    rehearsed.do("AV", "step-request ask")
    assert [(each.kind, each.office) for each in rehearsed.happened] == [("step-request", "AV"), ("receipt", "KV")]
    assert "read" not in {clock.rule for clock in rehearsed.session.state.clocks}
    rehearsed.session, happened = rehearsal.set_line(rehearsed.session, office, up=True)
    assert [(each.kind, each.office) for each in happened] == [("receipt", office)]
    assert "read" in {clock.rule for clock in rehearsed.session.state.clocks}
    assert "unread" not in {clock.rule for clock in rehearsed.session.state.clocks}


def test_the_hub_notes_each_clock_at_its_very_end_however_long_one_waits(rehearsed: Rehearsed) -> None:
    rehearsed.do("AV", "incident-notice")
    start = rehearsed.session.now
    rehearsed.wait(5 * HOUR)
    assert [(each.kind, each.at - start) for each in rehearsed.happened] == [
        ("clock-expired", 10 * MINUTE),
        ("clock-expired", 30 * MINUTE),
        ("clock-expired", 4 * HOUR),
    ]
    assert all(clock.announced for clock in rehearsed.session.state.expired)
    assert rehearsed.session.now == start + 5 * HOUR


def test_waiting_in_one_go_or_from_clock_to_clock_comes_to_the_same(rehearsed: Rehearsed) -> None:
    rehearsed.do("AV", "incident-notice")
    until = rehearsed.session.now + 9 * HOUR
    at_once, _ = rehearsal.wait(rehearsed.session, until)
    while (moment := rehearsal.next_moment(rehearsed.session)) is not None and moment <= until:
        rehearsed.session, _ = rehearsal.wait(rehearsed.session, moment)
    stepwise, _ = rehearsal.wait(rehearsed.session, until)
    assert stepwise.state == at_once.state


def test_time_never_goes_back(rehearsed: Rehearsed) -> None:
    with pytest.raises(Unfit):
        rehearsal.wait(rehearsed.session, rehearsed.session.now - 1)


def test_what_is_refused_leaves_the_session_as_it_was_and_says_when_it_opens(rehearsed: Rehearsed) -> None:
    for line in ("incident-notice", "step-request L4-cooling-off"):
        rehearsed.do("AV", line)
    rehearsed.do("KV", "step-accept")
    before = rehearsed.session
    refusal = rehearsed.refused("AV", "public-attribution")
    assert refusal.code == "ladder.standstill"
    assert refusal.until == before.now + 72 * HOUR
    assert rehearsed.session == before


def test_a_mediator_comes_in_as_on_the_line_with_lists_opened_and_keys_renewed_by_the_stations() -> None:
    rehearsed = Rehearsed()
    rehearsed.do("AV", "step-request L5-mediation")
    rehearsed.do("AV", "nomination MD HD")
    rehearsed.do("KV", "nomination HD MD")
    assert rehearsed.kinds == ["nomination", "nomination-reveal", "nomination-reveal"]
    rehearsed.do("HD", "mediator-acceptance")
    rehearsed.do("HD", "declaration")
    rehearsed.do("AV", "waiver HD")
    rehearsed.do("KV", "waiver")
    rehearsed.do("KV", "admission L0-routine")
    assert isinstance(rehearsed.act, Admission)
    assert rehearsed.act.scope.from_rung == "L0-routine"
    rehearsed.do("AV", "admission")
    assert rehearsed.kinds == ["admission", "rekey"]
    assert set(rehearsed.session.state.roster.values()) == {"AV", "KV", "HD"}
    rehearsed.do("HD", "proposal")
    rehearsed.do("AV", "proposal-accept")
    rehearsed.do("KV", "proposal-accept")
    assert rehearsed.session.state.rung == "monitoring"


def test_words_fill_acts_in(rehearsed: Rehearsed) -> None:
    rehearsed.do("AV", "incident-notice")
    clock = next(clock for clock in rehearsed.session.state.clocks if clock.rule == "reply")
    rehearsed.do("AV", f"extension {clock.id} 1d12h")
    assert rehearsed.act == Extension(clock.id, clock.end + 36 * HOUR)
    rehearsed.do("AV", "clarification-request 3")
    rehearsed.do("KV", "clarification-answer answered refused later")
    assert isinstance(rehearsed.act, Answer)
    assert rehearsed.act.answers == ("answered", "refused", "later")
    rehearsed.do("KV", "clarification-answer")
    assert isinstance(rehearsed.act, Answer)
    assert set(rehearsed.act.answers) == {"answered"}


def test_an_objection_names_whom_it_accepts_beside_the_nominee() -> None:
    rehearsed = Rehearsed()
    for office, line in (
        ("AV", "step-request L5-mediation"),
        ("AV", "nomination MD"),
        ("KV", "nomination MD"),
        ("MD", "mediator-acceptance"),
        ("MD", "declaration"),
        ("AV", "objection MD beside NR"),
    ):
        rehearsed.do(office, line)
    assert rehearsed.act == Objection("MD", "NR")
    rehearsed.do("KV", "objection-answer yes")
    assert rehearsed.session.state.mediation is not None
    assert [nominee.office for nominee in rehearsed.session.state.mediation.nominees] == ["MD", "NR"]


def test_a_disclosure_is_rehearsed_by_numbers_and_fields_and_answered_yes_or_no(rehearsed: Rehearsed) -> None:
    rehearsed.do("AV", "incident-notice")
    rehearsed.do("AV", "disclosure-notice 2:text #1:subject 2:harm")
    assert rehearsed.act == DisclosureNotice("court", (Portion(1, ("subject",)), Portion(2, ("text", "harm"))))
    rehearsed.do("KV", "disclosure-consent yes")
    assert isinstance(rehearsed.act, DisclosureConsent)
    assert rehearsed.act.agree
    assert rehearsed.refused("KV", "disclosure-consent no").code == "ladder.unknown-reference"


@pytest.mark.parametrize(
    ("office", "line"),
    [
        ("AV", "disclosure-notice text"),
        ("AV", "disclosure-notice 0:text"),
        ("AV", "disclosure-notice 2:"),
        ("AV", "clarification-request many"),
        ("AV", "clarification-request 51"),
        ("KV", "clarification-answer answered maybe"),
        ("KV", "clarification-answer answered answered"),
        ("AV", "statement with words"),
        ("KV", "acknowledgement 2"),
        ("KV", "acknowledgement #99"),
        ("AV", "breach-report Nobody!"),
        ("AV", "carve-out-notice revenge"),
        ("AV", "no-such-kind"),
        ("AV", "step-request"),
        ("AV", "extension"),
    ],
)
def test_words_that_mean_nothing_are_said_to_and_change_nothing(office: str, line: str) -> None:
    rehearsed = Rehearsed()
    rehearsed.do("AV", "incident-notice")
    rehearsed.do("AV", "clarification-request 3")
    with pytest.raises(Unfit) as said:
        rehearsed.do(office, line)
    assert str(said.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "ms"),
    [("30m", 30 * MINUTE), ("2h", 2 * HOUR), ("1d12h", 36 * HOUR), ("1w", 7 * DAY), ("5min", 5 * MINUTE)],
)
def test_lengths_of_time_are_read_as_people_write_them(text: str, ms: int) -> None:
    assert milliseconds(text) == ms


@pytest.mark.parametrize("text", ["", "h", "2", "2 h", "-2h", "2y", "1h!", "٣h"])
def test_what_is_no_length_of_time_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(Unfit):
        milliseconds(text)


def test_a_ladder_past_its_sunset_opens_no_rehearsal_either() -> None:
    ladder = parse_ladder(DATA.replace(b'review = "P1Y"', b'review = "P1Y"\nsunset = "2031-01-01"', 1))
    begun = rehearsal.begin(ladder, T0)
    assert isinstance(begun, Refusal)
    assert begun.code == "ladder.sunset"


def test_a_body_is_played_like_everybody_and_says_in_words_whom_it_appoints() -> None:
    played = Rehearsed(parse_ladder(ladders.load("icsid-mediation-appointment")))
    (body,) = played.session.state.holders["secretary-general"]
    played.do("AV", "step-request register")
    played.wait(60 * DAY)
    assert played.refused("AV", "default-appointment").code == "ladder.not-yours"
    played.do("KV", "step-request default")
    offered = [choice for choice in rehearsal.choices(played.session, body) if choice.refusal is None]
    assert [choice.name for choice in offered].count("default-appointment") == 1, "whom, it says in words"
    with pytest.raises(Unfit, match="Name one office"):
        played.do(body, "default-appointment MD HD")
    roster = played.session.state.mediators
    played.do(body, f"default-appointment {roster[-1]}")
    assert played.act == Appointment(roster[-1])
    mediation = played.session.state.mediation
    assert mediation is not None
    assert [nominee.office for nominee in mediation.nominees] == [roster[-1]]
