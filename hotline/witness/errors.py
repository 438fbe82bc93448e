"""How a witness says no to its own operator. (To logs it answers as C2SP tlog-witness says.)"""

from __future__ import annotations

from hotline.errors import LocalFault


class WitnessFault(LocalFault):
    """The witness's folder, or what it was given, is not what it must be. ``detail`` says how."""

    code = "witness.fault"
    _sentence = "The witness's folder or what was given to it cannot be used as it is. Nothing was signed or changed."


class WitnessRetired(LocalFault):
    """The witness lost its memory, or has proof that its memory is older than its signatures."""

    code = "witness.retired"
    exit_status = 3
    _sentence = (
        "This witness does not know any more what it has signed, so it must never sign again under this key: it could be "
        "led to confirm a second history. Make a new witness in a new folder, with a new key, and have the accord name "
        "that one. Do not bring back an older copy of this folder."
    )


class StateMoved(LocalFault):
    """Another request for the same log came first; what was decided no longer holds."""

    code = "witness.moved"
    _sentence = "Another request for the same log was being answered. Nothing was signed; ask again."
