"""helm, kustomize and kubeconform, and files from Go modules, all from the module proxy."""

import json
import logging
from functools import cached_property
from pathlib import Path

from tests.heavy import golang

log = logging.getLogger(__name__)

# The newest releases that the Go of tests/heavy/golang.py can build.
PROGRAMS = {
    "helm": "helm.sh/helm/v3/cmd/helm@v3.18.6",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0",
}

# The Kubernetes version for which charts are rendered. helm's releases set it at build time.
CAPABILITIES = "helm.sh/helm/v3/pkg/chartutil.k8sVersion"
LDFLAGS = f"-ldflags=-X {CAPABILITIES}Major=1 -X {CAPABILITIES}Minor=36"


class Go:
    """Go. Everything that it makes or downloads is below `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def programs(self, *names: str) -> Path:
        """A directory for PATH with all programs. Each is built once per version."""
        path = self._cache / "bin"
        path.mkdir(parents=True, exist_ok=True)
        for name in names or PROGRAMS:
            source = PROGRAMS[name]
            own = self._cache / source.replace("/", "-")
            if not (own / name).exists():
                log.info("building %s", source)
                self._run("install", "-trimpath", LDFLAGS, source, bin=own)
            (path / name).unlink(missing_ok=True)
            (path / name).symlink_to(own / name)
        return path

    def module(self, name: str) -> Path:
        """The files of a module, as MODULE@VERSION."""
        return Path(json.loads(self._run("mod", "download", "-json", name))["Dir"])

    @cached_property
    def _go(self) -> str:
        self._cache.mkdir(parents=True, exist_ok=True)
        return golang.new_enough(golang.found(), self._cache)

    def _run(self, *arguments: str, bin: Path | None = None) -> str:  # noqa: A002 - as GOBIN
        return golang.run(self._go, self._cache, *arguments, cwd=self._cache, GOBIN=str(bin or ""))
