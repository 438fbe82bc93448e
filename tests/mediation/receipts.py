"""Clocks from receipt for the council's ladder: of a step and of a kind, by a chair, by other states, by a party."""

from __future__ import annotations

from mediation.ladder import Ladder
from tests.mediation.council import changed


def clock(name: str, of: str, by: str = "", **more: str) -> str:
    """A clock of a day from receipt."""
    lines = {"id": f'"{name}"', "title": f'"{name}"', "kind": '"reply-by"', "after": '"PT24H"', "from": '"receipt"'}
    lines |= {"of": f'"{of}"', **({"by": f'"{by}"'} if by else {}), "check": '"D"', "why": '"Test."'}
    return "[[clock]]\n" + "".join(f"{key} = {value}\n" for key, value in {**lines, **more}.items()) + "\n"


MARK = '[[clock]]\nid = "standstill"'
READ = clock(
    "read",
    "ask",
    "chair",
    **{"for": '"chair"', "met_by_steps": '["report"]', "when_met": '{ option = "convene", to = "chair" }'},
)
UNREAD = clock(
    "unread", "ask", **{"from": '"opening"', "for": '"chair"', "met_by": '["receipt"]',
    "timeout": '{ option = "convene", to = "chair" }'},
)  # fmt: skip
HEARD = clock("heard", "report", "counterpart", **{"for": '"counterpart"', "met_by_steps": '["answer"]'})
TOLD = clock("told", "statement", "others", **{"for": '"others"'})
ALL_TOLD = clock("all-told", "statement", "members")
REPLY = clock("reply", "statement", **{"for": '"respondent"', "met_by": '["acknowledgement"]'})


def ladder(*clocks: str) -> Ladder:
    return changed((MARK, "".join(clocks) + MARK), ('title = "Back to routine"', 'title = "Back to routine"\nstops = ["read"]')
                   if READ in clocks else ("", ""))  # fmt: skip
