"""What running processes say on standard error."""

from __future__ import annotations

import functools
import logging
import sys

import structlog


@functools.cache
def log_to_stderr() -> None:
    """JSON lines on standard error. Ids, codes and times only: nothing that people wrote, no keys."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
