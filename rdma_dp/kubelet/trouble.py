"""What keeps a resource from being registered, told once and not at each attempt."""

import logging

logger = logging.getLogger(__name__)


class Trouble:
    """The newest trouble of one resource."""

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self._told: str | None = None

    def tell(self, trouble: str) -> None:
        """One line per trouble, until there is another or it is over."""
        if trouble != self._told:
            logger.warning("%s: %s", self._resource, trouble)
            self._told = trouble

    def over(self) -> None:
        """The next trouble is news, also if it is the same again."""
        self._told = None
