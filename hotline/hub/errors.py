"""How the hub says no: every cause its own code and sentence. Nothing is changed by what was refused.

Tree::

    RemoteError (protocols)
    ├── NotYours, NoSuchThread, ThreadExists, WrongEpoch, UnknownPrevious, UnknownHead,
    │   NotAMember                                                                      an entry
    ├── BadCommit, RosterDiffers, NotMandatedMember                                     a change of keys
    ├── BadKeyPackage, ClaimRefused, KeyPackagesKept, TooManyMandates, MandateTooLate   services
    ├── LoginRefused, LoginThrottled, Replaced, TooSlow, TooFast, OtherVersion          the line
    ├── NotProvenYet, BadCosignature                                                    the log
    └── BlobNotYours, BlobTooLarge, BlobQuota, NoRoomForBlobs, BlobNotWhole, BlobOffset,
        BlobBusy, BlobDiffers, BadTicket                                                files
    LocalFault (hotline)
    ├── HubNotReady                                                                     the hub's own folder
    ├── BehindWitnesses                                                                 a restored older copy
    ├── NotStored, LookNotLogged                                                        the hub's disk
    └── HubFault                                                                        the hub's program
"""

from __future__ import annotations

from hotline.errors import LocalFault
from mediation.refusals import Refusal
from protocols.errors import ProtocolError, RemoteError
from protocols.frames import Refused


class NotYours(RemoteError):
    code = "entry.not-yours"
    _sentence = "A station may only hand in its own messages. It was refused and nothing was changed."


class NoSuchThread(RemoteError):
    code = "entry.no-thread"
    _sentence = "There is no such thread on this line. The message was refused and nothing was changed; open one first."


class ThreadExists(RemoteError):
    code = "entry.thread-exists"
    _sentence = "A thread of this name is open already. Nothing was changed; open the new one again."


class WrongEpoch(RemoteError):
    code = "entry.wrong-epoch"
    _sentence = (
        "The keys of this thread were renewed while the message was on its way. It was refused and nothing was "
        "changed; your station seals it again under the new keys and sends it."
    )


class UnknownPrevious(RemoteError):
    code = "entry.unknown-previous"
    _sentence = (
        "The message builds on one that the hub does not hold in this thread. It was refused and nothing was changed. "
        "Send it again when your station has caught up; if it is refused again, your station holds what the hub has "
        "lost, as after a hub was restored from an older copy: keep what is there, use another path, and tell your "
        "engineers and the hub's operators."
    )


class UnknownHead(RemoteError):
    code = "entry.unknown-head"
    _sentence = (
        "The message names a head of the log that this hub never published. It was refused and nothing was changed. If it "
        "happens again, your station holds what the hub has lost, or another hub answers for it: tell your engineers."
    )


class NotAMember(RemoteError):
    code = "entry.not-a-member"
    _sentence = (
        "Your station is not a member of this thread, so it cannot send what is sealed to its members. "
        "Nothing was sent and nothing was changed."
    )


class BadCommit(RemoteError):
    code = "rekey.invalid"
    _sentence = (
        "The renewal of keys does not hold. It was refused, the old keys stay in use and nothing was changed. "
        "Your station tries again; report it to your engineers if it does not succeed."
    )


class RosterDiffers(RemoteError):
    code = "rekey.roster-differs"
    _sentence = (
        "The renewal of keys would let in or leave out others than the ladder allows. It was refused, the old keys "
        "stay in use. If nobody at your office ordered it, treat the station as not yours."
    )


class NotMandatedMember(RemoteError):
    code = "rekey.not-mandated"
    _sentence = (
        "A station named for this thread has no mandate of the office it is named for. It was refused and nothing "
        "was changed; ask that office for its mandate."
    )


class BadKeyPackage(RemoteError):
    code = "keys.bad-package"
    _sentence = "A key package does not fit this station's mandate and was not taken. Nothing else was changed."


class TooManyKeyPackages(RemoteError):
    code = "keys.enough"
    _sentence = "The hub holds enough key packages of this station. The rest were not taken; nothing is wrong."


