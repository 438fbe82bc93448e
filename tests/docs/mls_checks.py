"""Writes ``docs/security/mls-checks.md`` from the code and its tests: ``python -m tests.docs.mls_checks``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.protocols.mls.checks import ROOT, Check, checks, tests
from tests.protocols.mls.mutate import EXPLAINED

PAGE = ROOT / "docs" / "security" / "mls-checks.md"

SECTIONS = {
    "2.1": "Presentation language",
    "5.1": "Cryptographic objects",
    "5.3": "Credentials",
    "6.0": "Message framing",
    "6.1": "Content authentication",
    "6.2": "Public messages",
    "6.3": "Private messages",
    "7.1": "Parent nodes",
    "7.2": "Leaf node contents",
    "7.3": "Leaf node validation",
    "7.5": "Synchronizing views of the tree",
    "7.6": "Update paths",
    "7.8": "Tree hashes",
    "7.9": "Parent hashes",
    "8.4": "Pre-shared keys",
    "9.2": "Deletion of keys",
    "10.1": "Key package validation",
    "11.1": "Required capabilities",
    "11.2": "Reinitialization",
    "11.3": "Branching",
    "12.1": "Proposals",
    "12.2": "Proposal lists",
    "12.4": "Commits, Welcomes and GroupInfos",
    "13.4": "Extensions",
}

HEAD = """<!-- Written by `python -m tests.docs.mls_checks` from the code and its tests. Do not edit. -->
# What the group engine checks

Every rule of RFC 9420 (sections 5 to 12, and what they rest on) that decides whether something is refused has a number here.
The number stands in `protocols/mls` beside the statement that makes the check, and in the docstring of each test that breaks
it. A test fails if code, tests and this page differ.

`python -m tests.protocols.mls.mutate` takes each check out in turn and shows that a test which names it fails.
{survivors}
What the hub can and cannot check of these is in [mls.md](mls.md).

"""


def page() -> str:
    """The whole page."""
    named, found = tests(), checks()
    text = HEAD.format(survivors=_survivors())
    breakers = {test for tests_of_one in named.values() for test in tests_of_one}
    text += f"{len(found)} checks, broken by {len(breakers)} tests.\n"
    sections = Counter(check.section for check in found)
    for section in sections:
        text += f"\n## {section} {SECTIONS[section]}\n\n"
        text += "| check | what must hold | where | tests that break it |\n|---|---|---|---|\n"
        text += "".join(_row(check, named.get(check.number, [])) for check in found if check.section == section)
    return text


def _survivors() -> str:
    if not EXPLAINED:
        return "No check survives being taken out.\n"
    lines = [f"- MLS-{number}: {why}" for number, why in sorted(EXPLAINED.items())]
    return "Those whose removal no test can notice, and why:\n\n" + "\n".join(lines) + "\n"


def _row(check: Check, named: list[tuple[str, str]]) -> str:
    says = check.says.replace("|", "\\|")
    where = check.path.relative_to(ROOT / "protocols" / "mls").as_posix()
    tied = "; ".join(f"`{name.removeprefix('test_')}`" for _, name in dict.fromkeys(named))
    return f"| MLS-{check.number} | {says[:1].upper()}{says[1:]} | `{where}` | {tied} |\n"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), "utf-8")
    print(Path(PAGE).relative_to(ROOT))


if __name__ == "__main__":
    main()
