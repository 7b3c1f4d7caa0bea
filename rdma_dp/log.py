"""The daemon's log on stderr: one line for each change that matters, as text or as JSON."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from rdma_dp.text import json_text, one_line, shortened

logger = logging.getLogger(__name__)


def configure(level: str, form: str) -> None:
    """`level`: debug, info or warning. `form`: text, or json for one object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Text(_TEXT))
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _is_news(record: logging.LogRecord) -> bool:
    """False for cancelled calls: gRPC logs those of streams that end because the daemon ends."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


_TEXT = "%(asctime)s %(levelname)-7s %(message)s"


class _Text(logging.Formatter):
    """One printable line for each call, so that no text from outside can look like a line of ours.

    The lines of a traceback are joined by "\\n".
    """

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": shortened(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = shortened(self.formatException(record.exc_info))
        return json_text(line)


class Notice:
    """Reports a condition once, until it changes or is over.

    `say` gets each new text, `over` is called when there is none any more.
    """

    def __init__(
        self, say: Callable[[str], None] | None = None, over: Callable[[], None] | None = None
    ) -> None:
        self._say = say
        self._over = over
        self.text: str | None = None

    def set(self, text: str | None) -> bool:
        """The condition as it is now, None when there is none; whether that is a change."""
        if text == self.text:
            return False
        self.text = text
        if text is None:
            if self._over is not None:
                self._over()
        elif self._say is not None:
            self._say(text)
        return True
