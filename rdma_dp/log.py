"""The daemon's log on stderr: one line per change that matters, for people or for programs."""

import json
import logging
from datetime import UTC, datetime


def configure(level: str, form: str) -> None:
    """`level`: debug, info or warning. `form`: text, or json for one object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


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
