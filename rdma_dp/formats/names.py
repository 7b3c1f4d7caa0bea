"""Names that containers and other programs rely on."""

import hashlib
import re

# The name of a device-info file is PREFIX-NAME-SLOT and this suffix (network-attachment-definition-
# client, getDPDeviceInfoPath).
DEVICE_INFO_END = "-device.json"

NODE_NAME = "NODE_NAME"  # deploy/components/dra sets it from spec.nodeName by the downward API


def digest(text: str, digits: int) -> str:
    """The first hexadecimal digits of the SHA-256 of a text, which may have lone surrogates.

    Stored names contain it, so it must not change.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def hcas_variable(name: str) -> str:
    """The environment variable with a container's HCAs of the resource `name`."""
    return f"RDMA_DP_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_HCAS"
