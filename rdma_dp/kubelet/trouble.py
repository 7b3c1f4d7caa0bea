"""What keeps a resource from being registered, told once and not at each attempt."""

import logging

logger = logging.getLogger(__name__)


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
