"""Small things that make lines of evidence read like sentences."""


def counted(number: int, noun: str) -> str:
    """ "1 HCA", "2 HCAs"."""
    return f"{number} {noun}{'s' * (number != 1)}"
