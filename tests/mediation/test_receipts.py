"""Clocks from receipt: of a kind or a step, by the other party or by whoever holds a role outside the group."""

from __future__ import annotations

import pytest

from mediation.awaited import KEPT, readers, rules, sent_to
from mediation.effects import ClockMet, ClockStarted, ClockStopped, Invited, OptionOpened
from mediation.state import Option, from_bytes, to_bytes
from mediation.words import starts
from protocols.kinds import About, Empty, Received, Step, StepAnswer
from tests.mediation.council import asked, council
from tests.mediation.play import Play, t
from tests.mediation.receipts import ALL_TOLD, HEARD, READ, REPLY, TOLD, UNREAD, ladder


def started(play: Play) -> list[tuple[str, int]]:
    return [(effect.clock.rule, effect.clock.start) for effect in play.all_of(ClockStarted)]


def waiting(play: Play) -> list[str]:
    return [rule for found in play.state.awaiting for rule in rules(play.ladder, found)]


def request(play: Play) -> str:
    return next(move.id for move, _ in play.log if move.kind == "step-request")


def test_a_bodys_receipt_of_a_step_starts_its_clock_and_a_partys_does_not() -> None:
    play = council(ladder(READ))
    ask = play.send("01:00", "AV", "step-request", Step("ask"))
    assert play.all_of(Invited) == [Invited("CH", "chair")], "who must receive takes part"
    assert waiting(play) == ["read"]
    play.send("01:01", "KV", "receipt", Received(ask))
    assert started(play) == []
    play.send("02:30", "CH", "receipt", Received(ask))
    assert started(play) == [("read", t("02:30"))]
    (found,) = [found for found in play.state.clocks if found.rule == "read"]
    assert (found.entry, found.requester, found.respondent, found.end) == (ask, "AV", "KV", t("26:30"))
    assert waiting(play) == []
    assert sent_to(play.state, "CH") == (found.seq,)
    assert sent_to(play.state, "KV") == sent_to(play.state, "NN") == ()


def test_a_body_may_receive_long_after_other_clocks_of_the_step_ran_out() -> None:
    play = asked(ladder(READ))
    play.send("800:00", "CH", "receipt", Received(request(play)))
    assert started(play) == [("read", t("800:00"))]


def test_what_a_body_sends_on_runs_from_the_receipt_of_the_party_it_is_for() -> None:
    play = asked(ladder(HEARD))
    report = play.send("02:00", "CH", "step-request", Step("report"))
    play.send("02:10", "AV", "receipt", Received(report))
    assert started(play) == []
    play.send("02:20", "KV", "receipt", Received(report))
    assert started(play) == [("heard", t("02:20"))]
    play.send("03:00", "KV", "step-request", Step("answer"))
    assert "heard" in {effect.clock.rule for effect in play.all_of(ClockMet)}


def test_of_several_holders_the_first_receipt_counts_and_later_ones_are_a_record() -> None:
    play = council(ladder(TOLD))
    said = play.send("01:00", "AV", "statement")
    assert play.all_of(Invited) == [Invited(office, "others") for office in ("NN", "OO", "PP", "QQ")]
    play.send("02:00", "OO", "receipt", Received(said))
    assert started(play) == [("told", t("02:00"))]
    for at, office in (("03:00", "NN"), ("04:00", "OO"), ("05:00", "QQ")):
        play.send(at, office, "receipt", Received(said))
        assert play.effects == ()
    assert [found.start for found in play.state.clocks] == [t("02:00")]


def test_nobody_confirms_the_receipt_of_their_own() -> None:
    play = council(ladder(ALL_TOLD))
    said = play.send("01:00", "AV", "statement")
    play.send("01:10", "AV", "receipt", Received(said))
    assert started(play) == []
    play.send("01:20", "KV", "receipt", Received(said))
    assert started(play) == [("all-told", t("01:20"))]


def test_each_receiver_starts_its_own_clocks_of_the_same_entry() -> None:
    play = council(ladder(TOLD, REPLY))
    said = play.send("01:00", "AV", "statement")
    play.send("01:10", "KV", "receipt", Received(said))
    assert started(play) == [("reply", t("01:10"))]
    assert play.refused("01:20", "KV", "receipt", Received(said)).code == "ladder.already-received"
    play.send("01:30", "NN", "receipt", Received(said))
    assert started(play) == [("told", t("01:30"))]


def test_one_receipt_starts_the_clocks_of_all_that_it_names() -> None:
    play = council(ladder(TOLD, REPLY))
    said = [play.send(f"01:0{number}", "AV", "statement") for number in range(3)]
    play.send("01:10", "KV", "receipt", Received(said[0], (said[2], said[2])))
    assert started(play) == [("reply", t("01:10"))] * 2
    assert sorted(clock.entry for clock in play.state.clocks if clock.rule == "reply") == sorted((said[0], said[2]))
    # What is said again in one that says something new is no reason to refuse it, and starts nothing again.
    play.send("01:20", "KV", "receipt", Received(said[0], (said[1],)))
    assert started(play) == [("reply", t("01:20"))]
    assert play.refused("01:30", "KV", "receipt", Received(said[1], (said[0],))).code == "ladder.already-received"


