"""What can be wrong with a store."""

from __future__ import annotations

from hotline.errors import LocalFault


class StoreTooNew(LocalFault):
    """The file was written by a later version of the program."""

    code = "store.too-new"
    exit_status = 3
    _sentence = (
        "The store on this machine was written by a newer version of the program. Nothing was opened or changed. "
        "Install that version, or restore the copy made before the upgrade."
    )


class StoreTooOld(LocalFault):
    """The store has a form that this version no longer serves, and it is not this process's to change."""

    code = "store.too-old"
    _sentence = (
        "The store still has the form of an older version of the program. Nothing was opened or changed, and hubs of that "
        "version may go on. Bring it to the new form first: hotline hub migrate --before."
    )


class StoreInUse(LocalFault):
    """Processes stand on the store that could not go on after the step. ``detail`` says which."""

    code = "store.in-use"
    _sentence = (
        "Others are on the store who could not go on after this step, or keep it from being taken. Nothing was changed. Stop "
        "them, or bring them to this version, and try again."
    )


class StoreMoved(LocalFault):
    """What the store held was moved to another place, which the settings do not name."""

    code = "store.moved"
    exit_status = 3
    _sentence = (
        "What this store held was moved to another one. Nothing was opened or changed. Serving this one again would give "
        "away places in the log a second time: put the new place into the settings."
    )


class StoreMoveFault(LocalFault):
    """The store was not moved. ``detail`` says why."""

    code = "store.not-moved"
    _sentence = (
        "The store was not moved, and the one that the settings name is as it was. Put right what is named below."
    )


class StoreCopyMissing(LocalFault):
    """A step on a server needs a copy that somebody made. ``detail`` says why there is none."""

    code = "store.no-copy"
    _sentence = (
        "The store is on a PostgreSQL server and no copy of it was made before the change. Nothing was changed. Have one made "
        "(--backup FILE), or say that you made it (--backed-up)."
    )


class StoreDamaged(LocalFault):
    """The file is not a store, or contradicts itself."""

    code = "store.damaged"
    _sentence = (
        "The store on this machine is damaged. Nothing was changed and nothing is served from it. "
        "Keep the file, and restore from a copy."
    )


class StorePlaceFault(LocalFault):
    """The place of the store cannot be used as it is written. ``detail`` says why."""

    code = "store.place"
    _sentence = "The place of the store in the settings cannot be used. Nothing was opened or changed."


class StoreNotDurable(LocalFault):
    """The PostgreSQL server would acknowledge what is not on its disk, or is set up so that it cannot keep a log."""

    code = "store.not-durable"
    _sentence = (
        "The PostgreSQL server is not set up to keep what it acknowledges. Nothing was started. Change the setting named "
        "here, and start the hub again."
    )


class StoreUnreachable(LocalFault):
    """The PostgreSQL server does not answer, or does not let the hub in. ``detail``: the kind of error."""

    code = "store.unreachable"
    _sentence = (
        "The PostgreSQL server could not be reached, or did not let this hub in. Nothing was changed. Look at the server, "
        "and at the password file of the account the hub runs under."
    )
