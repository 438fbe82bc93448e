"""What running processes say on standard error.

A fault is logged by its type and by where it happened. Its message is left out: an exception may quote what somebody
wrote, a row, a key. Our own errors keep their code, which never does.
"""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from hotline.errors import HotlineError
from protocols.errors import ProtocolError

FRAMES = 8


@functools.cache
def log_to_stderr() -> None:
    """JSON lines on standard error. Ids, codes and times only: nothing that people wrote, no keys."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Foreign())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            say_where,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def say_where(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: an exception becomes ``fault``, its types from the first cause on, and ``where``."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    if isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        event["fault"], event["where"] = _describe(found)
    return event


class _Foreign(logging.Formatter):
    """Lines of the libraries (asyncio, aiohttp, sqlalchemy): the template of the message without its values."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {"event": str(record.msg)[:200] if record.args else record.name, "logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            event["fault"], event["where"] = _describe(record.exc_info[1])
        else:
            event["where"] = [f"{record.pathname}:{record.lineno}"]
        # Somebody sent what is no HTTP: no fault of ours, and nothing an operator is to be woken for.
        harmless = record.exc_info is not None and isinstance(record.exc_info[1], HttpProcessingError)
        event["level"] = "info" if harmless else record.levelname.lower()
        return str(structlog.processors.JSONRenderer()(None, "", event))


def _describe(error: BaseException) -> tuple[str, list[str]]:
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain and len(chain) < FRAMES:
        chain.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    types = [
        f"{type(each).__name__}({each.code})" if isinstance(each, HotlineError | ProtocolError) else type(each).__name__
        for each in chain
    ]
    where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-FRAMES:]]
    return " < ".join(types), where
