"""The command lines that start the daemon: ours, and those of Network Operator."""

import shlex
import signal
from pathlib import Path

import pytest

from rdma_dp import __version__
from rdma_dp.cli import main as cli
from rdma_dp.cli import verb_table
from rdma_dp.daemon import run as daemon_main
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, healthy, process

KUBELET = Path("/var/lib/kubelet")
OPERATORS_CONFIG = Path("/k8s-rdma-shared-dev-plugin/config.json")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which the daemon starts. The daemon exits at once."""
    settings: list[Settings] = []

    async def run(given: Settings) -> None:
        settings.append(given)

    monkeypatch.setattr(daemon_main, "run", run)
    return settings


def test_the_operators_arguments_are_none(started: list[Settings]) -> None:
    assert cli.compat_main([]) == 0
    assert started[0].config_file == OPERATORS_CONFIG
    assert started[0].directories == KubeletDirectories(
        KUBELET / "device-plugins", KUBELET / "plugins_registry"
    )
    assert started[0].mode is RegistrationMode.AUTO
    assert started[0].root == Path("/")


@pytest.mark.parametrize("dash", ["-", "--"])
@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("main", ["operator", "ours"])
def test_go_flags_have_one_dash_or_two_and_their_value_either_way(
    started: list[Settings], dash: str, joined: bool, main: str
) -> None:
    given = {"kubelet-root-dir": "/k", "config-file": "/c.json", "device-plugins-dir": "/d"}
    arguments = [
        word
        for name, value in given.items()
        for word in ([f"{dash}{name}={value}"] if joined else [f"{dash}{name}", value])
    ]
    assert (
        cli.compat_main(arguments) if main == "operator" else cli.main(["run", *arguments])
    ) == 0
    assert started[0].config_file == Path("/c.json")
    assert started[0].directories == KubeletDirectories(Path("/d"), Path("/k/plugins_registry"))


@pytest.mark.parametrize(
    "arguments",
    [["--use-cdi"], ["-use-cdi"], ["-use-cdi=true"], ["--use-cdi=1"], ["--use-cdi=false"], []],
)
def test_the_switch_for_cdi_is_taken_as_go_takes_it(
    started: list[Settings], arguments: list[str]
) -> None:
    assert cli.compat_main(arguments) == 0
    assert started[0].defaults.use_cdi == (arguments not in ([], ["--use-cdi=false"]))


@pytest.mark.parametrize("flag", ["-v", "--version", "-version"])
async def test_the_version_is_shown_and_nothing_else(flag: str) -> None:
    for entry_point in ("rdma_dp.cli.main:main", "rdma_dp.cli.main:compat_main"):
        async with process(flag, entry_point=entry_point) as asked:
            assert await asked.ended() == 0
            await asked.says(__version__)


@pytest.mark.parametrize(
    "arguments",
    [["--no-such-flag"], ["--use-cdi=perhaps"], ["--registration", "telepathy"], ["--config"]],
)
def test_a_wrong_command_line_ends_with_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    for main, given in ((cli.compat_main, arguments), (cli.main, ["run", *arguments])):
        with pytest.raises(SystemExit) as ended:
            main(given)
        assert ended.value.code == 2
        assert arguments[0].partition("=")[0].lstrip("-") in capsys.readouterr().err


@pytest.mark.parametrize("example", [*verb_table.RUN.examples, *verb_table.COMPAT_EXAMPLES])
async def test_an_example_of_the_help_runs(
    node: Node, kubelet: SimulatedKubelet, example: str
) -> None:
    node.configure()
    program, *words = shlex.split(example)
    main = {"rdma-dp": "main", "k8s-rdma-shared-dp": "compat_main"}[program]
    async with process(*words, *node.arguments, entry_point=f"rdma_dp.cli.main:{main}") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        daemon.send(signal.SIGTERM)
        assert await daemon.ended() == 0


@pytest.mark.parametrize("cdi", [[], ["--use-cdi"]])
async def test_the_operators_pod(node: Node, kubelet: SimulatedKubelet, cdi: list[str]) -> None:
    node.configure()
    arguments = [*node.arguments, *cdi]
    async with process(*arguments, entry_point="rdma_dp.cli.main:compat_main") as pod:
        await kubelet.wait_for(NAME, healthy(4))
        answer = (await kubelet.allocate(NAME)).answer
        assert bool(answer.devices) != bool(cdi)
        assert bool(answer.cdi_devices) == bool(cdi)
        await pod.stop()


async def test_a_wrong_root_is_reported_before_anything_starts(node: Node) -> None:
    nowhere = node.directory / "nowhere"
    async with process("run", "--root", nowhere) as asked:
        assert await asked.ended() == 1
        await asked.says(
            f"there is no {nowhere} (--root takes a directory that holds sys, or a snapshot)"
        )
