"""Go modules that build a release of another project just as that project builds it."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.heavy import golang
from tests.heavy.suite import CannotRunError

# k8s.io/kubernetes takes its staging modules from its own tree: `k8s.io/api => ./staging/...`.
# Each is published as v0.MINOR.PATCH.
_STAGING = re.compile(r"^(\s*)(k8s\.io/[\w-]+) => \./staging/\S+$", re.MULTILINE)
_MODULE = re.compile(r"^module (\S+)$", re.MULTILINE)


@contextmanager
def module_of(go: str, module: str, release: str) -> Iterator[Path]:
    """A directory with a Go module that requires `module` of a release, such as v1.28.15.

    It has the versions and the checksums of the project's own go.mod and go.sum.
    """
    with tempfile.TemporaryDirectory(prefix="rdma-dp-module-") as made:
        directory = Path(made)
        (directory / "go.mod").write_text("module rdma-dp-test-download\n")
        download = ("mod", "download", "-json", f"{module}@{release}")
        answer = golang.run_as_it_is(go, *download, cwd=directory, GOTOOLCHAIN="auto")
        own = Path(json.loads(answer)["Dir"])
        text = requiring((own / "go.mod").read_text(), release)
        (directory / "go.mod").write_text(text)
        (directory / "go.sum").write_bytes((own / "go.sum").read_bytes())
        yield directory


def requiring(go_mod: str, release: str) -> str:
    """The go.mod of a module that requires the one with this go.mod, with the same versions."""
    named = _MODULE.search(go_mod)
    if named is None:
        raise CannotRunError(f"the go.mod of release {release} names no module")
    text = _MODULE.sub("module rdma-dp-test-release", go_mod)
    staging = release.replace("v1.", "v0.", 1)
    text = _STAGING.sub(rf"\1\2 => \2 {staging}", text)
    return f"{text}\nrequire {named[1]} {release}\n"
