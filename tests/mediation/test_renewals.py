"""Keys that a member says it cannot follow: the way back, and what bounds it."""

from __future__ import annotations

import pytest

from mediation.effects import KeysReturned, RekeyDue
from mediation.ladder import Ladder, parse_ladder
from mediation.renewals import LIMIT, WINDOW, barred, open_dispute
from protocols.kinds import CannotFollow, Followed, Member, Received, Rejoin, Rekey, Resealed, Withdrawal
from tests.mediation.places import on
from tests.mediation.play import DATA, Play, kid

MD = Member(kid("MD-1"), "MD")


def renew(play: Play, at: str, office: str, *, adds: tuple[Member, ...] = (), removes: tuple[Member, ...] = ()) -> str:
    return play.send(at, office, "rekey", Rekey(play.state.epoch + 1, adds, removes))


def complain(play: Play, at: str, office: str, **changes: str) -> str:
    renewal = play.state.renewal
    assert renewal is not None
    return play.send(
        at, office, "cannot-follow", CannotFollow(renewal.epoch, renewal.newest.entry, "mls.bad-tag"), **changes
    )


def complaint_refused(play: Play, at: str, office: str, epoch: int, entry: str) -> str:
    return play.refused(at, office, "cannot-follow", CannotFollow(epoch, entry, "mls.bad-tag")).code


def test_a_complaint_takes_the_group_back_under_a_number_that_was_never_used() -> None:
    play = Play()
    entry = renew(play, "00:01", "AV")
    assert (play.state.epoch, play.state.mls_epoch) == (2, 2)
    complain(play, "00:02", "KV")
    state = play.state
    assert (state.epoch, state.mls_epoch, state.renewal) == (3, 1, None)
    found = play.saw(KeysReturned)
    assert (found.first, found.last, found.office, found.by_office) == (2, 2, "AV", "KV")
    assert play.refused("00:03", "KV", "statement", epoch=2).code == "ladder.wrong-epoch"
    assert play.refused("00:03", "KV", "statement", epoch=1).code == "ladder.wrong-epoch"
    play.send("00:03", "KV", "incident-notice")
    assert complaint_refused(play, "00:04", "KV", 2, entry) == "ladder.nothing-to-follow"


def test_the_next_keys_are_another_offices_and_settle_it() -> None:
    play = Play()
    renew(play, "00:01", "AV")
    complain(play, "00:02", "KV")
    assert barred(play.state, "AV") and not barred(play.state, "KV")
    assert play.refused("00:03", "AV", "rekey", Rekey(4)).code == "ladder.renewal-barred"
    renew(play, "00:03", "KV")
    assert (play.state.epoch, play.state.mls_epoch) == (4, 2)
    assert not barred(play.state, "AV") and open_dispute(play.state) is None
    play.send("00:04", "AV", "followed", Followed(4))
    renew(play, "00:05", "AV")
    play.send("00:06", "KV", "followed", Followed(5))
    assert play.state.disputes == ()


@pytest.mark.parametrize("how", ["followed", "sealed", "renewed"])
def test_who_has_followed_cannot_complain(how: str) -> None:
    play = Play()
    entry = renew(play, "00:01", "AV")
    assert complaint_refused(play, "00:02", "AV", 2, entry) == "ladder.already-followed"
    if how == "followed":
        play.send("00:02", "KV", "followed", Followed(2))
    elif how == "sealed":
        play.send("00:02", "KV", "goodwill-note")
    else:
        renew(play, "00:02", "KV")
    assert complaint_refused(play, "00:03", "KV", 2, entry) == "ladder.nothing-to-follow"
    if how != "renewed":
        assert play.state.renewal is None
        assert play.refused("00:03", "KV", "followed", Followed(2)).code == "ladder.nothing-to-follow"


def test_what_is_not_sealed_shows_nothing() -> None:
    play = Play()
    entry = play.send("00:00", "AV", "incident-notice")
    renew(play, "00:01", "AV")
    play.send("00:02", "KV", "receipt", Received(entry))
    assert play.state.renewal is not None and play.state.renewal.waiting == (kid("KV-1"),)


def test_a_liar_does_not_roll_back_for_ever_and_talk_never_stops() -> None:
    play = Play()
    for _ in range(LIMIT):
        renew(play, "00:01", "AV")
        complain(play, "00:01", "KV")
        play.send("00:01", "AV", "goodwill-note")
        renew(play, "00:01", "KV")
        complain(play, "00:01", "AV")
        play.send("00:01", "KV", "goodwill-note")
    for office in ("AV", "KV"):
        assert barred(play.state, office)
        assert play.refused("00:02", office, "rekey", Rekey(play.state.epoch + 1)).code == "ladder.renewal-barred"
        play.send("00:02", office, "goodwill-note")
    assert play.state.mls_epoch == 1 and len(play.state.disputes) == 2


def test_after_the_window_it_is_too_late() -> None:
    play = Play()
    entry = renew(play, "00:00", "AV")
    hours = WINDOW // 3_600_000
    assert complaint_refused(play, f"{hours}:01", "KV", 2, entry) == "ladder.too-late"
    renew(play, f"{hours}:02", "AV")
    assert play.state.renewal is not None and play.state.renewal.depth == 1
    complain(play, f"{hours}:03", "KV")
    assert play.state.mls_epoch == 2


