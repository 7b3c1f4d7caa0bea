"""The command lines that start the daemon: ours, and those of Network Operator."""

import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from rdma_dp import __version__
from rdma_dp.cli import main as cli
from rdma_dp.cli import verb_table
from rdma_dp.cli.version import version_text
from rdma_dp.daemon import run as daemon_main
from rdma_dp.daemon.settings import Settings
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.registration.choice import RegistrationMode
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, entry, healthy, process

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


@pytest.mark.parametrize("main", [cli.compat_main, cli.main])
@pytest.mark.parametrize("name", ["-v", "--v", "-version", "--version"])
@pytest.mark.parametrize("value", ["", "=true", "=1", "=t", "=T", "=TRUE", "=True"])
def test_the_version_in_every_form_of_go(
    main: Callable[[list[str]], int],
    name: str,
    value: str,
    started: list[Settings],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{name}{value}"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{version_text()}\n"
    assert not started


@pytest.mark.parametrize("name", ["-v", "--v", "-version", "--version"])
def test_a_version_that_is_false_is_not_shown(name: str, started: list[Settings]) -> None:
    assert cli.compat_main([f"{name}=false", "--use-cdi"]) == 0
    assert started[0].defaults.use_cdi


@pytest.mark.parametrize("word", ["-v=", "--v=yes", "-use-cdi=", "--use-cdi=yes", "--verbosity=1"])
def test_what_go_refuses_is_exit_2(
    word: str, started: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.compat_main([word])
    assert ended.value.code == 2
    assert word.partition("=")[0] in capsys.readouterr().err
    assert not started


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
async def test_the_signals_that_end_the_go_plugin_end_this_one(
    node: Node, kubelet: SimulatedKubelet, signal_: signal.Signals
) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        await daemon.stop(signal_)


def test_only_under_the_operators_path_a_missing_config_ends_the_process(
    started: list[Settings],
) -> None:
    assert cli.compat_main([]) == 0
    assert cli.main(["run"]) == 0
    assert cli.compat_main(["--config-wait", "0"]) == 0
    assert [settings.config_wait for settings in started] == [60, None, None]


@pytest.mark.parametrize("content", [None, "", " \n", "# only a comment\n"])
async def test_a_config_that_stays_empty_or_missing_ends_the_process(
    node: Node, content: str | None
) -> None:
    if content is not None:
        node.config.write_text(content)
    async with node.daemon_without_config("--config-wait", "0.5") as daemon:
        await daemon.says("waiting for a config, for up to 0.5 s")
        assert await daemon.ended() == 1
        await daemon.says(f"{node.config}: there was no config for 0.5 s", "not ready")
        assert daemon.count("Traceback") == 0


async def test_a_config_can_change_after_the_time_in_which_the_first_one_has_to_come(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure()
    async with node.daemon("--config-wait", "60") as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=5))
        await daemon.says("new config from")
        await kubelet.wait_for(NAME, healthy(5))
        await daemon.stop()
