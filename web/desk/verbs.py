"""What a button that writes a kind says: what the officer does, where the kind's title says what was done."""

from __future__ import annotations

_VERBS = {
    "acknowledgement": "I have it",
    "incident-notice": "Notify an incident",
    "holding-reply": "Holding reply",
    "clarification-request": "Ask questions",
    "clarification-answer": "Answer questions",
    "authenticity-query": "Ask: was this you?",
    "authenticity-answer": "Answer: ours or not",
    "public-attribution": "Attribute in public",
    "step-request": "Ask for a step",
    "step-accept": "Accept the step",
    "step-decline": "Decline the step",
    "second": "Second the request",
    "block": "Block the request",
    "extension": "Lengthen a clock",
    "session-open": "Open a joint session",
    "breach-report": "Report a breach",
    "finding": "Give a finding",
    "close": "Close the incident",
    "nomination": "Nominate mediators",
    "default-appointment": "Appoint by default",
    "mediator-acceptance": "Accept the nomination",
    "declaration": "Declare interests",
    "objection": "Object to a nominee",
    "objection-answer": "Answer an objection",
    "waiver": "Waive objections",
    "admission": "Admit mediators",
    "withdrawal": "Withdraw consent",
    "proposal": "Propose a text",
    "proposal-accept": "Accept the text",
    "proposal-refuse": "Refuse the text",
    "disclosure-notice": "Give notice of a disclosure",
    "disclosure-consent": "Answer a disclosure",
}


def verb(kind: str, title: str) -> str:
    """The words on the button for ``kind``; its ``title`` where that already reads as something to do."""
    return _VERBS.get(kind, title)
