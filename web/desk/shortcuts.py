"""The keyboard, in one table: the handlers in the browser and the help page are both made from it.

Single letters can be switched off on the help page (WCAG 2.1.4). Nothing that sends, releases or silences an alarm
stands on a single letter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Shortcut:
    """``keys`` as `KeyboardEvent.key`, with "Ctrl+" before it where held; ``does`` names the handler in shortcuts.js.

    ``words`` for the help page. A single letter works outside of text inputs only.
    """

    keys: str
    does: str
    words: str

    @property
    def single(self) -> bool:
        return len(self.keys) == 1


SHORTCUTS = (
    Shortcut("j", "next-entry", "Next message"),
    Shortcut("k", "previous-entry", "Previous message"),
    Shortcut("n", "next-unread", "Next unread message"),
    Shortcut("e", "newest-entry", "Newest message"),
    Shortcut("w", "write", "Go to what you can write"),
    Shortcut("l", "ladder", "Go to the ladder"),
    Shortcut("c", "clocks", "Go to the clocks"),
    Shortcut("g", "threads", "List of incidents"),
    Shortcut("?", "help", "This help"),
    Shortcut("F1", "help", "This help"),
    Shortcut("Ctrl+Enter", "send", "Send the form you are typing in"),
    Shortcut("Escape", "leave", "Leave the field; what you typed is kept"),
)


def as_data() -> list[dict[str, str]]:
    """The table as the page hands it to its script."""
    return [asdict(shortcut) for shortcut in SHORTCUTS]
