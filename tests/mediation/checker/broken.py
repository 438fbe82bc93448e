"""Broken ladders, one fault each: a valid text, what is edited, and what the checker must say about it."""

from __future__ import annotations

from typing import NamedTuple

from hotline import ladders
from tests.mediation.checker.trial import CORE, MEDIATED, SEIZED


class Broken(NamedTuple):
    """``old`` becomes ``new`` once in ``base``. ``code`` without its prefix, ``part`` of the sentence, ``at``: a text on
    the line that is named. ``prop``: the property that sees it, empty for the reader. ``story``: words of its last line."""

    name: str
    base: str
    old: str
    new: str
    code: str
    part: str
    at: str
    prop: str = ""
    story: str = ""

    @property
    def text(self) -> str:
        """The broken file."""
        assert self.base.count(self.old) >= 1, self.name
        return self.base.replace(self.old, self.new, 1)


def _step(name: str, **fields: str) -> str:
    return f'[[step]]\nid = "{name}"\ntitle = "Added"\n' + "".join(
        f"{key} = {value}\n" for key, value in fields.items()
    )


def _before(mark: str, block: str) -> tuple[str, str]:
    return mark, f"{block}\n{mark}"


_RETURN = '[[step]]\nid = "return"'
_CALM_STEP = 'id = "calm"\ntitle = "Calm down"'
_REPLY = 'timeout = { option = "talk", to = "requester" }\nwording'
_VISIT = '[[clock]]\nid = "visit-report"'
_CAP = 'id = "cap"\ntitle = "Mediation in all"\nkind = "cap"\nafter = "P14D"\nfrom = "opening"\nof = "mediate"\n'
_DEFAULT = 'of = "mediate"\ntimeout = { option = "default-appointment", to = "either" }\n'
_CLOCK = 'check = "D"\nwhy = "For tests."\n'

_RECEIVED = 'from = "receipt"\nof = "incident-notice"\n'
_MADE = 'met_by_steps = ["visit"]\n'
_REPORTED = f'from = "opening"\nof = "inquire"\n{_MADE}'
_SILENT = 'timeout = { option = "talk", to = "requester" }\n' + _CLOCK

READER = (
    Broken("a duration that is none", CORE, 'after = "PT4H"', 'after = "4 hours"', "file.duration", "is not a duration",
           'after = "4 hours"'),
    Broken("an option for no step", CORE, 'option = "talk"', 'option = "chat"', "file.reference", "no step 'chat'",
           'option = "chat"'),
    Broken("silence moves without declared consensus", CORE, "negative_consensus = true\n", "", "file.contradiction",
           "Silence moves only steps that declare negative consensus", 'moves = "decide"'),
    Broken("a standstill that a step can stop", CORE, 'stops = ["visit-wait"', 'stops = ["calm", "visit-wait"',
           "file.contradiction", "No step can stop a standstill", 'stops = ["calm"'),
    Broken("a standstill that a message ends", CORE, 'of = "calm"\n', 'of = "calm"\nmet_by_any = ["statement"]\n',
           "file.contradiction", "Nothing meets a standstill", 'clock = "calm"'),
    Broken("a standstill that one party lengthens", CORE, 'of = "calm"\n', 'of = "calm"\nextend = "requester"\n',
           "file.contradiction", "Only the parties together", 'clock = "calm"'),
    Broken("a standstill that forbids safety of life", CORE, 'forbids_kinds = ["public-attribution"]',
           'forbids_kinds = ["public-safety-notice"]', "file.contradiction", "always passes", "forbids_kinds"),
    Broken("a waiting period before a step down", CORE, 'holds = ["visit"]', 'holds = ["visit", "return"]',
           "file.contradiction", "no clock holds it back", "holds ="),
    Broken("nothing resumes", SEIZED, "resumes = true", 'stops = []\nto = "talks"', "file.no-way-down", "Nothing resumes",
           "suspends = true"),
    Broken("a receipt by a role that is sent nothing", CORE, _RECEIVED, f'{_RECEIVED}by = "verifier"\n', "file.contradiction",
           "No 'verifier' is sent it", 'by = "verifier"'),
    Broken("a receipt by a role that there is not", CORE, _RECEIVED, f'{_RECEIVED}by = "board"\n', "file.reference",
           "no role 'board'", 'by = "board"'),
    Broken("a receipt by a role that may send none", f'{CORE}\n[kinds.receipt]\nwho = ["party"]\n', _RECEIVED,
           f'{_RECEIVED}by = "chair"\n',
           "file.contradiction", "'chair' may send no receipt here", 'by = "chair"'),
    Broken("a receipt of one's own step", CORE, _REPORTED, 'from = "receipt"\nof = "decide"\nby = "chair"\n' + _MADE,
           "file.contradiction", "nobody confirms the receipt of their own", 'by = "chair"'),
    Broken("a receipt by the other side of what no side sends", CORE, _REPORTED, 'from = "receipt"\nof = "decide"\n' + _MADE,
           "file.contradiction", "No party sends 'decide'", 'of = "decide"'),
    Broken("by whom, where no receipt counts", CORE, _REPORTED, f'by = "chair"\n{_REPORTED}', "file.contradiction",
           "Only a clock from receipt says by whom", 'by = "chair"'),
    Broken("a receipt of a kind that nobody signs for", CORE, _RECEIVED, 'from = "receipt"\nof = "goodwill-note"\n',
           "file.contradiction", "'goodwill-note' is never received", 'of = "goodwill-note"'),
    Broken("a silence that a receiver can hold back", CORE, 'from = "request"\nof = "decide"\n',
           'from = "receipt"\nof = "decide"\nby = "others"\n', "file.contradiction", "no receiver can hold back",
           'from = "receipt"'),
    Broken("nobody can close", CORE, '"verification", "closing"]', '"verification"]', "file.no-way-down",
           "the kind 'close' is missing", ""),
)  # fmt: skip

