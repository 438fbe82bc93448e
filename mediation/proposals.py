"""The single text: one text owned by the mediators, many versions, accepted by both parties in one version or not at all
(Camp David 1978: 23 drafts of one text)."""

from __future__ import annotations

from msgspec.structs import replace

from mediation import clocks, steps, suspension
from mediation.draft import Draft
from mediation.effects import ProposalMade, Settled
from mediation.move import Move
from mediation.refusals import Refusal
from mediation.state import Settlement, Text
from protocols.kinds import Proposal, ProposalAnswer


def propose(draft: Draft, move: Move) -> Refusal | None:
    """``proposal``: the next version; acceptances of the one before no longer count."""
    act = move.act
    assert isinstance(act, Proposal)  # noqa: S101 - the form was checked
    latest = draft.state.text.version if draft.state.text is not None else 0
    if act.version != latest + 1:
        return draft.refuse(
            "wrong-version",
            f"The next version of the text is {latest + 1}.",
            "Number the proposal so and send it again.",
        )
    draft.set(text=Text(move.id, act.version, move.office))
    draft.note(ProposalMade(move.id, act.version))
    return None


def _latest(draft: Draft, act: ProposalAnswer) -> Text | Refusal:
    text = draft.state.text
    if text is None:
        return draft.refuse("unknown-reference", "No text has been proposed in this thread.")
    if (text.entry, text.version) != (act.proposal, act.version):
        return draft.refuse(
            "superseded-proposal",
            f"The text in force for answers is version {text.version}; your answer names another one.",
            "Read the newest version and answer that.",
        )
    if draft.state.settlement is not None and draft.state.settlement.entry == text.entry:
        return draft.refuse("already-settled", "Both parties have already accepted this version.")
    return text


def accept(draft: Draft, move: Move) -> Refusal | None:
    """``proposal-accept``: binding together with the other party's acceptance of the same version."""
    act = move.act
    assert isinstance(act, ProposalAnswer)  # noqa: S101 - the form was checked
    text = _latest(draft, act)
    if isinstance(text, Refusal):
        return text
    if move.office in text.accepted:
        return draft.refuse("already-accepted", "Your office has already accepted this version.")
    text = replace(text, accepted=(*text.accepted, move.office))
    draft.set(text=text)
    if set(draft.state.parties) <= set(text.accepted):
        settle(draft, text, move)
    return None


def refuse(draft: Draft, move: Move) -> Refusal | None:
    """``proposal-refuse``: also takes back an acceptance, as long as the other party has not accepted too."""
    act = move.act
    assert isinstance(act, ProposalAnswer)  # noqa: S101 - the form was checked
    text = _latest(draft, act)
    if isinstance(text, Refusal):
        return text
    draft.set(text=replace(text, accepted=tuple(office for office in text.accepted if office != move.office)))
    return None


def settle(draft: Draft, text: Text, move: Move) -> None:
    """Both accepted: what was open has lost its object; monitoring begins, after a standstill if one runs."""
    draft.set(settlement=Settlement(text.entry, text.version, draft.at), options=(), requests=())
    clocks.stop(draft, lambda clock: True)
    suspension.lift(draft)
    draft.note(Settled(text.entry, text.version))
    clocks.start(draft, "settlement", entry=move.id, seq=move.seq, at=draft.at)
    begin_monitoring(draft, move.seq, draft.at)


def begin_monitoring(draft: Draft, seq: int, at: int) -> None:
    """Enters the monitoring rung when there is a settlement, no standstill runs and the thread is open."""
    state = draft.state
    monitoring = draft.ladder.monitoring
    if monitoring and state.settlement is not None and state.standstill is None and state.closed_at is None:
        steps.enter(draft, monitoring, seq, at)
