"""Network functions without an HCA, why, and what to type about it."""

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import UnusedFunction
from rdma_dp.inventory.verdicts import UnusedCode
from simulator.host import Manifest, parse
from tests.conftest import Fresh, Look
from tests.unit.doctor.ailing import ailing


def idle(inventory_others: tuple[UnusedFunction, ...], address: str) -> UnusedFunction:
    return next(other for other in inventory_others if other.function.address == address)


def only(fresh: Fresh, text: str) -> UnusedFunction:
    (other,) = scan(Host(fresh(manifest(text)).root)).unused_functions
    return other


def manifest(functions: str) -> Manifest:
    return parse(f"title: one function\n{functions}", "this test")


def test_a_missing_rdma_module_is_named_with_the_command_that_loads_it(look: Look) -> None:
    first, second = look("no-modules").unused_functions
    assert first.netdevs == ("ens1f0np0",)
    assert second.netdevs == ("ens1f1np1",)
    assert (
        first.reason.text == "driver mlx5_core is bound, but its RDMA module mlx5_ib is not loaded"
    )
    assert first.reason.code is UnusedCode.MODULE_NOT_LOADED
    assert first.reason.remedy == "modprobe mlx5_ib"


def test_both_netdevs_of_one_function_are_shown(look: Look) -> None:
    other = idle(look("connectx3-no-rdma").unused_functions, "0008:01:00.0")
    assert other.netdevs == ("enP8p1s0", "enP8p1s0d1")
    assert other.reason.remedy == "modprobe mlx4_ib"


def test_a_driver_without_any_rdma_is_told_without_advice(look: Look) -> None:
    other = idle(look("connectx3-no-rdma").unused_functions, "0001:01:00.0")
    assert (other.reason.text, other.reason.remedy) == (
        "driver bnx2x is not known to support RDMA",
        None,
    )


def test_a_function_without_an_auxiliary_device_has_no_rdma(look: Look) -> None:
    """H1: no module makes an HCA of it. Another function of the driver has such a device."""
    (other,) = look("bnxt").unused_functions
    assert other.function.address == "0000:18:00.0"
    assert other.reason.code is UnusedCode.FUNCTION_WITHOUT_RDMA
    assert other.reason.text == (
        "driver bnxt_en offers no RDMA on it: there is no auxiliary device bnxt_en.rdma.N"
    )
    assert other.reason.remedy == "devlink dev param show pci/0000:18:00.0"


def test_modules_that_are_loaded_without_effect_send_one_to_the_kernels_log(fresh: Fresh) -> None:
    host = fresh(ailing("bnxt", "functions: {0000:18:00.0: {rdma: true}}"))
    (other,) = scan(Host(host.root)).unused_functions
    assert other.reason.code is UnusedCode.MADE_NO_HCA
    assert other.reason.text == "bnxt_en and bnxt_re are loaded but made no HCA"
    assert (other.reason.remedy or "").startswith("dmesg")


def test_a_vf_given_to_a_virtual_machine_is_as_it_should_be(look: Look) -> None:
    other = idle(look("sriov").unused_functions, "0000:5e:00.4")
    assert other.reason.code is UnusedCode.PASSED_THROUGH
    assert other.reason.text == "bound to vfio-pci: handed to a virtual machine or to user space"
    assert other.reason.remedy is None


def test_an_unbound_function_is_bound_where_the_driver_is_loaded(look: Look) -> None:
    other = idle(look("sriov").unused_functions, "0000:5e:00.5")
    assert other.reason.code is UnusedCode.NO_DRIVER
    assert other.reason.text == "no driver is bound"
    assert other.reason.remedy == "echo 0000:5e:00.5 > /sys/bus/pci/drivers/mlx5_core/bind"


def test_an_unbound_function_needs_the_driver_of_its_generation(fresh: Fresh) -> None:
    connectx3 = "functions: {0000:05:00.0: {id: 15b3:1003, driver: none}}"
    connectx7 = "functions: {0000:05:00.0: {id: 15b3:1021, driver: none}}"
    intel = "functions: {0000:05:00.0: {id: 8086:15bb, driver: none}}"
    assert only(fresh, connectx3).reason.remedy == "modprobe mlx4_core"
    assert only(fresh, connectx7).reason.remedy == "modprobe mlx5_core"
    assert only(fresh, intel).reason.remedy is None


def test_an_rdma_driver_that_made_no_hca_is_broken(fresh: Fresh) -> None:
    other = only(fresh, "functions: {0000:10:1b.0: {id: 1d0f:efa2}}")
    assert other.reason.text == "driver efa is bound but made no HCA"
    assert (other.reason.remedy or "").startswith("dmesg")


def test_in_exclusive_mode_the_hca_may_be_elsewhere(fresh: Fresh) -> None:
    other = only(
        fresh,
        "netns: exclusive\nloaded: [ib_core, mlx5_ib]\n"
        "functions: {0000:05:00.0: {id: 15b3:1021, net: [eth0]}}",
    )
    assert other.reason.code is UnusedCode.OTHER_NETNS
    assert "another network namespace" in other.reason.text
    assert other.reason.remedy == "rdma system set netns shared"


def test_the_second_function_of_a_multiport_hca_is_told_even_without_its_netdev(
    fresh: Fresh,
) -> None:
    other = only(
        fresh,
        "functions:\n"
        "  0000:c4:00.0: {id: 15b3:1017, multiport: true, hcas: [mlx5_0], net: [eth0]}\n"
        "  0000:c4:00.1: {id: 15b3:1017, multiport: true}\n",
    )
    assert other.function.address == "0000:c4:00.1"
    assert other.reason.text == "its port is part of another function's HCA (multi-port RoCE)"


def test_without_sys_module_nothing_is_claimed_about_modules(fresh: Fresh) -> None:
    text = "remove: [sys/module]\nfunctions: {0000:05:00.0: {id: 15b3:1021, net: [eth0]}}"
    other = only(fresh, text)
    assert other.reason.text == (
        "driver mlx5_core made no HCA; whether mlx5_ib is loaded cannot be seen here"
    )
    assert other.reason.remedy is None


def test_functions_are_in_the_order_of_their_addresses(look: Look) -> None:
    addresses = [other.function.address for other in look("empty").unused_functions]
    assert addresses == ["0000:00:03.0", "0000:00:1f.6"]


def test_a_function_that_tells_no_ids_is_shown_all_the_same(look: Look) -> None:
    (other,) = look("damaged").unused_functions
    assert (other.function.vendor, other.function.device) == (None, None)
    assert other.netdevs == ("eth9",)