TEXTS = (
    Broken("a window that closes before its waiting period ends", CORE, 'after = "P2D"\nfrom = "opening"\nof = "inquire"',
           'after = "P9D"\nfrom = "opening"\nof = "inquire"', "check.clock-order",
           "The window 'Time for a visit' closes before 'Notice of a visit'", 'after = "P9D"', "clock-order"),
    Broken("a reply that is due before it may be given", CORE, 'after = "P12D"', 'after = "P2D"', "check.clock-order",
           "'Visit made' is due before 'Notice of a visit'", 'after = "P2D"', "clock-order"),
    Broken("the same on one track only", SEIZED, 'met_by_steps = ["visit"]\n',
           'met_by_steps = ["visit"]\ntracks = { urgent = "P1D" }\n', "check.clock-order", "on the track 'urgent'",
           'tracks = { urgent = "P1D" }', "clock-order"),
    Broken("a limit that outlasts the cap", MEDIATED, 'after = "P14D"', 'after = "PT20H"', "check.clock-order",
           "only when the cap 'Mediation in all' has ended everything", 'after = "PT24H"', "clock-order"),
    Broken("lists due after the appointment they would avoid", MEDIATED, 'kind = "reply-by"\nafter = "PT12H"\nfrom = "opening"',
           'kind = "reply-by"\nafter = "PT36H"\nfrom = "opening"', "check.clock-order", "'Nominations' are due only when",
           'after = "PT36H"', "clock-order"),
    Broken("months that can be shorter than days", CORE,
           'after = "P12D"\nfrom = "opening"\nof = "inquire"\nmet_by_steps = ["visit"]\n',
           'after = "P1M"\nfrom = "opening"\nof = "inquire"\nmet_by_steps = ["visit"]\n'
           f'{_CLOCK}\n[[clock]]\nid = "long"\ntitle = "Long wait"\nkind = "not-before"\nafter = "P30D"\nfrom = "opening"\n'
           'of = "inquire"\nholds = ["visit"]\n', "check.clock-order", "'Visit made' is due before 'Long wait'",
           'after = "P1M"', "clock-order"),
    Broken("a wording that blames", CORE, "The time to reply ran out.", "The other side failed to reply.", "check.wording",
           "says 'failed'", "wording =", "wording"),
    Broken("a wording that speaks of guilt", CORE, "The time to reply ran out.", "Silence is an admission of guilt.",
           "check.wording", "says 'guilt'", "wording =", "wording"),
    Broken("an option that whoever stays offline withholds", CORE, _SILENT, _CLOCK, "check.receipt-blocks",
           "'Reply to the notice' gives 'Talk' only after a receipt", 'from = "receipt"', "receipts"),
    Broken("an option without a receipt that waits for consent", CORE, 'from = "receipt"\nof = "incident-notice"\n',
           'from = "receipt"\nof = "calm"\n', "check.receipt-blocks",
           "'Reply to the notice' gives 'Talk' only after a receipt", 'from = "receipt"', "receipts"),
    Broken("a body's receipt, and a way around it that another's receipt shuts", CORE, _RECEIVED,
           f'{_RECEIVED}by = "chair"\n', "check.receipt-blocks", "'Reply to the notice' gives 'Talk' only after a receipt",
           'from = "receipt"', "receipts"),
    Broken("more seconds than there are states", CORE, "count = 2", "count = 300", "check.quorum", "there can be only 191",
           "seconded_by", "quorums"),
)  # fmt: skip

