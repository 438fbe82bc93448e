"""From nothing to a signed accord and mandates, on the command line: `office`, `accord`, `ladder`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hotline import keystore, ladders
from hotline.cli import main
from hotline.office import StationCard
from protocols.accord import open_accord
from protocols.encoding import b64u, from_rfc3339
from protocols.keys import SeedSigner
from protocols.mandate import MandateBook, OutOfMandate, StationKeys, sign_holder, verify_mandate
from protocols.translog import KeyKind, VerifierKey, parse_policy

DATES = ["--not-before", "2031-01-01", "--review", "2032-01-01", "--sunset", "2033-01-01"]


def signer(number: int) -> SeedSigner:
    return SeedSigner(bytes([number]) * 32)


def key(number: int) -> str:
    return b64u(signer(number).public)


def vkey(name: str, number: int, kind: KeyKind) -> str:
    return VerifierKey(name, kind, SeedSigner(bytes([number]) * 32).public).vkey


class Founding:
    """A folder in which an agreement is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accord = folder / "accord.jws"
        self.passphrase = folder / "pass"
        self.passphrase.write_text("a passphrase for tests\n")
        self.passphrase.chmod(0o600)

    def run(self, *arguments: object, fails: bool = False) -> Result:
        result = CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)
        assert (result.exit_code != 0) is fails, result.output
        return result

    def office(self, name: str, role: str = "party") -> Path:
        folder = self.folder / name
        self.run("office", "init", folder, "--id", name, "--name", f"Office {name}", "--role", role, *self.secret)
        return folder

    @property
    def secret(self) -> tuple[str, Path]:
        return "--passphrase-file", self.passphrase

    def write(self, name: str, value: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(value))
        return path

    def station_card(self, office: str, first: int) -> Path:
        keys = StationKeys(
            key(first),
            key(first + 1),
            b64u(bytes([first]) * 32),
            vkey(f"{office.lower()}.example/desk", first + 2, KeyKind.COSIGNATURE_ED25519),
        )
        card = StationCard(office, "desk", keys, sign_holder(office, signer(first), keys))
        return self.write(f"{office}-station-{first}.json", msgspec.to_builtins(card))

    def officer_card(self, office: str, number: int, *roles: str, holder: int | None = None) -> Path:
        """``holder``: another key than the card's own gives the proof."""
        card = {"office": office, "name": "duty officer 1", "sign": key(number), "roles": list(roles)}
        proof = sign_holder(office, signer(number if holder is None else holder))
        return self.write(f"{office}-officer-{number}.json", {**card, "holder": proof})

    def hub_card(self) -> Path:
        card = {"name": "line.example", "key": key(90), "log": vkey("line.example/log", 91, KeyKind.ED25519)}
        return self.write("hub-card.json", card)

    def begin(self, *more: object, status: str = "EXERCISE", fails: bool = False) -> Result:
        exercise = ("--exercise", "EX-1") if status == "EXERCISE" else ()
        return self.run(
            *("accord", "init", self.accord, "--title", "Test line", "--status", status, *exercise),
            *("--hub", self.hub_card(), *DATES, *(more or ("--ladder", "cpci-default@3600"))),
            fails=fails,
        )

    def add(self, office: str, *more: object, fails: bool = False) -> Result:
        card = self.folder / office / "office-card.json"
        return self.run("accord", "add-office", self.accord, card, *more, fails=fails)


@pytest.fixture
def founding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Founding:
    monkeypatch.setitem(keystore._PROFILES, "standard", keystore._PROFILES["interactive"])  # quick enough for tests
    return Founding(tmp_path)


def test_an_office_is_made_with_its_key_sealed_and_its_card_public(founding: Founding) -> None:
    folder = founding.office("AV")
    card = json.loads((folder / "office-card.json").read_text())
    assert card["id"] == "AV"
    assert set(card) == {"id", "name", "role", "root", "zone", "language", "state"}
    secrets = keystore.unlock(folder / "root.key", b"a passphrase for tests")
    assert b64u(SeedSigner(secrets["root"]).public) == card["root"]
    assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600
    assert b64u(secrets["root"]) not in "".join(p.read_text() for p in folder.iterdir() if p.is_file())


