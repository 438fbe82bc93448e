"""What a station refuses, and what it is told to do about it.

Tree::

    HotlineError
    ├── LocalFault
    │   ├── BadFolder        settings, accord, ladders or mandates in the station's folder do not fit together
    │   ├── TakesBack        a mandate begins before messages that stand, and would unmake them
    │   ├── NothingToRejoin  no keys of the thread are lost here, or none can be had
    │   ├── NotParted        a thread is to be thawed that is not frozen over a disagreement
    │   ├── StillParted      replayed from its first entry, it still comes to another state than the hub's
    │   ├── FileNotHere      a file that this station does not hold, or a thread in which it may attach none
    │   └── FilesRefused     files that cannot go with a message now
    └── RemoteFault
        ├── HubImposter      whoever answered at the hub's address is not the hub the accord names
        ├── LoginRefused     the hub would not let this station in
        ├── RejoinRefused    a station that lost its keys of a thread was not let back in
        ├── LineBroken       the connection failed or went silent
        └── DoesNotFollow    what the hub delivered does not follow from what it delivered before
"""

from __future__ import annotations

from hotline.errors import LocalFault, RemoteFault

FORGOTTEN = "replay.forgotten"


class BadFolder(LocalFault):
    """The files of this station contradict each other, or the accord."""

    code = "station.folder"
    _sentence = "The files of this station do not fit the agreement. It was not started; nothing was changed."


class TakesBack(LocalFault):
    """A mandate that forbids from a time on at which messages stand already."""

    code = "station.takes-back"
    _sentence = (
        "This mandate takes back rights from a time before messages that stand in a thread, which no hub or station "
        "accepts. Nothing was written. Sign it again so that it begins a few minutes from now (--from)."
    )


class NothingToRejoin(LocalFault):
    """This station lacks no keys of that thread, or has nothing to come back by."""

    code = "station.nothing-to-rejoin"
    _sentence = (
        "This station has the keys of that incident, does not hold it, or has nothing by which it could come back. Nothing "
        "was sent. Read it at another station of your office, or ask the other side to renew the keys."
    )


class NotParted(LocalFault):
    """A thread to be thawed that is not frozen for steps."""

    code = "station.not-parted"
    _sentence = (
        "This station does not hold that thread, or it is not frozen over a disagreement about the ladder's state. Nothing "
        "was changed. A thread that was frozen because what the hub delivered is forged or broken is not thawed."
    )


class StillParted(LocalFault):
    """A thread to be thawed in which this station still computes another state: from ``seq`` on."""

    code = "station.still-parted"

    def __init__(self, seq: int, kind: str, stamped: str, computed: str) -> None:
        super().__init__(f"entry {seq} {kind}: stamped {stamped}, computed {computed}")
        self.seq = seq

    @property
    def sentence(self) -> str:
        return (
            f"Replayed from its first entry, this thread still comes to another state than the hub's at entry {self.seq}. "
            "Nothing was changed: messages go on, steps wait. Compare the versions of the programs on both sides and at the "
            "hub, and keep this line for your engineers."
        )


class FileNotHere(LocalFault):
    """No such file in that thread at this station, or no thread in which one may be attached."""

    code = "station.no-such-file"
    _sentence = (
        "This station does not hold that file whole, or may attach none in that incident. Nothing was changed. Open the "
        "incident again, and have the file fetched first."
    )


class FilesRefused(LocalFault):
    """Files cannot be attached, or go with a message, now; ``refusal`` is a stable code and ``said`` says why."""

    code = "station.files"

    def __init__(self, refusal: str, said: str) -> None:
        super().__init__(refusal)
        self.refusal, self.said = refusal, said

    @property
    def sentence(self) -> str:
        return self.said


class HubImposter(RemoteFault):
    """The certificate or the login signature is not that of the accord's hub."""

    code = "line.imposter"
    _sentence = (
        "What answered at the hub's address is not the hub of your agreement. Nothing was sent to it. Use another path "
        "to the other side, and tell your engineers: the line may be under attack."
    )


class LoginRefused(RemoteFault):
    """The hub refused the login; ``refusal`` is its stable code and ``said`` its sentence."""

    code = "line.login-refused"

    def __init__(self, refusal: str, said: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.said = said

    @property
    def sentence(self) -> str:
        return f"The hub did not let this station in: {self.said}"


class RejoinRefused(RemoteFault):
    """Coming back was refused, by our own check or the hub's; ``refusal`` is its stable code and ``said`` its sentence."""

    code = "station.rejoin-refused"

    def __init__(self, refusal: str, said: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.said = said

    @property
    def sentence(self) -> str:
        return f"This station was not let back into the keys: {self.said}"


class LineBroken(RemoteFault):
    """The connection failed, was closed or went silent. It is tried again by itself."""

    code = "line.broken"
    _sentence = "The line to the hub broke. What you send is kept and goes out when it is back."


class DoesNotFollow(RemoteFault):
    """The hub delivered an entry that does not follow.

    ``reason`` is stable (``replay.chain``, ``replay.state``, ``replay.roster`` ...) or the code of the check that
    failed; ``seq`` is the first entry that differs.
    """

    code = "replay.does-not-follow"

    def __init__(self, reason: str, seq: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.seq = seq

    @property
    def sentence(self) -> str:
        return (
            f"What the hub delivered as entry {self.seq} does not follow from what came before ({self.reason}). "
            "This thread was frozen where it stood: nothing more is taken or sent in it. The other threads go on. "
            "Compare with the other side by another path, and tell your engineers."
        )

    def __str__(self) -> str:
        return f"{self.reason} at {self.seq}: {self.detail}"