EXPLORED = (
    Broken("a rung whose only way is shut", CORE, 'consent = "none"\nevidence = ["breach-report"]',
           'consent = "none"\nneeds_option = true\nevidence = ["breach-report"]', "file.unreachable",
           "No clock ever gives the option", "needs_option"),
    Broken("a rung behind an option that comes too late", CORE, 'timeout = { option = "inquire", to = "either" }',
           'timeout = { option = "inquire", to = "chair" }', "check.rung", "'Inquiry' is never reached", 'id = "inquiry"',
           "rungs", "refused (ladder.no-option)"),
    Broken("an option that goes to nobody who may use it", CORE, 'timeout = { option = "inquire", to = "either" }',
           'timeout = { option = "inquire", to = "chair" }', "check.dead-step", "'Call an inquiry' can never be taken",
           'id = "inquire"', "steps", "refused (ladder.no-option)"),
    Broken("an option whose step is closed wherever the clock can run", CORE, _REPLY,
           'timeout = { option = "visit", to = "requester" }\nwording', "check.dead-option",
           "'Reply to the notice' promises 'Visit the place'", 'option = "visit"', "options", "should be open to somebody"),
    Broken("evidence that nobody can send", CORE, 'evidence = ["breach-report"]', 'evidence = ["proposal"]',
           "check.dead-step", "'Call a meeting of all' can never be taken", 'id = "meet"', "steps",
           "refused (ladder.evidence)"),
    Broken("a step for a role that is nobody yet", CORE, 'who = ["chair"]', 'who = ["mediator"]', "check.dead-step",
           "'Decide' can never be taken", 'id = "decide"', "steps", "nobody is there"),
    Broken("a clock that nothing starts", CORE, 'from = "opening"\nof = "inquire"\nmet_by_steps',
           'from = "settlement"\nmet_by_steps',
           "check.dead-clock", "Nothing ever starts the clock 'Visit made'", 'from = "settlement"', "options"),
    Broken("a kind that no rung takes", CORE, 'title = "Routine"\nlevel = 0',
           'title = "Routine"\nlevel = 0\nforbids = ["incident-notice"]',
           "check.dead-step", "'Notify' can never be taken", 'id = "notify"', "steps", "nobody may send it"),
    Broken("a window that gives a step of another rung", CORE.replace('stops = ["visit-wait"', 'stops = ["late", "visit-wait"'),
           *_before(_VISIT,
           '[[clock]]\nid = "late"\ntitle = "Late talk"\nkind = "window"\nafter = "P5D"\nfrom = "opening"\nof = "inquire"\n'
           f'gives = {{ step = "talk" }}\n{_CLOCK}'), "check.dead-option", "'Late talk' promises 'Talk'", "gives =",
           "options", "should be open to somebody"),
    Broken("a trap: no closing there, and a step down that needs what cannot be had", CORE.replace(
           'from = ["*"]\nto = "routine"\ndirection = "down"\n',
           'from = ["*"]\nto = "routine"\ndirection = "down"\nevidence = ["proposal"]\n'),
           "\n[kinds.incident-notice]",
           '\n[kinds.close]\nwho = ["party"]\nrungs = ["routine"]\n\n[kinds.incident-notice]', "check.way-down",
           "From the rung 'Inquiry' there is no way down", 'id = "inquiry"', "way-down", "Here nothing leads down."),
    Broken("a standstill that forbids asking for calm", MEDIATED, 'forbids_directions = ["up"]',
           'forbids_directions = ["up", "deescalate"]', "check.down-held", "'Open mediation' de-escalates and is refused",
           'id = "mediate"', "down-held", "refused (ladder.standstill)"),
    Broken("a standstill that lets escalation pass", CORE, 'forbids_directions = ["up"]', "forbids_directions = []",
           "check.standstill-skipped", "leads up while a standstill runs", 'id = "', "standstill-kept",
           "The thread stands on"),
    Broken("a way up that says across", CORE, *_before(_RETURN, _step("sidestep", **{
           "from": '["notified"]', "to": '"decided"', "direction": '"across"', "consent": '"none"'})),
           "check.hidden-up", "says 'across' and leads up", 'direction = "across"', "hidden-up",
           "The thread stands on 'Decided'."),
    Broken("a way up that says across, in a standstill", CORE, *_before(_RETURN, _step("sidestep", **{
           "from": '["calm"]', "to": '"decided"', "direction": '"across"', "consent": '"none"'})),
           "check.standstill-skipped", "'Added' leads up while a standstill runs", 'id = "sidestep"', "standstill-kept",
           "The thread stands on 'Decided'."),
    Broken("a standstill without a carve-out for life", CORE, 'carve_outs = ["public-safety", "protect-life"]',
           'carve_outs = ["public-safety"]', "check.always-open", "'Notice of a permitted act' must be open", "standstill",
           "always-open", "refused (ladder.carve-out)"),
    Broken("safety of life for mediators only", CORE, "\n[kinds.incident-notice]",
           '\n[kinds.public-safety-notice]\nwho = ["mediator"]\n\n[kinds.incident-notice]', "check.always-open",
           "'Public safety notice' must be open", "[kinds.public-safety-notice]", "always-open",
           "refused (ladder.not-yours)"),
    Broken("acknowledgement for one side only", CORE, "\n[kinds.incident-notice]",
           '\n[kinds.acknowledgement]\nwho = ["initiator"]\n\n[kinds.incident-notice]', "check.always-open",
           "'I have it' must be open", "[kinds.acknowledgement]", "always-open", "refused (ladder.not-yours)"),
    Broken("resuming needs the other's consent", SEIZED, 'consent = "none"\nresumes = true',
           'consent = "other"\nresumes = true',
           "check.suspension", "what one party alone cannot resume", "suspends = true", "suspension",
           "alone cannot have the thread resumed."),
    Broken("only the initiator resumes", SEIZED, 'consent = "none"\nresumes = true',
           'who = ["initiator"]\nconsent = "none"\nresumes = true', "check.suspension",
           "what one party alone cannot resume", "suspends = true", "suspension", "KV alone cannot"),
    Broken("resuming is open on one rung only", SEIZED,
           'title = "Say that no court is seized"\nfrom = ["*"]', 'title = "Say that no court is seized"\nfrom = ["talks"]',
           "check.suspension", "what one party alone cannot resume", "suspends = true", "suspension", "alone cannot"),
    Broken("stalling brings no appointment", MEDIATED, _DEFAULT, 'of = "mediate"\n', "check.silence-blocks",
           "keeps mediators from being appointed for ever", 'default_appointment = "default-appointment"', "silence",
           "no mediator is appointed."),
    Broken("the option of an appointment, and no rung to use it on", MEDIATED, "\n[kinds.incident-notice]",
           '\n[kinds.default-appointment]\nwho = ["party"]\nrungs = ["talks"]\n\n[kinds.incident-notice]',
           "check.silence-blocks", "keeps mediators from being appointed for ever",
           'default_appointment = "default-appointment"', "silence", "no mediator is appointed."),
    Broken("an admission that only one side may sign", MEDIATED, "\n[kinds.incident-notice]",
           '\n[kinds.admission]\nwho = ["initiator"]\n\n[kinds.incident-notice]', "check.silence-blocks",
           "keeps mediators from being appointed for ever", 'default_appointment = "default-appointment"', "silence",
           "no mediator is appointed."),
    Broken("a mediation without an end", MEDIATED, f'{_CAP}timeout = {{ option = "ask-court", to = "either" }}\n', _CAP,
           "check.silence-blocks", "leaves the other waiting for ever", 'step = "mediate"', "silence",
           "a way onward."),
    Broken("an end of mediation for the requester only", MEDIATED,
           f'{_CAP}timeout = {{ option = "ask-court", to = "either" }}\n',
           f'{_CAP}timeout = {{ option = "ask-court", to = "requester" }}\n',
           "check.silence-blocks", "leaves the other waiting for ever", 'step = "mediate"', "silence", "a way onward."),
    Broken("a body that alone can appoint and stays silent", ladders.load("us-rla-major-dispute").decode(),
           'for = "nmb"\ntimeout = { option = "default-appointment", to = "either" }\n', 'for = "nmb"\n',
           "check.silence-blocks", "A body that alone may appoint a mediator and stays silent", "appointed_by", "silence",
           "NMB and KV stay silent. Here AV can do nothing more."),
    Broken("a step that opens what is closed wherever it leads", MEDIATED, 'title = "Open mediation"\n',
           'title = "Open mediation"\nwhen_taken = { option = "visit", to = "either" }\n', "check.dead-option",
           "The step 'Open mediation' promises 'Visit the place'", "when_taken", "steps"),
)  # fmt: skip
