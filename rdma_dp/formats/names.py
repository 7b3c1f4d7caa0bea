"""."""

import re

# A device-info file is called PREFIX-NAME-SLOT and this (network-attachment-definition-client,
# getDPDeviceInfoPath).
DEVICE_INFO_END = "-device.json"


def hcas_variable(name: str) -> str:
    """The environment variable that tells a container its HCAs of the resource `name`."""
    return f"RDMA_DP_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_HCAS"
