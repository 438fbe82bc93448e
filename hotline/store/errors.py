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