class ClaimRefused(RemoteError):
    code = "keys.claim-refused"
    _sentence = (
        "Your office has no standing to bring these stations into a thread now, or has asked too often. "
        "No key was handed out and nothing was changed."
    )


class NoKeyPackage(RemoteError):
    code = "keys.none-left"
    _sentence = (
        "That station has no key package left on the hub, so it cannot be brought in until it has connected again. "
        "Nothing was changed; call its office."
    )


class KeyPackagesKept(RemoteError):
    """There are some, and they are for offices that have had fewer since the station last published."""

    code = "keys.kept"
    _sentence = (
        "Your office has had its share of that station's key packages; the rest is kept for other offices until it has "
        "connected and published more. Nothing was changed. Your station asks again by itself; call that office if it lasts."
    )


class TooManyMandates(RemoteError):
    code = "mandate.too-many"
    _sentence = "The hub's directory holds too many mandates of this office. The new one was not taken."


class MandateTooLate(RemoteError):
    """It takes back, for a time that is over, what an earlier mandate gave."""

    code = "mandate.too-late"
    _sentence = (
        "The mandate would take back what its holder was allowed when entries were already accepted. It was not taken and "
        "the earlier one still stands: have the office sign one that begins later than now, and hand it in again."
    )


class LoginRefused(RemoteError):
    code = "login.refused"
    _sentence = (
        "The hub did not accept this station's login. Nothing was changed. Check that its mandate is in force and "
        "that it holds the agreement of this line."
    )


class LoginThrottled(RemoteError):
    code = "login.throttled"
    _sentence = "Too many failed logins came from this address. Wait a minute and try again; nothing is lost."


class LoginTooSlow(RemoteError):
    code = "login.too-slow"
    _sentence = "The login took too long and was ended. Nothing is lost; the station tries again."


class OtherVersion(RemoteError):
    code = "login.other-version"
    _sentence = "This station speaks another version of the protocol than the hub. Update the older of the two."


class OutOfTurn(RemoteError):
    code = "line.out-of-turn"
    _sentence = "The station sent something the line does not expect now. The connection was ended; nothing is lost."


class Replaced(RemoteError):
    code = "line.replaced"
    _sentence = (
        "The same station connected again elsewhere, and this connection was ended. If only one machine holds this "
        "station's key, nothing is wrong; otherwise have the key revoked."
    )


class TooSlow(RemoteError):
    code = "line.too-slow"
    _sentence = "The station read too slowly and was cut off. Nothing is lost: it resumes where it stopped."


class TooFast(RemoteError):
    """More than the hub takes in a minute. ``words``: how much that is; ``wait``: after how many ms it has room again."""

    code = "line.too-fast"
    _sentence = (
        "The hub takes only so many messages a minute from one office and from one station, and yours sent more. Nothing is "
        "lost: your station keeps this one and hands it in again by itself."
    )

    def __init__(self, words: str, wait: int) -> None:
        super().__init__(words)
        self.words, self.wait = words, wait

    @property
    def sentence(self) -> str:
        return (
            f"The hub takes {self.words}, and yours sent more. Nothing is lost: your station keeps this one and hands it in "
            "again by itself."
        )


class MandateEnded(RemoteError):
    code = "line.mandate-ended"
    _sentence = "This station's mandate ended, so the line was closed. Its office must issue a new mandate."


class Closing(RemoteError):
    code = "line.closing"
    _sentence = "The hub is being stopped or restarted. Nothing that was accepted is lost; the station reconnects."


class NotProvenYet(RemoteError):
    code = "log.not-yet"
    _sentence = "The witnesses have not confirmed this entry yet. Nothing is wrong; the proof follows later."


class BadCosignature(RemoteError):
    code = "log.bad-cosignature"
    _sentence = "A cosignature on the log did not hold and was not taken. Nothing was changed."


class NotStored(LocalFault):
    code = "hub.not-stored"
    _sentence = (
        "The hub could not write to its disk. Nothing was accepted and nothing was lost; your station keeps the "
        "message and sends it again. Use the second path if this lasts."
    )