def test_an_office_is_never_made_over_another(founding: Founding) -> None:
    folder = founding.office("AV")
    before = (folder / "root.key").read_bytes()
    result = founding.run(
        "office", "init", folder, "--id", "KV", "--name", "K", "--role", "party", *founding.secret, fails=True
    )
    assert "not empty" in result.output
    assert (folder / "root.key").read_bytes() == before


@pytest.mark.parametrize("bad", ["av", "A", "A V", "TOOLONGID", "Ä1"])
def test_an_office_id_is_two_to_eight_capitals_and_digits(founding: Founding, bad: str) -> None:
    path = founding.folder / "x"
    founding.run("office", "init", path, "--id", bad, "--name", "X", "--role", "party", *founding.secret, fails=True)
    assert not path.exists()


def test_four_offices_found_a_line_and_every_signature_is_asked_for(founding: Founding) -> None:
    for office, role in (("AV", "party"), ("KV", "party"), ("MD", "mediator"), ("HD", "mediator")):
        founding.office(office, role)
    founding.begin()
    for number, office in enumerate(("AV", "KV")):
        founding.add(office, "--witness", founding.station_card(office, 10 + 4 * number))
    for number, office in enumerate(("MD", "HD")):
        founding.add(office, "--mediator", "--monitor", "--witness", founding.station_card(office, 30 + 4 * number))
    assert "NOT SIGNED BY: AV, KV, MD, HD" in founding.run("accord", "show", founding.accord).output
    for office in ("AV", "KV", "MD"):
        output = founding.run("accord", "sign", founding.accord, "--office", founding.folder / office, *founding.secret)
    assert output.output == "Missing still: HD.\n"
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "HD", *founding.secret)

    signed = open_accord(founding.accord.read_bytes())
    assert signed.accord.mediators == ("MD", "HD")
    assert signed.accord.monitors == ("MD", "HD")
    assert signed.accord.check_ladder("cpci-default", ladders.load("cpci-default")).scale == 3600
    policy = parse_policy(signed.accord.policy)
    assert policy.smallest_quorum() == 3
    assert policy.satisfied_by({"AV-1", "KV-1", "MD-1"})
    assert not policy.satisfied_by({"AV-1", "KV-1"})

    words = founding.run("accord", "show", founding.accord).output
    assert "Signed by every office" in words
    assert signed.id in words
    assert "clocks 3600 times faster" in words
    assert "offices: 3 of AV, KV, MD, HD" in words


def test_two_stations_of_one_office_are_one_witness(founding: Founding) -> None:
    for office in ("AV", "KV"):
        founding.office(office)
    founding.begin()
    cards = (founding.station_card("AV", 10), founding.station_card("AV", 14))
    founding.add("AV", "--witness", cards[0], "--witness", cards[1])
    founding.add("KV", "--witness", founding.station_card("KV", 18))
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "AV", *founding.secret)
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "KV", *founding.secret)
    policy = parse_policy(open_accord(founding.accord.read_bytes()).accord.policy)
    assert not policy.satisfied_by({"AV-1", "AV-2"})
    assert policy.satisfied_by({"AV-2", "KV-1"})


