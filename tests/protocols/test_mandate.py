"""Mandates: signed by the office, for a time, for one purpose a key, and taken back for good."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import jws
from protocols.accord import NotInAccord
from protocols.encoding import Malformed, b64u, rfc3339, to_json
from protocols.errors import ProtocolError
from protocols.keys import BadKey, BadSignature
from protocols.mandate import (
    HOLDER_TYP,
    ROLE,
    TYP,
    Mandate,
    MandateBook,
    OutOfMandate,
    sign_holder,
    sign_mandate,
    verify_mandate,
)
from protocols.translog import KeyKind, VerifierKey
from tests.protocols.kit import (
    HOUR,
    T0,
    accord_of,
    mandated,
    officer_mandate,
    public,
    signer,
    station_mandate,
)

ACCORD = accord_of()


def at(hours: float) -> int:
    return T0 + int(hours * HOUR)


def window(start: float, end: float) -> dict[str, Any]:
    return {"not_before": rfc3339(at(start)), "not_after": rfc3339(at(end))}


def test_a_mandate_verifies_and_says_what_it_allows() -> None:
    found = verify_mandate(mandated(station_mandate("AV")), ACCORD)
    assert found.office == "AV"
    assert found.kid == signer("AV station").kid
    assert found.allows("station", T0)
    assert not found.allows("releaser", T0)
    assert found.station_keys.sign == public("AV station")


def test_the_first_moment_counts_and_the_last_does_not() -> None:
    found = verify_mandate(mandated(officer_mandate("AV", "o", "drafter", **window(0, 1))), ACCORD)
    assert not found.allows("drafter", at(0) - 1)
    assert found.allows("drafter", at(0))
    assert found.allows("drafter", at(1) - 1)
    assert not found.allows("drafter", at(1))


def test_an_officer_has_no_stations_keys() -> None:
    with pytest.raises(OutOfMandate):
        _ = verify_mandate(mandated(officer_mandate("AV", "o", "drafter")), ACCORD).station_keys


def test_only_the_offices_own_root_key_mandates() -> None:
    mandate = officer_mandate("AV", "o", "drafter")
    for stranger in ("KV root", "AV station", "hub", "nobody"):
        with pytest.raises(BadSignature):
            verify_mandate(sign_mandate(mandate, signer(stranger)), ACCORD)


def test_an_office_that_the_accord_does_not_name_mandates_nobody() -> None:
    with pytest.raises(NotInAccord):
        verify_mandate(mandated(officer_mandate("ZZ", "o", "drafter")), ACCORD)


def test_a_second_signature_or_one_made_as_something_else_is_refused() -> None:
    payload = b64u(to_json(msgspec.to_builtins(officer_mandate("AV", "o", "drafter"))))
    root = signer("AV root")
    good = jws.sign(payload, root, typ=TYP, role=ROLE)
    for signatures in (
        (good, jws.sign(payload, signer("KV root"), typ=TYP, role="witness")),
        (jws.sign(payload, root, typ="hotline-accord+jws", role=ROLE),),
        (jws.sign(payload, root, typ=TYP, role="station"),),
        (jws.sign(payload, root, typ=TYP, role=ROLE, at=1),),
    ):
        with pytest.raises(BadSignature):
            verify_mandate(jws.Jws(payload, signatures).to_bytes(), ACCORD)


def station_keys(**changes: str) -> dict[str, Any]:
    keys = station_mandate("AV").keys
    assert keys is not None
    return {"keys": msgspec.structs.replace(keys, **changes)}


def vkey(name: str, kind: KeyKind = KeyKind.COSIGNATURE_ED25519) -> str:
    return VerifierKey("av.example", kind, signer(name).public).vkey


@pytest.mark.parametrize(
    "mandate",
    [
        station_mandate("AV", keys=None),
        station_mandate("AV", roles=("drafter",)),
        station_mandate("AV", roles=("station", "releaser")),
        officer_mandate("AV", "o", "station"),
        officer_mandate("AV", "o", "drafter", keys=station_mandate("AV").keys),
        station_mandate("AV", sign=public("other")),
        station_mandate("AV", **station_keys(mls=public("AV station"))),
        station_mandate("AV", **station_keys(mls=public("AV root"))),
        station_mandate("AV", **station_keys(mls=public("hub"))),
        station_mandate("AV", **station_keys(seal="short")),
        station_mandate("AV", **station_keys(witness="no vkey")),
        station_mandate("AV", **station_keys(witness=vkey("w", KeyKind.ED25519))),
        station_mandate("AV", **station_keys(witness=vkey("AV station"))),
        officer_mandate("AV", "AV root", "drafter"),
        officer_mandate("AV", "hub", "drafter"),
        officer_mandate("AV", "o", "drafter", **window(1, 1)),
        officer_mandate("AV", "o", "drafter", **window(2, 1)),
        officer_mandate("AV", "o", "drafter", not_before="2031-03-10"),
        officer_mandate("AV", "o", "drafter", serial=0),
        officer_mandate("AV", "o", "drafter", v=2),
        officer_mandate("AV", "o", "drafter", subject="person"),
    ],
    ids=str,
)
def test_a_mandate_that_contradicts_itself_is_refused_although_signed(mandate: Mandate) -> None:
    with pytest.raises(Malformed):
        verify_mandate(mandated(mandate), ACCORD)


def test_no_office_can_claim_a_key_that_another_holds() -> None:
    """The hostile office saw KV's public keys and mandates them first, under its own name."""
    theirs = station_mandate("KV")
    proofs = (
        theirs.holder,  # says KV
        sign_holder("AV", signer("AV station"), theirs.keys),  # says AV, by another key
        sign_holder("AV", signer("KV station"), station_mandate("AV").keys),  # about other keys
        sign_holder("AV", signer("KV station")),  # about an officer
        "",
        "é",
    )
    for proof in proofs:
        with pytest.raises(ProtocolError):
            verify_mandate(mandated(msgspec.structs.replace(theirs, office="AV", holder=proof)), ACCORD)
    honest = msgspec.structs.replace(theirs, office="AV", holder=sign_holder("AV", signer("KV station"), theirs.keys))
    assert verify_mandate(mandated(honest), ACCORD).office == "AV"


