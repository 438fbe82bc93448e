"""Ladders that are hard to draw: crowded levels, long words, many steps of every sort. They need not make sense."""

from __future__ import annotations

from mediation.ladder import Ladder, derive
from mediation.rules import ClockRule, LadderFile, Quorum, RoleRule, Rung, StandstillRule, StepRule, Timeout

LONG = "Verfahrensweisenkoordinationsausschussvorsitzendenstellvertretung " * 4


def crowded(rungs: int, levels: int, steps: int) -> Ladder:
    """``rungs`` spread over ``levels``; ``steps`` between them by a fixed rule that meets every sort of them."""
    names = [f"r{number}" for number in range(rungs)]
    level = {name: number % levels for number, name in enumerate(names)}
    made = []
    for number in range(steps):
        start = [names[(number * 7 + k * 3) % rungs] for k in range(1 + number % 5)]
        to = "" if number % 6 == 5 else names[(number * 5 + 2) % rungs]
        start = list(dict.fromkeys(name for name in start if name != to)) or [names[0]]
        heights = [level[name] for name in start]
        direction = "across"
        if to:
            here = level[to]
            direction = "up" if here > max(heights) else "down" if here < min(heights) else "across"
        made.append(
            StepRule(
                id=f"s{number}",
                title=LONG if number % 4 == 3 else f"Step number {number}",
                direction=direction,  # type: ignore[arg-type]
                start=tuple(start),
                to=to,
                who=("chair", "party") if number % 3 == 0 else ("party",),
                consent="none" if number % 2 else "other",
                two_person=number % 5 == 0,
                seconded_by=Quorum("others", count=12, within="c2") if number == 1 else None,
                blocked_by=Quorum("others", fraction="3/4") if number == 2 else None,
                evidence=("breach-report", "finding") if number == 3 else (),
                standstill=StandstillRule("c0", ("public-attribution",), ("up",), ("s1",), ("protect-life",))
                if number in (4, 5)
                else None,
                suspends=number == 5,
            )
        )
    clocks = [
        ClockRule(
            id=f"c{number}",
            title=f"Clock {number} {LONG if number == 3 else ''}".strip(),
            kind="duration" if number == 0 else "second-by" if number == 2 else "reply-by",
            after=("P1Y6M", "PT48H", "P3M", "P10D")[number % 4],
            starts="request",
            of=f"s{number % steps}",
            check=("S", "T", "A", "D")[number % 4],
            why="because",
            who="chair" if number % 2 else "respondent",
            timeout=Timeout(option=f"s{(number * 3) % steps}") if number % 3 == 1 else None,
            tracks={"urgent": "P10D"} if number == 4 else {},
        )
        for number in range(min(2 * steps, 20))
    ]
    file = LadderFile(
        format=1,
        id="hard",
        title=LONG,
        status="<none> & 'never'",
        source="https://example.org/" + "a-very-long-address/" * 20,
        review="P1Y",
        start=names[0],
        closed=names[-1],
        rung=tuple(
            Rung(name, f"Rung {name} {LONG if k == 1 else ''}".strip(), level[name], LONG)
            for k, name in enumerate(names)
        ),
        step=tuple(made),
        clock=tuple(clocks),
        role=(
            RoleRule("chair", "Chair of the Centre for the Prevention of Conflicts", "named", ("parties",)),
            RoleRule("others", "The other states", "others", ("nationals",), LONG),
        ),
        notes=(LONG, "Short."),
    )
    return derive(file, "A" * 43)
