"""Fixtures that several kinds of tests share: simulated hosts on disk, the log, golden files."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from simulator import host as simulated
from simulator.scratch import scratch
from tests.heavy.suite import cache as kept
from tests.logs import Log

# No test asserts a duration, not even hypothesis: the machine can be busy. The examples that failed
# are tried again, also after `make clean` and in another checkout.
settings.register_profile(
    "random", deadline=None, database=DirectoryBasedExampleDatabase(kept("hypothesis"))
)
# .ci/run: the same examples each time, so that chance blocks no change.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
# .ci/run on a second Python: what differs there is not one example among many.
settings.register_profile("brief", settings.get_profile("ci"), max_examples=20)
# make fuzz: many examples.
settings.register_profile("fuzz", settings.get_profile("random"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "random"))

_GOLDEN = Path(__file__).parent / "golden"

Sample = Callable[[str], Path]
Look = Callable[[str], Inventory]
Fresh = Callable[..., simulated.SimulatedHost]
Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/golden again; then read the diff"
    )


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A directory for simulated hosts."""
    with scratch("rdma-dp-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def sample(memory: Path) -> Sample:
    """Returns the root of a sample host. It is built once, and no test may change it."""

    @cache
    def built(name: str) -> Path:
        return simulated.build(simulated.load(name), memory / "samples" / name).root

    return built


@pytest.fixture(scope="session")
def look(sample: Sample) -> Look:
    """Returns what a scan finds on a sample host."""
    return cache(lambda name: scan(Host(sample(name))))


@pytest.fixture
def fresh(memory: Path) -> Iterator[Fresh]:
    """Builds a host that the test may change, from the name of a sample or a manifest."""
    numbers = count()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=memory)))

        def build(what: str | simulated.Manifest, *, dev: bool = False) -> simulated.SimulatedHost:
            manifest = simulated.load(what) if isinstance(what, str) else what
            return simulated.build(manifest, base / str(next(numbers)), dev=dev)

        yield build


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """The log of the default level."""
    log = Log()
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(log)
    yield log
    logging.getLogger().removeHandler(log)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with tests/golden/NAME, or writes it there with --update-golden."""

    def compare(name: str, text: str) -> None:
        path = _GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, "utf-8")
        assert path.is_file(), f"no {path}: run pytest --update-golden and read what it wrote"
        assert text == path.read_text("utf-8")

    return compare
