"""A wrong command line: exit code 2 and one line that names the word and what is valid."""

import pytest

from tests.unit.cli.process import rdma_dp


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "rdma-dp: the following arguments are required: VERB (see rdma-dp --help)"),
        (
            ["discovr"],
            (
                "rdma-dp: argument VERB: 'discovr' is not valid; did you mean discover?"
                " (see rdma-dp --help)"
            ),
        ),
        (
            ["discover", "--nope"],
            "rdma-dp discover: unknown argument --nope (see rdma-dp discover --help)",
        ),
        (
            ["discover", "-o", "yaml"],
            (
                "rdma-dp discover: argument -o/--output: 'yaml' is not valid; valid: "
                "table, wide, json (see rdma-dp discover --help)"
            ),
        ),
        (
            ["topo", "--output", "tabel"],
            (
                "rdma-dp topo: argument -o/--output: 'tabel' is not valid; did you mean table?"
                " (see rdma-dp topo --help)"
            ),
        ),
        (
            ["check-config"],
            (
                "rdma-dp check-config: the following arguments are required: FILE"
                " (see rdma-dp check-config --help)"
            ),
        ),
        (
            ["run", "-use-cdi=perhaps"],
            (
                "rdma-dp run: argument -use-cdi: 'perhaps' is neither true nor false"
                " (see rdma-dp run --help)"
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_one_line_says_what_is_wrong(words: list[str], line: str) -> None:
    ended = rdma_dp(*words)
    assert (ended.code, ended.out, ended.err) == (2, "", line + "\n")
