"""Generate rdma_dp/kubelet/api from protos/. With --check, report which files are stale.

protoc gets the .proto files as if they were in rdma_dp/kubelet/api. Therefore the imports in the
generated code are absolute, and the file names are unique in the process. protobuf keeps the files
of all packages in one pool.
"""

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
PROTOS = REPO / "protos"
API = Path("rdma_dp/kubelet/api")

GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(out: Path) -> None:
    """Write the generated files below `out`/rdma_dp/kubelet/api."""
    # protoc searches its mypy plugins on PATH, which may not include the virtual environment.
    plugins = [
        f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"
        for name in ("mypy", "mypy_grpc")
    ]
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", *plugins),
        f"--proto_path={API}={PROTOS}",
        *(f"--python_out={out}", f"--grpc_python_out={out}"),
        f"--mypy_out=quiet,readable_stubs:{out}",
        f"--mypy_grpc_out=quiet,readable_stubs,only_async:{out}",
        *(str(API / proto.name) for proto in sorted(PROTOS.glob("*.proto"))),
    ]
    subprocess.run(command, check=True, cwd=REPO)


def generated_files(root: Path) -> set[str]:
    """The names of the generated files below `root`/rdma_dp/kubelet/api."""
    return {path.name for pattern in GENERATED for path in (root / API).glob(pattern)}


def stale_files(fresh: Path) -> list[str]:
    """The names of files that differ between `fresh` and the tree, or exist in only one of them."""
    names = sorted(generated_files(fresh) | generated_files(REPO))
    _, different, absent = filecmp.cmpfiles(fresh / API, REPO / API, names, shallow=False)
    return sorted(different + absent)


def install(fresh: Path) -> None:
    """Copy the files of `fresh` into the tree, and delete the others."""
    for name in generated_files(REPO) - generated_files(fresh):
        (REPO / API / name).unlink()
    for name in generated_files(fresh):
        (REPO / API / name).write_bytes((fresh / API / name).read_bytes())


def main() -> int:
    """Generate the files, or with --check compare them. Returns 1 if the tree is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="only compare, and exit with 1 if a file is stale"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        generate(fresh)
        stale = stale_files(fresh)
        if not arguments.check:
            install(fresh)
            return 0
    if stale:
        print(f"{API}: stale: {', '.join(stale)}", file=sys.stderr)
        print("Run `make api` and commit the result.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
