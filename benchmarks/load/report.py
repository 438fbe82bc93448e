"""Figures as they come in, and the table at the end: what was measured beside its target and its floor from the same run."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

Values = dict[str, float]
Figures = dict[str, Values]
Told = Callable[[str, Values], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``case`` and ``value`` name the figure, ``floor`` another one of the same run that no hub of
    this kind could beat. ``least``: smaller is better."""

    words: str
    case: str
    value: str
    unit: str
    target: float | None = None
    goal: float | None = None
    least: bool = False
    floor: tuple[str, str] | None = None


_RELAY = "floor: bare relay, "
_SIGNATURES = ("floor: signatures of an entry", "us")
_ONE, _DEEP, _ALONE = "50 senders, 1 outstanding", "50 senders, 16 outstanding", "1 sender, 1 outstanding"
_PATH = "full path, 1 outstanding"
_BACK, _IDLE = "200 stations back", "1,000 idle connections"

ROWS = (
    Row("50 senders, 1 outstanding each", _ONE, "rate", "/s", 5000, 7000, False, (_RELAY + _ONE, "rate")),
    Row("  the same: 99 of 100 within", _ONE, "p99_ms", "ms", 30, None, True, (_RELAY + _ONE, "p99_ms")),
    Row("  the same: hub's processor time an entry", _ONE, "hub_cpu_us", "us", None, None, True, _SIGNATURES),
    Row("50 senders, 16 outstanding each", _DEEP, "rate", "/s", 8000, 10500, False, (_RELAY + _DEEP, "rate")),
    Row("  the same: hub's processor time an entry", _DEEP, "hub_cpu_us", "us", None, None, True, _SIGNATURES),
    Row("1 sender, 1 outstanding: half within", _ALONE, "p50_ms", "ms", 2, 1, True, (_RELAY + _ALONE, "p50_ms")),
    Row("200 stations back, 50 entries each", _BACK, "seconds", "s", 1.5, 0.7, True, (_RELAY + "200 back", "seconds")),
    Row("  the same: hub's processor time", _BACK, "hub_cpu_s", "s", None, None, True),
    Row("idle connection, of 1,000", _IDLE, "KiB", "KiB", 40, 25, True, (_RELAY + "1,000 idle", "KiB")),
    Row("idle connection under TLS, of 1,000", _IDLE + ", TLS", "KiB", "KiB", None, None, True),
    Row("two replicas to one, per core used, 1 outstanding", "replicas, 1 outstanding", "ratio", "x", 0.7),
    Row("two replicas to one, per core used, 16 outstanding", "replicas, 16 outstanding", "ratio", "x", 0.7),
    Row("cost of an entry: log of 1,000,000 to one of 1,000", "growth", "log", "x", 1.3, None, True),
    Row("cost of an entry: thread of 10,000 to one of 100", "growth", "thread", "x", 1.3, None, True),
    Row("cost of an entry: both", "growth", "both", "x", 1.3, None, True),
    Row("full path, 1 outstanding", _PATH, "rate", "/s", 200),
    Row("  the same: half within", _PATH, "p50_ms", "ms", 6, None, True),
    Row("full path, 1 thread, 16 outstanding", "full path, 1 thread, 16 outstanding", "rate", "/s", 600),
    Row("full path, 8 threads, 2 outstanding each", "full path, 8 threads, 2 outstanding each", "rate", "/s", 600),
)


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Every row whose figure is there. Ratios above 1 are better than the target, whichever way better is."""
    lines = [f"{'':50} {'measured':>12} {'target':>9} {'goal':>9}   {'of target':>9}  {'of floor':>9}"]
    for row in ROWS:
        found = figures.get(row.case, {}).get(row.value)
        if found is None:
            continue
        floor = None if row.floor is None else figures.get(row.floor[0], {}).get(row.floor[1])
        cells = [
            f"{row.words:50} {_number(found)} {row.unit:3}",
            f"{'' if row.target is None else f'{row.target:,g}':>9}",
            f"{'' if row.goal is None else f'{row.goal:,g}':>9}",
            f"  {'' if row.target is None else _ratio(found, row.target, least=row.least):>9}",
            f"  {'' if not floor else f'{found / floor:.2f}x':>8}",
        ]
        lines.append(" ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:>9,.0f}" if value >= 100 else f"{value:>9,.2f}"


def _ratio(found: float, target: float, *, least: bool) -> str:
    ratio = target / found if least and found else found / target
    return f"{ratio:.2f}x{' ' if ratio >= 1 else '!'}"


def show(name: str, values: Values) -> None:
    """One case, as soon as it is done."""
    print(f"{name:46} " + "  ".join(f"{key} {value:,.2f}" for key, value in values.items()), flush=True)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def write_json(path: Path, figures: Figures, found: dict[str, object] | None = None) -> None:
    """Figures and the machine: ``found``, or this one as it is now."""
    path.write_text(json.dumps({"machine": found or machine(), "figures": figures}, indent=1) + "\n", "utf-8")


def quiet() -> None:
    """Errors only in the logs of this process."""
    logging.basicConfig(level=logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def options(words: str | None) -> argparse.ArgumentParser:
    """What all benchmarks take; quiets the logs."""
    quiet()
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


@contextmanager
def measuring(chosen: argparse.Namespace) -> Iterator[tuple[Path, int, Told]]:
    """A folder for one run, what part of the work it does (1 of so many), and who is told of each case; then the table.

    ``chosen``: of `options`. A run that fails has no table and writes no figures.
    """
    figures: Figures = {}

    def told(name: str, values: Values) -> None:
        figures[name] = values
        show(name, values)

    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder:
        yield Path(folder), 5 if chosen.quick else 1, told
    print(f"\n{table(figures)}")
    if chosen.json:
        write_json(chosen.json, figures)