def test_stations_and_neutral_witnesses_stand_in_the_policy_with_both_kinds_of_key(founding: Founding) -> None:
    for office in ("AV", "KV"):
        founding.office(office)
    founding.begin()
    for office in ("AV", "KV"):
        folder = founding.folder / f"station-{office}"
        result = CliRunner().invoke(
            main, ["station", "init", str(folder), "--office", office, "--name", "1", *map(str, founding.secret)]
        )
        assert result.exit_code == 0, result.output
    founding.add("AV", "--witness", founding.folder / "station-AV" / "station-card.json")
    founding.add("KV", "--classical", "--witness", founding.folder / "station-KV" / "station-card.json")
    neutral = founding.folder / "neutral"
    result = CliRunner().invoke(
        main,
        [
            "witness",
            "init",
            str(neutral),
            "--name",
            "w.example",
            "--url",
            "https://w.example",
            *map(str, founding.secret),
        ],
    )
    assert result.exit_code == 0, result.output
    founding.run("accord", "add-witness", founding.accord, neutral / "witness-card.json")
    founding.run("accord", "add-witness", founding.accord, neutral / "witness-card.json", fails=True)
    for office in ("AV", "KV"):
        founding.run("accord", "sign", founding.accord, "--office", founding.folder / office, *founding.secret)
    policy = parse_policy(open_accord(founding.accord.read_bytes()).accord.policy)
    assert policy.operators == ("station.av.1", "station.kv.1", "w.example")
    assert [witness.name for witness in policy.witnesses] == [
        "AV-1",
        "AV-1-mldsa",
        "KV-1",
        "w.example-1",
        "w.example-1-mldsa",
    ]
    assert {witness.url for witness in policy.witnesses if witness.key.name == "w.example"} == {"https://w.example"}
    assert policy.satisfied_by({"AV-1-mldsa", "KV-1", "w.example-1"})
    assert not policy.satisfied_by({"AV-1", "AV-1-mldsa", "KV-1"})
    assert "Witnesses: 3 with 5 keys" in founding.run("accord", "show", founding.accord).output


def test_a_sketch_cannot_be_signed_and_says_what_it_lacks(founding: Founding) -> None:
    founding.office("AV")
    founding.begin()
    founding.add("AV")
    assert "NOT COMPLETE: fewer than two parties" in founding.run("accord", "show", founding.accord).output
    before = founding.accord.read_bytes()
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "AV", *founding.secret, fails=True)
    assert founding.accord.read_bytes() == before


def test_after_the_first_signature_nothing_can_be_added(founding: Founding) -> None:
    for office in ("AV", "KV", "XX"):
        founding.office(office)
    founding.begin()
    founding.add("AV")
    founding.add("KV")
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "AV", *founding.secret)
    assert "signed already" in founding.add("XX", fails=True).output


def test_an_office_that_the_accord_does_not_name_cannot_sign_it(founding: Founding) -> None:
    for office in ("AV", "KV", "XX"):
        founding.office(office)
    founding.begin()
    founding.add("AV")
    founding.add("KV")
    result = founding.run(
        "accord", "sign", founding.accord, "--office", founding.folder / "XX", *founding.secret, fails=True
    )
    assert "accord.not-named" in result.output


def test_an_actual_accord_with_a_scaled_ladder_cannot_be_signed(founding: Founding) -> None:
    for office in ("AV", "KV"):
        founding.office(office)
    founding.begin(status="ACTUAL")
    founding.add("AV", "--witness", founding.station_card("AV", 10))
    founding.add("KV", "--witness", founding.station_card("KV", 14))
    result = founding.run(
        "accord", "sign", founding.accord, "--office", founding.folder / "AV", *founding.secret, fails=True
    )
    assert "an ACTUAL accord never scales a clock" in result.output


def test_a_party_is_no_mediator_and_no_monitor(founding: Founding) -> None:
    founding.office("AV")
    founding.begin()
    assert "not a mediator" in founding.add("AV", "--mediator", fails=True).output
    assert "cannot be a monitor" in founding.add("AV", "--monitor", fails=True).output


@pytest.mark.parametrize("spec", ["cpci-default@0", "cpci-default@x", "no-such", "other=no-such.toml"])
def test_a_ladder_that_cannot_be_had_is_refused(founding: Founding, spec: str) -> None:
    founding.begin("--ladder", spec, fails=True)
    assert not founding.accord.exists()


def test_a_ladder_under_another_name_is_refused(founding: Founding) -> None:
    path = founding.folder / "mine.toml"
    path.write_bytes(ladders.load("cpci-default"))
    assert "not 'mine'" in founding.begin("--ladder", f"mine={path}", fails=True).output


