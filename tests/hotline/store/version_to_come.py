"""A version of the program that does not exist yet: two steps more, and threads that it gives a weight.

::

    with to_come():   # this process is of that version
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from hotline.store import forms
from hotline.store import hub as tables

NEWEST = forms.Forms("hub").newest
"""Of the version that there is."""


def begin() -> None:
    """Be of that version from now on: for a process of its own."""
    forms.VERSIONS["hub"] = (*forms.VERSIONS["hub"], Path(__file__).parent / "to_come")
    # What the code of that version would say of its table.
    tables.threads.append_column(sa.Column("weight", sa.BigInteger, default=1))


@contextmanager
def to_come() -> Iterator[None]:
    """Know the steps of that version; the tables of this process stay what they are."""
    before = forms.VERSIONS["hub"]
    forms.VERSIONS["hub"] = (*before, Path(__file__).parent / "to_come")
    try:
        yield
    finally:
        forms.VERSIONS["hub"] = before