class LookNotLogged(LocalFault):
    """An operator wanted to look, and the log could not take it. ``detail`` is the code of what stood in the way."""

    code = "console.look-not-logged"
    _sentence = (
        "Every look at these pages is written into the log before anything is shown, and this one could not be written. "
        "Nothing was shown. Try again; if it lasts, look after the hub's disk."
    )


class HubFault(LocalFault):
    """The program failed over one entry. It was logged with its trace; other entries were not touched."""

    code = "hub.fault"
    _sentence = (
        "The hub failed over this message and did not accept it. Nothing was changed and other messages pass. "
        "Report it to the hub's operator; do not send the same again."
    )


class BlobNotYours(RemoteError):
    """No member of the thread, or no such thread or file: which of them, a stranger is not told."""

    code = "attachment.not-yours"
    _sentence = (
        "Your station is no member of that thread now, or no such file was announced in it. Nothing was handed over. "
        "If you should have it, ask its sender whether your office is in the thread and attach it again."
    )


class BlobTooLarge(RemoteError):
    code = "attachment.over-limit"
    _sentence = (
        "This hub does not take files of that size. The file was not taken and nothing was changed; divide it, or send it "
        "by another path. Messages pass."
    )


class BlobQuota(RemoteError):
    """``detail``: thread or office."""

    code = "attachment.quota"
    _sentence = (
        "The files of this thread, or of your office, fill the place that the hub keeps for them. The file was not taken and "
        "nothing was changed; messages pass. Send it by another path, or ask the hub's operator for more place."
    )


class NoRoomForBlobs(RemoteError):
    code = "attachment.no-room"
    _sentence = (
        "The hub's disk has no room for files, or the hub keeps none; what is left is for messages, and they pass. The file "
        "was not taken. Send it by another path and tell the hub's operator."
    )


class BlobNotWhole(RemoteError):
    code = "attachment.not-whole"
    _sentence = "The file is still on its way from its sender to the hub. Your station asks again by itself."


class BlobOffset(RemoteError):
    """Bytes from another place than the next. ``have``: how many the hub holds."""

    code = "attachment.offset"
    _sentence = (
        "The transfer went on from the wrong place. Nothing was changed; your station goes on from the right one."
    )

    def __init__(self, have: int) -> None:
        super().__init__(f"{have} bytes are here")
        self.have = have


class BlobBusy(RemoteError):
    code = "attachment.busy"
    _sentence = (
        "The file is being transferred already, or your station transfers too many at once. Nothing was changed; your "
        "station tries again by itself."
    )


class BlobDiffers(RemoteError):
    """All bytes are here and their hash is another."""

    code = "attachment.differs"
    _sentence = "What arrived of the file is not what was announced. It was thrown away; your station sends it again."


class BadTicket(RemoteError):
    code = "attachment.ticket"
    _sentence = (
        "The permission to transfer this file is not valid or has run out. Your station asks for a new one by itself."
    )


class HubNotReady(LocalFault):
    """The hub's folder is not complete or contradicts itself. ``detail`` says how."""

    code = "hub.not-ready"
    _sentence = "The hub's folder is not complete or does not fit its agreement. Nothing was started or changed."


class BehindWitnesses(LocalFault):
    """Others hold a head that this hub's own key signed and that its store cannot have come from. ``detail`` says which."""

    code = "hub.behind-witnesses"
    exit_status = 3
    _sentence = (
        "This hub's store is older than what its log has signed, or of another history, as after a restored backup. It was "
        "stopped before it took anything in: going on would show two histories. Bring back the newest copy of the store; "
        "if there is none, found a new log that every office signs (see: run a hub, restoring)."
    )


def refused(ref: int, why: ProtocolError | LocalFault | Refusal, entry: str | None = None) -> Refused:
    """The frame that carries a refusal to the station that asked."""
    if isinstance(why, Refusal):
        return Refused(
            ref,
            why.code,
            why.sentence[:1000],
            id=entry,
            rule=_short(why.rule),
            clock=_short(why.clock),
            until=why.until,
        )
    return Refused(ref, why.code, why.sentence[:1000], id=entry, detail=why.detail[:1000])


def _short(text: str | None) -> str | None:
    return text[:200] if text else None
