from dataclasses import replace

from rdma_dp.inventory.hardware import CharDevice
from rdma_dp.sharing.change_log import describe
from rdma_dp.sharing.pool import Pool
from tests.makers import hca, per_hca, pool, resource, unwritten


def lines(before: Pool | None, now: Pool) -> list[str]:
    return list(describe(before, now))


def test_the_first_scan_logs_slots_and_hcas() -> None:
    (line,) = lines(None, pool(hca(0), hca(1)))
    assert line == "rdma/hca: 3 of 3 slots healthy, HCAs mlx5_0, mlx5_1"


def test_the_first_scan_logs_why_there_is_no_slot() -> None:
    (line,) = lines(None, pool())
    assert line == "rdma/hca: 0 of 0 slots healthy: the node has no RDMA device"


def test_a_scan_without_changes_logs_nothing() -> None:
    before = pool(hca())
    assert lines(before, pool(hca(), before=before)) == []


def test_lost_and_found_hcas_are_logged() -> None:
    before = pool(hca(0), hca(1))
    (line,) = lines(before, pool(hca(1), hca(2), before=before))
    assert line == (
        "rdma/hca: 3 of 3 slots healthy, HCAs mlx5_1, mlx5_2 (lost mlx5_0; found mlx5_2)"
    )


def test_the_loss_of_the_last_hca_is_logged_with_the_reason() -> None:
    before = pool(hca())
    (line,) = lines(before, pool(hca(unshareable="no uverbs"), before=before))
    assert line == "rdma/hca: 0 of 3 slots healthy: mlx5_0: no uverbs (lost mlx5_0)"


def test_a_new_reason_for_having_no_hca_is_logged() -> None:
    before = pool()
    (line,) = lines(before, pool(hca(unshareable="no uverbs"), before=before))
    assert line == "rdma/hca: still no usable HCA: mlx5_0: no uverbs"


def test_new_device_nodes_of_the_same_hcas_are_logged() -> None:
    before = pool(hca())
    moved = pool(hca(uverbs=CharDevice("uverbs7", None)), before=before)
    (line,) = lines(before, moved)
    nodes = line.removeprefix("rdma/hca: device nodes are now ").split(", ")
    assert nodes == [f"/dev/infiniband/{name}" for name in ("rdma_cm", "umad0", "uverbs7")]


def test_a_new_number_of_slots_is_logged() -> None:
    before = pool(hca(), of=resource(3))
    (line,) = lines(before, pool(hca(), of=resource(2), before=before))
    assert line == "rdma/hca: 2 of 3 slots healthy, HCAs mlx5_0"


def test_hcas_whose_names_change_places_are_logged() -> None:
    one, other = hca(0), hca(1)
    before = pool(one, other, of=per_hca(1))
    now = pool(
        replace(one, functions=other.functions),
        replace(other, functions=one.functions),
        of=per_hca(1),
        before=before,
    )
    (line,) = lines(before, now)
    assert line.endswith("(at another PCI address now: mlx5_0, mlx5_1)")


def test_the_reason_for_withheld_slots_is_logged_when_it_appears_changes_and_goes() -> None:
    good = pool(hca(0), of=per_hca(2))
    full = good.withheld(unwritten("the disk is full"))
    (line,) = lines(good, full)
    assert line == "rdma/hca: 0 of 2 slots healthy, HCAs mlx5_0 (the disk is full)"
    (line,) = lines(full, good.withheld(unwritten("it is read-only")))
    assert line == "rdma/hca: still no slot is healthy: it is read-only"
    (line,) = lines(full, good)
    assert line == "rdma/hca: 2 of 2 slots healthy, HCAs mlx5_0"


def test_the_reason_for_withheld_slots_is_logged_while_a_port_is_down_and_after() -> None:
    down = pool(hca(0, state="DOWN"), of=per_hca(1))
    troubled = down.withheld(unwritten("the disk is full"))
    (line,) = lines(down, troubled)
    assert "the disk is full, no ACTIVE port" in line
    up = pool(hca(0), of=per_hca(1), before=troubled).withheld(unwritten("the disk is full"))
    assert lines(troubled, up) == ["rdma/hca: still no slot is healthy: the disk is full"]


def test_a_port_of_an_hca_that_is_gone_is_not_logged_as_active() -> None:
    first = pool(hca(0), hca(1), of=per_hca(1))
    flapping = pool(hca(0, state="DOWN"), hca(1), of=per_hca(1), before=first)
    gone = pool(hca(1), of=per_hca(1), before=flapping)
    assert not [line for line in lines(flapping, gone) if "ACTIVE again" in line]
