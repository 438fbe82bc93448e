"""What a desk shows beside its threads: the agreement, the offices, the officers, the line."""

from __future__ import annotations

from hotline.freshness import ladder_warnings
from hotline.station.core import Core
from hotline.station.quiet import is_quiet
from hotline.station.views import AccordView, ConnectionView, OfficerView, OfficeView


def accord_view(core: Core) -> AccordView:
    """The agreement this line runs under, and what is due of it."""
    signed = core.identity.accord
    accord = signed.accord
    ladders = tuple((each.id, core.identity.ladders[each.id].title, each.scale) for each in accord.ladders)
    return AccordView(
        accord.title,
        signed.id,
        accord.status,
        accord.exercise,
        accord.review,
        accord.sunset,
        ladders,
        ladder_warnings(accord, core.identity.ladders, core.now()),
    )


def office_views(core: Core) -> tuple[OfficeView, ...]:
    """Every office of the agreement, with its line as far as this station knows it."""
    found = []
    for each in core.identity.accord.accord.offices:
        line, since = core.office_line(each.id)
        heard, heard_since = core.office_heard(each.id) if line == "unknown" else ("", None)
        heard = "" if heard == "unknown" else heard
        found.append(
            OfficeView(each.id, each.name, each.role, each.zone, each.language, line, since, heard, heard_since)
        )
    return tuple(found)


def officer_views(core: Core) -> tuple[OfficerView, ...]:
    """The officers of this office whose mandates stand."""
    found = core.identity.mandates.officers(core.identity.office, core.now())
    return tuple(
        OfficerView(each.kid, each.mandate.name, tuple(each.mandate.roles), each.kid in core.officers) for each in found
    )


def connection_view(core: Core) -> ConnectionView:
    """The line to the hub, as far as this station knows."""
    line, silent = core.line, is_quiet(core)
    return ConnectionView(
        state="quiet" if silent else line.state,  # type: ignore[arg-type]  # only ever set to three of the words
        since=(line.heard if silent else line.since) + line.offset,
        confirmed=None if not line.heard else line.heard + line.offset,
        address=line.address,
        offset=line.offset,
        queued=sum(item.state in ("queued", "sending") for item in core.pending()),
        cosigned=core.cosigned,
        published=0 if core.head is None else core.head[0],
        alarms=tuple(core.alarms.values()),
        caught=line.caught,
    )
