import re

import pytest

from rdma_dp.inventory.pci_ids import ADDRESS


@pytest.mark.parametrize(
    "address", ["0000:3b:00.0", "0000:3b:1f.7", "10000:01:00.1", "fffffff0:00:00.0"]
)
def test_an_address_is_one_that_the_kernel_writes(address: str) -> None:
    assert re.fullmatch(ADDRESS, address)


@pytest.mark.parametrize(
    "address",
    ["3b:00.0", "0000:3b:20.0", "0000:3b:00.8", "00000:3b:00.0", "0000:3B:00.0", "pci0000:00"],
)
def test_anything_else_is_none(address: str) -> None:
    assert not re.fullmatch(ADDRESS, address)