def test_a_holders_word_made_as_something_else_is_refused() -> None:
    mandate = officer_mandate("AV", "o", "drafter")
    payload = jws.parse(mandate.holder.encode(), limit=4096).payload
    for typ, role in (("hotline-entry+jws", "holder"), (HOLDER_TYP, "officer")):
        proof = jws.Jws(payload, (jws.sign(payload, signer("o"), typ=typ, role=role),)).to_bytes().decode()
        with pytest.raises(BadSignature):
            verify_mandate(mandated(msgspec.structs.replace(mandate, holder=proof)), ACCORD)


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(BadKey):
        verify_mandate(mandated(officer_mandate("AV", "o", "drafter", sign=b64u(bytes(32)))), ACCORD)


class TestABook:
    def book(self, *mandates: Mandate) -> MandateBook:
        return MandateBook(ACCORD, (verify_mandate(mandated(mandate), ACCORD) for mandate in mandates))

    def test_finds_nobody_it_was_not_told_of(self) -> None:
        with pytest.raises(OutOfMandate):
            self.book().find(signer("o").kid, T0)

    def test_asks_for_office_role_and_time(self) -> None:
        book = self.book(officer_mandate("AV", "o", "drafter", **window(0, 2)))
        kid = signer("o").kid
        assert book.require(kid, role="drafter", office="AV", at=at(1)).kid == kid
        for role, office, hours in (("releaser", "AV", 1), ("drafter", "KV", 1), ("drafter", "AV", 2)):
            with pytest.raises(OutOfMandate):
                book.require(kid, role=role, office=office, at=at(hours))
        with pytest.raises(OutOfMandate):
            book.require(kid, role="drafter", office="AV", at=at(-1))

    def test_a_renewal_takes_over_at_its_own_start(self) -> None:
        first = officer_mandate("AV", "o", "drafter", **window(0, 10))
        second = officer_mandate("AV", "o", "releaser", serial=2, **window(5, 20))
        book = self.book(second, first)
        kid = signer("o").kid
        assert book.require(kid, role="drafter", office="AV", at=at(4)).mandate.serial == 1
        assert book.require(kid, role="releaser", office="AV", at=at(5)).mandate.serial == 2
        with pytest.raises(OutOfMandate):
            book.require(kid, role="drafter", office="AV", at=at(5))

    def test_a_mandate_without_roles_revokes_from_its_start_on_and_not_before(self) -> None:
        book = self.book(
            officer_mandate("AV", "o", "drafter", **window(0, 10)),
            officer_mandate("AV", "o", serial=2, **window(5, 9000)),
        )
        kid = signer("o").kid
        assert book.require(kid, role="drafter", office="AV", at=at(4))
        for hours in (5, 6, 9.9):
            with pytest.raises(OutOfMandate):
                book.require(kid, role="drafter", office="AV", at=at(hours))

    def test_an_older_serial_does_not_undo_a_revocation_however_late_it_begins(self) -> None:
        book = self.book(
            officer_mandate("AV", "o", serial=5, **window(1, 9000)),
            officer_mandate("AV", "o", "drafter", serial=4, **window(2, 100)),
        )
        with pytest.raises(OutOfMandate):
            book.require(signer("o").kid, role="drafter", office="AV", at=at(3))

    @pytest.mark.parametrize(
        ("serial", "roles", "hours", "back"),
        [
            (2, (), (1, 9000), True),
            (2, ("releaser",), (1, 9000), True),
            (2, ("drafter",), (1, 3), True),
            (2, ("drafter", "releaser"), (1, 9000), False),
            (2, ("drafter",), (1, 9000), False),
            (2, (), (6, 9000), False),
        ],
    )
    def test_what_a_mandate_takes_back_for_a_time_that_is_over(
        self, serial: int, roles: tuple[str, ...], hours: tuple[int, int], back: bool
    ) -> None:
        book = self.book(officer_mandate("AV", "o", "drafter", **window(0, 100)))
        later = verify_mandate(mandated(officer_mandate("AV", "o", *roles, serial=serial, **window(*hours))), ACCORD)
        assert book.takes_back(later, at(5)) is back

    def test_two_mandates_of_one_serial_are_refused(self) -> None:
        book = self.book(officer_mandate("AV", "o", "drafter"))
        with pytest.raises(OutOfMandate, match="one serial"):
            book.add_bytes(mandated(officer_mandate("AV", "o", "drafter", "releaser")))

    def test_a_mandate_known_already_changes_nothing(self) -> None:
        book = self.book(officer_mandate("AV", "o", "drafter"))
        assert not book.add(verify_mandate(mandated(officer_mandate("AV", "o", "drafter")), ACCORD))
        assert len(book.all()) == 1

    def test_a_key_keeps_its_office_and_its_subject(self) -> None:
        book = self.book(officer_mandate("AV", "o", "drafter"))
        for other in (
            officer_mandate("KV", "o", "drafter", serial=2),
            station_mandate("AV", "o", serial=2),
        ):
            with pytest.raises(OutOfMandate):
                book.add_bytes(mandated(other))

    def test_lists_stations_and_officers_of_an_office_at_a_time(self) -> None:
        book = self.book(
            station_mandate("AV"),
            station_mandate("AV", "AV second", **window(5, 9)),
            station_mandate("KV"),
            officer_mandate("AV", "o", "drafter"),
            officer_mandate("AV", "p", "releaser", **window(5, 9)),
        )
        assert {m.kid for m in book.stations("AV", at(1))} == {signer("AV station").kid}
        assert {m.kid for m in book.stations("AV", at(6))} == {signer("AV station").kid, signer("AV second").kid}
        assert {m.kid for m in book.officers("AV", at(1))} == {signer("o").kid}
        assert {m.kid for m in book.officers("AV", at(6))} == {signer("o").kid, signer("p").kid}


@given(st.binary(max_size=120))
def test_any_bytes_are_refused_with_a_documented_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        verify_mandate(data, ACCORD)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_flipped_bit_voids_a_mandate(place: int, bit: int) -> None:
    data = bytearray(mandated(station_mandate("AV")))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(ProtocolError):
        verify_mandate(bytes(data), ACCORD)
