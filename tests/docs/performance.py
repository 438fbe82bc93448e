"""Write the figures and the picture of the page on performance: ``python -m tests.docs.performance FILE``.

``FILE`` is what ``python -m benchmarks --json FILE`` wrote (``make bench BENCH_ARGS="--json FILE"``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.load.plot import charts, svg
from benchmarks.load.report import table

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "reference" / "performance.md", DOCS / "images" / "performance.svg"
BEGIN, END = "<!-- measured: python -m tests.docs.performance FILE -->", "<!-- measured until here -->"


def main() -> None:
    """Rewrite page and picture."""
    measured = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    machine, figures = measured["machine"], measured["figures"]
    where = f"{machine['cores']} cores of {machine['processor']}, shared with the driver; Python {machine['python']}"
    busy = f"load average at the start {machine['load']:.1f}"
    PICTURE.write_text(svg(charts(figures), f"{where}; {busy}"), "utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    told = f"{where}; {busy}.\n\n```text\n{table(figures)}\n```"
    PAGE.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
