"""."""

HardwareKey = str | None  # an HCA's stable key; None for the resource as a whole


_LONGEST_NUMBER = 10  # digits of a slot's number; a list holds far fewer slots


def slot_id(key: HardwareKey, number: int) -> str:
    """The id of the slot `number`, from 0."""
    return str(number) if key is None else f"{key}-{number}"


def parsed_id(text: str) -> tuple[HardwareKey, int] | None:
    """The key and the number of a slot's id; None for what no slot is ever called.

    A slot's number is written as str() writes it: "07" or "+7" is none.
    """
    key, dash, number = text.rpartition("-")
    digits = number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER
    padded = number.startswith("0") and number != "0"
    if not digits or padded or bool(dash) != bool(key):
        return None
    return key or None, int(number)


# What names an HCA in its slots' ids (model.Hca.stable_key): for an SF with all digits that the
# kernel gives a PCI domain and an sfnum, and a name may be as long (IB_DEVICE_NAME_MAX is 64).
LONGEST_KEY = 63


PCI_KEY = len("0000:00:00.0")  # of nearly all that can be shared: PFs and VFs
