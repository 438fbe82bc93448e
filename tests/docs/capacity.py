"""Write the capacity table of "run a hub on PostgreSQL" from measured figures: ``python -m tests.docs.capacity FILE``.

``FILE`` is what ``python -m benchmarks.replicas --json FILE`` wrote; the machine and how busy it was stand above the table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-hub-on-postgresql.md"
BEGIN, END = "<!-- measured: python -m tests.docs.capacity FILE -->", "<!-- measured until here -->"
_HEAD = (
    "| store, hubs | outstanding | entries a second | p50 / p99, ms | hub CPU, µs an entry | server CPU, µs an entry "
    "| entries a second and core used |",
    "|---|---|---|---|---|---|---|",
)


def table(measured: dict[str, Any]) -> str:
    """The lines between the two marks."""
    machine, rows = measured["machine"], []
    for name, found in measured["figures"].items():
        if "rate_per_core" not in found:  # a ratio of two others
            continue
        store, _, outstanding = name.rpartition(", ")
        server = f"{found['server_cpu_us']:,.0f}" if "server_cpu_us" in found else "-"
        rows.append(
            f"| {store} | {outstanding.split()[0]} | {found['rate']:,.0f} | {found['p50_ms']:,.0f} / {found['p99_ms']:,.0f} "
            f"| {found['hub_cpu_us']:,.0f} | {server} | {found['rate_per_core']:,.0f} |"
        )
    cores = machine["cores"]
    where = (
        f"Measured on {cores} cores of a shared virtual machine ({machine['processor']}, Python {machine['python']}), hubs, "
        f"database and driver on the same ones, at a load average of {machine['load']:.1f} when it began: above {cores}, "
        "rates and times are those of a crowded machine, and the CPU columns count."
    )
    return "\n".join((where, "", *_HEAD, *rows))


def main() -> None:
    """Rewrite the page."""
    found = table(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{found}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
