"""The daemon's log on stderr: one line per change that matters, for people or for programs."""

import asyncio
import json
import logging
from datetime import UTC, datetime

logger = logging.getLogger(__name__)


def configure(level: str, form: str) -> None:
    """`level`: debug, info or warning. `form`: text, or json for one object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else logging.Formatter(_TEXT))
    handler.addFilter(_is_news)
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a call was cancelled: gRPC tells so of streams that end because the daemon does."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


_TEXT = "%(asctime)s %(levelname)-7s %(message)s"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Trouble:
    """The newest trouble of one resource; `now` is None when there is none."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self.now: str | None = None

    def tell(self, trouble: str) -> None:
        """One line per trouble, until there is another or it is over."""
        if trouble != self.now:
            logger.warning("%s: %s", self._resource, trouble)
            self.now = trouble

    def over(self) -> None:
        """The next trouble is news, also if it is the same again."""
        self.now = None
