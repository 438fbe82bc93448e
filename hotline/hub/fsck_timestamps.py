"""The part of ``hotline audit fsck`` that looks at time-stamps: each must be over the published head it is kept for.

Whether an authority's signature holds is for whoever brings its root certificates: the auditor, with the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping

from hotline.hub.fsck_tree import Fsck
from hotline.store.reading import Reading
from protocols.encoding import b64u
from protocols.translog.errors import TimestampError
from protocols.translog.timestamp import stamped_digest


def check_timestamps(db: Reading, notes: Mapping[str, int], result: Fsck) -> None:
    """``notes``: sizes of published heads by digest."""
    if not db.has_table("timestamps"):
        return  # a store from before there were any; its hub makes the table at its next start
    for number, kept, size, token in db.execute("SELECT number, digest, size, token FROM timestamps ORDER BY number"):
        try:
            found = b64u(stamped_digest(token))
        except TimestampError as error:
            result.find("fsck.timestamp", number, f"The time-stamp {number} cannot be read ({error.code}).")
            continue
        if found != kept or notes.get(kept) != size:
            result.find(
                "fsck.timestamp", number, f"The time-stamp {number} is not over the published head it is kept for."
            )
