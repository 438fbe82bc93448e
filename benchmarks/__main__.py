"""Measure everything that stations and operators wait for: ``python -m benchmarks [--quick] [--json FILE] [--plot FILE]``.

Floors first, then the hub, its growth, its replicas and the full path through two stations; one table at the end, with the
ratio of each figure to its target and to its floor from the same run. ``--from FILE`` draws and prints what an earlier run
wrote. What an exclamation mark stands behind misses its target on this machine, now; nothing fails by it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import growth, hub, path, replicas
from benchmarks.load import floors
from benchmarks.load.plot import charts, svg
from benchmarks.load.report import Figures, Told, Values, machine, options, show, table, write_json

PARTS: dict[str, Callable[[Path, int, Told], None]] = {
    "floors": floors.run,
    "hub": hub.run,
    "growth": growth.run,
    "replicas": replicas.run,
    "path": path.run,
}


def main() -> None:
    """Run what is asked for, print the table."""
    parser = options(__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures there, as SVG")
    parser.add_argument(
        "--part", action="append", choices=tuple(PARTS), help="only this part; may be said several times"
    )
    parser.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="figures of an earlier run")
    chosen = parser.parse_args()
    found, figures = machine(), Figures()
    if chosen.earlier:
        kept = json.loads(chosen.earlier.read_text("utf-8"))
        found, figures = kept["machine"], kept["figures"]

    def told(name: str, values: Values) -> None:
        figures[name] = values
        show(name, values)

    for name, run in PARTS.items():
        if chosen.earlier is None and name in (chosen.part or PARTS):
            started = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder:
                run(Path(folder), 5 if chosen.quick else 1, told)
            print(f"-- {name}: {time.monotonic() - started:.0f} s", flush=True)
    words = f"{found['cores']} cores of {found['processor']}, shared with the driver; Python {found['python']}"
    print(f"\n{words}; load at the start {found['load']:.1f}\n\n{table(figures)}")
    if chosen.json:
        write_json(chosen.json, figures, found)
    if chosen.plot:
        chosen.plot.write_text(svg(charts(figures), words), "utf-8")


if __name__ == "__main__":
    main()
