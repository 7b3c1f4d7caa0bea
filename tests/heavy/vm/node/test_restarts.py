"""kubelet and the plugin's container are killed and start again. Pods keep running."""

import signal

from tests.heavy.node.containerd import kill_container
from tests.heavy.node.process import wait_until
from tests.heavy.vm.node.node import PER_HCA, Node


def test_the_container_of_the_plugin_is_killed(node: Node) -> None:
    pod = node.pod("runs", PER_HCA).running()
    before = pod.identity
    container = node.plugin.container()
    kill_container(container)
    wait_until(node.plugin.container, lambda now: now != container)
    node.counts_all("kubelet has restarted the plugin's container")
    assert pod.identity == before
    node.admits("new", PER_HCA)


def test_kubelet_is_killed(node: Node) -> None:
    pod = node.pod("runs", PER_HCA).running()
    before = pod.identity
    container = node.plugin.container()
    node.kubelet.restart(signal.SIGKILL)
    node.counts_all("kubelet killed and started")
    assert pod.identity == before
    assert node.plugin.container() == container
    node.admits("new", PER_HCA)
