"""The ids of slots in kubelet's lists. kubelet stores them, so they must not change."""

HardwareKey = str | None  # the stable key of an HCA; None for a slot of the whole resource

# The most characters of a hardware key (inventory.hardware.Hca.stable_key): that of an SF, with all
# digits that the kernel gives a PCI domain and an sfnum. The name of an HCA can be as long
# (IB_DEVICE_NAME_MAX is 64, with the NUL).
LONGEST_KEY = 63

PCI_KEY = len("0000:00:00.0")  # characters of the key of a PF or a VF

_LONGEST_NUMBER = 10  # digits of the number of a slot; a list has far fewer slots


def slot_id(key: HardwareKey, number: int) -> str:
    """The id of a slot. Numbers start at 0."""
    return str(number) if key is None else f"{key}-{number}"


def parsed_id(text: str) -> tuple[HardwareKey, int] | None:
    """The key and the number of a slot's id; None for a text that is not an id.

    The number must be in the form of str(): "07" and "+7" are not ids.
    """
    key, dash, number = text.rpartition("-")
    digits = number.isascii() and number.isdecimal() and len(number) < _LONGEST_NUMBER
    padded = number.startswith("0") and number != "0"
    if not digits or padded or bool(dash) != bool(key):
        return None
    return key or None, int(number)
