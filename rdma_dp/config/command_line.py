"""What the command line decides about the config."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the command line decides where the config says nothing: --use-cdi, --set-links-up."""

    use_cdi: bool = False
    set_links_up: bool = False


NO_DEFAULTS = Defaults()
