"""Where stations and hub differ over the state of a thread, as the desk shows it."""

from __future__ import annotations

from hotline.station.core import Core
from hotline.station.model import Thread
from hotline.station.parting import state_words
from hotline.station.views import PartingView, ReportView
from protocols.kinds import KINDS


def parting(core: Core, thread: Thread) -> PartingView | None:
    """Where stations and hub differ over the state of this thread, if any does."""
    reports = tuple(
        ReportView(
            _office_of(core, thread, said.station),
            said.seq,
            _kind_title(said.kind),
            said.stamped,
            said.computed,
            said.at,
        )
        for said in sorted(thread.reports.values(), key=lambda each: each.seq)
    )
    parted = thread.parted
    if parted is not None:
        state = thread.apart if thread.apart is not None else thread.state
        return PartingView(
            own=True,
            seq=parted.seq,
            kind_title=_kind_title(parted.kind),
            at=parted.noticed,
            stamped=parted.stamped,
            computed=parted.computed,
            words=() if state is None else state_words(thread.ladder, state, core.office_name),
            moved=parted.moved,
            reports=reports,
        )
    if not reports:
        return None
    first = reports[0]
    agreed = "" if (held := thread.by_seq.get(first.seq)) is None else held.stamp.state
    words = () if thread.state is None else state_words(thread.ladder, thread.state, core.office_name)
    return PartingView(False, first.seq, first.kind_title, first.at, first.stamped, agreed, words, (), reports)


def _office_of(core: Core, thread: Thread, kid: str) -> str:
    seat = None if thread.state is None else thread.state.seats.get(kid)
    return kid[:8] if seat is None else seat.office


def _kind_title(kind: str) -> str:
    found = KINDS.get(kind)
    return kind if found is None else found.title