def test_the_offices_that_hold_a_ladders_role_are_named_in_the_accord(
    founding: Founding, monkeypatch: pytest.MonkeyPatch
) -> None:
    chair = b'[[role]]\nid = "chair"\ntitle = "The chair"\nheld_by = "named"\n\n[[step]]\nid = "report"\n'
    step = b'title = "Report"\nfrom = ["L1-notify"]\nto = "L2-clarify"\ndirection = "up"\nwho = ["chair"]\nconsent = "none"\n\n'
    data = ladders.load("cpci-default").replace(b"[[step]]\n", chair + step + b"[[step]]\n", 1)
    data = data.replace(b'[kinds.step-request]\nwho = ["party"]', b'[kinds.step-request]\nwho = ["party", "chair"]')
    monkeypatch.setattr(ladders, "shipped", lambda: {"cpci-default": data})
    for office in ("AV", "KV", "SG"):
        founding.office(office, role="monitor" if office == "SG" else "party")
    founding.begin()
    for office in ("AV", "KV", "SG"):
        founding.add(office)
    set_role = ("accord", "set-role", founding.accord)
    founding.run(*set_role, "cpci-default", "chair", "SG")
    assert "chair: SG" in founding.run("accord", "show", founding.accord).output
    assert "not in force" in founding.run(*set_role, "no-such", "chair", "SG", fails=True).output
    assert "leaves the accord to name" in founding.run(*set_role, "cpci-default", "clerk", "SG", fails=True).output
    assert "add it first" in founding.run(*set_role, "cpci-default", "chair", "XX", fails=True).output
    founding.run("accord", "sign", founding.accord, "--office", founding.folder / "AV", *founding.secret)
    assert "signed already" in founding.run(*set_role, "cpci-default", "chair", "AV", fails=True).output


def test_an_office_may_belong_to_another_offices_state(founding: Founding) -> None:
    folder = founding.folder / "AVX"
    founding.run(
        *("office", "init", folder, "--id", "AVX", "--name", "Consulate", "--role", "party", "--state", "AV"),
        *founding.secret,
    )
    assert json.loads((folder / "office-card.json").read_text())["state"] == "AV"


def test_a_mandate_is_signed_renewed_and_revoked(founding: Founding) -> None:
    for office in ("AV", "KV"):
        founding.office(office)
    founding.begin()
    founding.add("AV")
    founding.add("KV")
    for office in ("AV", "KV"):
        founding.run("accord", "sign", founding.accord, "--office", founding.folder / office, *founding.secret)
    accord = open_accord(founding.accord.read_bytes()).accord
    folder, card = founding.folder / "AV", founding.officer_card("AV", 40, "drafter", "releaser")
    out = founding.folder / "given.jws"
    spring, summer, autumn = (from_rfc3339(f"2031-{month}-01T00:00:00Z") for month in ("04", "07", "10"))
    founding.run(
        *("office", "mandate", folder, card, "--from", "2031-03-01", "--until", "2031-06-01", "--role", "drafter"),
        *("--out", out, *founding.secret),
    )
    first = verify_mandate(out.read_bytes(), accord)
    assert first.mandate.serial == 1
    assert first.allows("drafter", spring)
    assert not first.allows("releaser", spring)
    founding.run("office", "mandate", folder, out, "--from", "2031-06-01", "--until", "2032-01-01", *founding.secret)
    founding.run("office", "revoke", folder, card, "--from", "2031-09-01", *founding.secret)
    book = MandateBook(accord)
    for path in sorted((folder / "mandates").iterdir()):
        book.add_bytes(path.read_bytes())
    assert book.require(first.kid, role="drafter", office="AV", at=spring).mandate.serial == 1
    assert book.require(first.kid, role="drafter", office="AV", at=summer).mandate.serial == 2
    with pytest.raises(OutOfMandate):
        book.require(first.kid, role="drafter", office="AV", at=autumn)
    assert "REVOKED" in founding.run("office", "list", folder).output


def test_a_station_is_mandated_with_its_keys(founding: Founding) -> None:
    folder = founding.office("AV")
    card = founding.station_card("AV", 10)
    founding.run("office", "mandate", folder, card, "--until", "2099-01-01", *founding.secret)
    assert "station" in founding.run("office", "list", folder).output


