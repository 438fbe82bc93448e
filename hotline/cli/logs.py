"""What running processes say on standard error."""

from __future__ import annotations

import functools
import json
import logging
import sys
from datetime import UTC, datetime

import structlog
from aiohttp.http_exceptions import HttpProcessingError


@functools.cache
def log_to_stderr() -> None:
    """JSON lines on standard error. Ids, codes and times only: nothing that people wrote, no keys."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OfLibraries())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
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


class _OfLibraries(logging.Formatter):
    """What libraries say, in the same form as our own lines."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # What somebody sent that is no HTTP is no fault of ours, and its text holds the very bytes they sent.
            line |= {"event": "not HTTP", "level": "info", "error": type(error).__name__}
        elif record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