def test_a_complaint_goes_back_to_where_everybody_was() -> None:
    play = Play()
    renew(play, "00:00", "AV", adds=(Member(kid("AV-2"), "AV"),))
    renew(play, "00:01", "AV")
    assert play.state.renewal is not None and play.state.renewal.depth == 2
    complain(play, "00:02", "KV")
    assert play.state.mls_epoch == 1 and kid("AV-2") not in play.state.roster
    assert (play.saw(KeysReturned).first, play.saw(KeysReturned).last) == (2, 3)


def mediated() -> Play:
    play = on("L5-mediation")
    assert play.state.admitted == ("MD",) and kid("MD-1") in play.state.roster
    for station in ("AV-1", "KV-1", "MD-1"):
        renewal = play.state.renewal
        if renewal is not None and kid(station) in renewal.waiting:
            play.send("06:00", station[:2], "followed", Followed(renewal.epoch))
    assert play.state.renewal is None
    return play


def test_who_was_put_out_stays_out_and_cannot_complain() -> None:
    play = mediated()
    play.send("06:01", "AV", "withdrawal", Withdrawal("MD"))
    entry = renew(play, "06:02", "AV", removes=(MD,))
    epoch = play.state.epoch
    assert complaint_refused(play, "06:03", "MD", epoch, entry) in ("ladder.no-standing", "ladder.not-member")
    complain(play, "06:03", "KV")
    assert list(play.state.leaving) == [MD]
    assert kid("MD-1") not in play.state.roster
    assert play.refused("06:04", "KV", "statement").code == "ladder.rekey-due"
    assert play.refused("06:04", "KV", "resealed", Resealed((entry,))).code == "ladder.rekey-due"
    assert play.refused("06:04", "KV", "rekey", Rekey(play.state.epoch + 1)).code == "ladder.rekey-due"
    play.send("06:04", "AV", "goodwill-note")
    renew(play, "06:05", "KV", removes=(MD,))
    assert not play.state.leaving and kid("MD-1") not in play.state.roster
    play.send("06:06", "KV", "resealed", Resealed((entry,)))


def test_a_mediator_on_the_way_out_undoes_nothing_and_bars_nobody() -> None:
    play = mediated()
    entry = renew(play, "06:00", "AV")
    complain(play, "06:01", "MD")
    assert barred(play.state, "AV")
    entry = renew(play, "06:02", "KV")
    play.send("06:03", "AV", "withdrawal", Withdrawal("MD"))
    assert complaint_refused(play, "06:04", "MD", play.state.epoch, entry) == "ladder.no-standing"
    assert not barred(play.state, "AV") and not barred(play.state, "KV")


def test_who_came_in_with_the_keys_taken_back_is_due_to_come_in_again() -> None:
    play = on("L5-mediation")
    state = play.state
    assert state.renewal is not None and state.renewal.due == ("MD",)
    complain(play, "06:00", "AV" if state.renewal.newest.office == "KV" else "KV")
    assert kid("MD-1") not in play.state.roster and play.state.due_adds == ("MD",)
    assert play.saw(RekeyDue).adds == ("MD",)
    renew(play, "06:01", "AV" if state.renewal.newest.office == "KV" else "KV", adds=(MD,))
    assert kid("MD-1") in play.state.roster and not play.state.due_adds


def rejoining(who: bytes) -> Ladder:
    rule = b'[kinds.rejoin]\nwho = ["party", "mediator"]\n'
    assert rule in DATA
    return parse_ladder(DATA.replace(rule, who))


def test_a_station_comes_back_only_where_the_ladder_lets_its_office() -> None:
    assert Play(rejoining(b"")).refused("00:01", "AV", "rejoin", Rejoin(2)).code == "ladder.not-on-ladder"
    only_mediators = Play(rejoining(b'[kinds.rejoin]\nwho = ["mediator"]\n'))
    assert only_mediators.refused("00:01", "AV", "rejoin", Rejoin(2)).code == "ladder.not-yours"
    play = Play()
    assert play.refused("00:01", "XX", "rejoin", Rejoin(2)).code == "ladder.no-standing"
    assert play.refused("00:01", "AV", "rejoin", Rejoin(1)).code == "ladder.wrong-epoch"
    assert play.refused("00:01", "AV", "rejoin", Rejoin(2), station=kid("AV-2")).code == "ladder.not-member"
    roster = play.state.roster
    play.send("00:01", "AV", "rejoin", Rejoin(2))
    assert play.state.roster == roster and play.state.epoch == 2
    assert play.refused("00:01", "KV", "rejoin", Rejoin(2)).code == "ladder.wrong-epoch"
    complain(play, "00:02", "KV")
    assert play.refused("00:03", "AV", "rejoin", Rejoin(4)).code == "ladder.renewal-barred"


def test_nothing_is_sealed_again_where_nothing_was_taken_back() -> None:
    play = Play()
    assert play.refused("00:01", "AV", "resealed", Resealed((kid("open"),))).code == "ladder.nothing-to-reseal"


def test_the_blame_is_on_the_renewal_that_could_not_be_followed() -> None:
    play = mediated()
    bad = renew(play, "06:00", "AV")
    renew(play, "06:01", "MD")
    play.send("06:02", "KV", "cannot-follow", CannotFollow(play.state.epoch, bad, "mls.invalid-path"))
    assert barred(play.state, "AV") and not barred(play.state, "MD")
    assert play.saw(KeysReturned).office == "AV"


def test_very_many_renewals_are_not_all_remembered() -> None:
    play = Play()
    for _ in range(40):
        renew(play, "00:01", "AV")
    renewal = play.state.renewal
    assert renewal is not None and renewal.depth == 40 and len(renewal.made) == 16
    complain(play, "00:02", "KV")
    assert play.state.mls_epoch == 1
