"""A version of the program that does not exist yet: two steps more, and threads that it gives a weight.

::

    with to_come():   # this process is of that version
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotline.store import forms

NEWEST = forms.Forms("hub").newest
"""Of the version that there is."""


def begin(conninfo: str) -> str:
    """Be of that version from now on, for a process of its own; how it connects."""
    forms.VERSIONS["hub"] = (*forms.VERSIONS["hub"], Path(__file__).parent / "to_come")
    return f"{conninfo} options='-c hotline.weight=1'"


@contextmanager
def to_come() -> Iterator[None]:
    """Know the steps of that version."""
    before = forms.VERSIONS["hub"]
    forms.VERSIONS["hub"] = (*before, Path(__file__).parent / "to_come")
    try:
        yield
    finally:
        forms.VERSIONS["hub"] = before
