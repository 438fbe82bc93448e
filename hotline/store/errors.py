"""What can be wrong with a store."""

from __future__ import annotations

from hotline.errors import LocalFault


class StoreTooNew(LocalFault):
    """The file was written by a later version of the program."""

    code = "store.too-new"
    _sentence = (
        "The store on this machine was written by a newer version of the program. Nothing was opened or changed. "
        "Install that version, or restore the copy made before the upgrade."
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
