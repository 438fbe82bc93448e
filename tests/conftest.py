"""What holds for every test."""

from __future__ import annotations

import structlog

# The default way to print a fault draws every local variable of every frame: seconds of it, a whole station at a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
