"""What the tree of a config's text has beside lists and scalars, whether it is JSON or YAML."""

MAX_VALUES = 20_000  # a resource has about ten; parsing takes at most about a second


class Pairs(list[tuple[str, object]]):
    """An object with all its keys in the order of the text, duplicates included."""


class Unquoted(str):
    """A YAML scalar without quotes that YAML would read as a number, a boolean or a date.

    1021, 0x101b and 101e1 can be device IDs. So the text is kept, and its field decides the type.
    """

    __slots__ = ()