def test_a_clock_that_a_receipt_meets_is_met_by_one_that_names_its_entry_beside_others() -> None:
    play = asked(ladder(READ, UNREAD))
    assert "unread" in {clock.rule for clock in play.state.clocks}
    play.send("03:00", "CH", "receipt", Received("A" * 43, (request(play),)))
    assert "unread" not in {clock.rule for clock in play.state.clocks}


def test_a_step_taken_before_the_receipt_meets_the_clock_and_opens_what_being_met_opens() -> None:
    play = asked(ladder(READ))
    play.send("02:00", "CH", "step-request", Step("report"))
    assert play.saw(OptionOpened) == OptionOpened("convene", "CH")
    assert waiting(play) == []
    play.send("03:00", "CH", "receipt", Received(request(play)))
    assert started(play) == []


def test_a_clock_that_an_agreement_stops_does_not_start_with_a_late_receipt() -> None:
    play = asked(ladder(READ))
    down = play.send("02:00", "AV", "step-request", Step("down"))
    play.send("02:00", "KV", "step-accept", StepAnswer(down, "down"))
    assert not play.all_of(ClockStopped), "it did not run yet"
    assert waiting(play) == []
    play.send("03:00", "CH", "receipt", Received(request(play)))
    assert started(play) == []


def test_nothing_starts_in_a_closed_thread() -> None:
    play = asked(ladder(READ))
    for party in ("AV", "KV"):
        play.send("02:00", party, "close", Empty())
    assert play.state.awaiting == ()
    play.send("03:00", "CH", "receipt", Received(request(play)))
    assert started(play) == []


def test_a_step_waits_for_one_receipt_at_a_time_and_anew_when_it_is_asked_for_again() -> None:
    play = asked(ladder(READ))
    first = request(play)
    for number in range(3):
        back = play.send(f"0{number + 2}:00", "AV", "step-request", Step("down"))
        play.send(f"0{number + 2}:01", "KV", "step-accept", StepAnswer(back, "down"))
        again = play.send(f"0{number + 2}:02", "AV", "step-request", Step("ask"))
        assert waiting(play) == ["read"], "the one that was stopped has given way"
    play.send("06:00", "CH", "receipt", Received(first))
    assert started(play) == []
    play.send("06:01", "CH", "receipt", Received(again))
    assert started(play) == [("read", t("06:01"))]


def test_those_who_sign_for_nothing_keep_nobody_from_writing_and_push_out_only_the_writers_own() -> None:
    play = council(ladder(TOLD))
    theirs = play.send("01:00", "KV", "statement")
    own = [play.send("02:00", "AV", "statement") for _ in range(3 * KEPT)]
    allowed = play.ladder.limits.open_questions
    assert [found.entry for found in play.state.awaiting] == [theirs, *own[-allowed:]]
    play.send("03:00", "NN", "receipt", Received(theirs))
    assert started(play) == [("told", t("03:00"))]
    play.send("03:00", "NN", "receipt", Received(own[0]))
    assert started(play) == []


def test_an_answer_before_the_receipt_makes_room_for_the_next_matter() -> None:
    play = council(ladder(REPLY))
    for _ in range(play.ladder.limits.open_questions):
        said = play.send("01:00", "AV", "statement")
    assert play.refused("01:00", "AV", "statement").code == "ladder.too-many-open"
    play.send("01:10", "KV", "acknowledgement", About(said))
    assert len(waiting(play)) == play.ladder.limits.open_questions - 1
    play.send("01:20", "AV", "statement")


def test_a_body_that_stays_offline_blocks_nobody() -> None:
    play = asked(ladder(READ, UNREAD))
    play.send("02:00", "KV", "receipt", Received(request(play)))
    assert "unread" in {found.rule for found in play.state.clocks}, "only the body's own receipt meets it"
    assert Option("convene", "CH", t("25:00"), play.clock("unread")) in play.at("25:00").options
    play.send("03:00", "CH", "receipt", Received(request(play)))
    assert [effect.clock.rule for effect in play.all_of(ClockMet)] == ["unread"]
    assert not play.at("25:00").options


def test_a_state_that_waits_for_a_body_is_the_same_after_storing() -> None:
    play = asked(ladder(READ, TOLD))
    play.send("02:00", "AV", "statement")
    assert {(found.step, found.by) for found in play.state.awaiting} == {("ask", "chair"), ("", "others")}
    assert from_bytes(to_bytes(play.state)) == play.state


def test_the_roles_that_are_sent_an_entry_are_those_whose_receipt_counts() -> None:
    found = ladder(READ, TOLD, REPLY)
    assert readers(found, "step-request", "ask") == ("chair",)
    assert readers(found, "statement") == ("others",)
    assert readers(found, "step-request", "report") == readers(found, "update") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (REPLY, "the signed receipt of the *Statement* by the other side's station"),
        (READ, "the signed receipt, by Chair of the centre, of the request for *Ask for an explanation*"),
        (TOLD, "the signed receipt of the *Statement* by the first of: The other states"),
        (
            HEARD,
            "the signed receipt, by the party that did not open the thread, of the request for *The chair reports*",
        ),
    ],
)
def test_the_words_say_whose_receipt_it_is(text: str, words: str) -> None:
    found = ladder(text)
    rule = next(clock for clock in found.clocks.values() if clock.starts == "receipt")
    assert starts(found, rule) == words
