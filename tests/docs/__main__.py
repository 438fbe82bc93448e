"""Writes the generated pages of ``docs/reference``."""

from __future__ import annotations

from tests.docs.generate import ROOT, pages

for path, text in pages().items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    print(path.relative_to(ROOT))