def test_a_card_of_another_office_and_roles_that_do_not_fit_are_refused(founding: Founding) -> None:
    folder = founding.office("AV")
    foreign, own = founding.officer_card("KV", 40, "drafter"), founding.officer_card("AV", 41, "drafter")
    late = ("--until", "2099-01-01", *founding.secret)
    assert "a card of KV" in founding.run("office", "mandate", folder, foreign, *late, fails=True).output
    result = founding.run("office", "mandate", folder, own, "--role", "station", *late, fails=True)
    assert "cannot be mandated" in result.output
    past = founding.run("office", "mandate", folder, own, "--until", "2020-01-01", *founding.secret, fails=True)
    assert "end before it begins" in past.output
    assert list((folder / "mandates").iterdir()) == []


def test_a_card_whose_key_did_not_ask_for_this_office_is_refused(founding: Founding) -> None:
    folder, late = founding.office("AV"), ("--until", "2099-01-01", *founding.secret)
    squatted = founding.officer_card("KV", 40, "drafter")
    squatted.write_text(squatted.read_text().replace('"office": "KV"', '"office": "AV"'))
    for card in (squatted, founding.officer_card("AV", 41, "drafter", holder=42)):
        assert "is no card" in founding.run("office", "mandate", folder, card, *late, fails=True).output
    assert list((folder / "mandates").iterdir()) == []


def test_a_date_that_is_none_is_refused(founding: Founding) -> None:
    folder = founding.office("AV")
    card = founding.officer_card("AV", 41, "drafter")
    for date in ("tomorrow", "2031-02-30", "2031-13-01", "12.3.2031"):
        result = founding.run("office", "mandate", folder, card, "--until", date, *founding.secret, fails=True)
        assert "is no date" in result.output


def test_hostile_text_cannot_steer_the_terminal(founding: Founding) -> None:
    founding.begin("--ladder", "cpci-default", "--title", "Line\x1b[2J\u202eevil")
    shown = founding.run("accord", "show", founding.accord).output
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_the_shipped_ladders_are_said_in_words(founding: Founding) -> None:
    assert "cpci-default" in founding.run("ladder", "list").output
    words = founding.run("ladder", "show", "cpci-default").output
    assert "while Cooling-off runs, forbidden: every step up" in words
    assert "ladder.unknown" in founding.run("ladder", "show", "nothing", fails=True).output
    assert "ladder.unread" in founding.run("ladder", "show", "nothing.toml", fails=True).output


def test_a_shipped_ladder_is_saved_as_it_is_and_never_over_another_file(founding: Founding, tmp_path: Path) -> None:
    file = tmp_path / "ladder.toml"
    founding.run("ladder", "save", "cpci-default", file)
    assert file.read_bytes() == ladders.load("cpci-default")
    assert "ladder.unwritten" in founding.run("ladder", "save", "cpci-default", file, fails=True).output
    assert "ladder.unknown" in founding.run("ladder", "save", "nothing", tmp_path / "other", fails=True).output


def test_the_policy_is_printed_only_of_an_accord_that_every_office_signed(founding: Founding) -> None:
    founding.begin()
    for number, office in enumerate(("AV", "KV"), start=1):
        founding.office(office)
        founding.add(office, "--witness", founding.station_card(office, number * 10))
    assert "accord." in founding.run("accord", "policy", founding.accord, fails=True).output
    for office in ("AV", "KV"):
        founding.run("accord", "sign", founding.accord, "--office", founding.folder / office, *founding.secret)
    printed = founding.run("accord", "policy", founding.accord).output
    signed = open_accord(founding.accord.read_bytes())
    assert printed == f"# hotline accord {signed.id}\n{signed.accord.policy}"
    assert parse_policy(printed.encode()).quorum == "offices"


def test_the_accord_says_whose_consent_it_takes_to_show_words_to_outsiders(founding: Founding) -> None:
    founding.begin()
    assert "each party decides for itself" in founding.run("accord", "show", founding.accord).output
    founding.accord.unlink()
    founding.begin("--ladder", "cpci-default@3600", "--disclosure", "both")
    assert "only with the consent of both parties" in founding.run("accord", "show", founding.accord).output
    founding.accord.unlink()
    founding.begin("--ladder", "cpci-default@3600", "--disclosure", "nobody", fails=True)
    assert not founding.accord.exists()
