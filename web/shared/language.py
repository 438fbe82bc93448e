"""The languages of the pages' own words, and the direction each is written in.

Only English is translated so far. What people write to each other is never translated: it carries its own language tag
and finds its own direction (``dir=auto``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages. ``tag``: BCP 47. ``dir``: "ltr" or "rtl"."""

    tag: str
    name: str
    dir: str


ENGLISH = Language("en", "English", "ltr")

TEXT_LANGUAGES = (
    ("en", "English"),
    ("ar", "العربية"),
    ("es", "Español"),
    ("fr", "Français"),
    ("ru", "Русский"),
    ("uk", "Українська"),
    ("zh", "中文"),
    ("fa", "فارسی"),
    ("he", "עברית"),
    ("ko", "한국어"),
    ("pt", "Português"),
    ("de", "Deutsch"),
)
"""What a message may be tagged as: the tag and the language's own name."""
