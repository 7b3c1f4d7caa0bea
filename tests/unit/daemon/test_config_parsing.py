"""A config that another process parses is what this one would make of it."""

import pytest

from rdma_dp.aio.function_process import FunctionProcess
from rdma_dp.cli.parser_process import parser_process
from rdma_dp.config import ConfigError, ConfigMissing, ConfigUnreadable, Defaults
from rdma_dp.daemon.config_parsing import Content, Parse, SeparateParser, parse_here
from tests.paths import CONFIGS
from tests.unit.config.texts import entry, text

DEFAULTS = Defaults(use_cdi=True, set_links_up=True)


def separately(content: Content) -> object:
    return outcome(SeparateParser(parser_process, None).parse, content)


def outcome(parse: Parse, content: Content) -> object:
    try:
        accepted = parse(content, DEFAULTS)
    except ConfigError as error:
        return type(error), error.problems, error.warnings, str(error)
    return accepted


@pytest.mark.parametrize(
    "content",
    [
        (CONFIGS / "per-hca.yaml").read_bytes(),
        (CONFIGS / "dra.yaml").read_bytes(),
        text(entry(selectors={"Vendors": ["0x15B3"], "exclude": [{"ifNames": ["a"]}]})).encode(),
        text(entry(rdmaHcaMax=-1, resourceName="a b"), entry(unknown=1)).encode(),
        text(entry(), entry(resourceName="b", rdmaHcaMax=0)).encode(),
        b"",
        b"{",
        b"\xff\xfe",
    ],
)
def test_it_is_the_same_in_both_processes(content: bytes) -> None:
    assert separately(content) == outcome(parse_here, content)


@pytest.mark.parametrize("error", [ConfigMissing("there is none"), ConfigUnreadable("no memory")])
def test_what_could_not_be_read_is_raised_and_ends_the_process(error: ConfigError) -> None:
    first = FunctionProcess("os", "abort")
    with pytest.raises(type(error)) as raised:
        SeparateParser(parser_process, first).parse(error, DEFAULTS)
    assert raised.value is error


def test_each_config_has_its_process() -> None:
    parser = SeparateParser(parser_process, parser_process())
    for name in ("a", "b"):
        accepted = parser.parse(text(entry(resourceName=name)).encode(), DEFAULTS)
        assert [each.resource_name for each in accepted.config.config_list] == [name]


def test_it_is_parsed_here_if_no_process_can_be_started() -> None:
    accepted = SeparateParser(lambda: None, None).parse(text(entry()).encode(), DEFAULTS)
    assert [each.resource_name for each in accepted.config.config_list] == ["a"]


def test_a_process_that_ends_without_an_answer_is_an_error_of_the_config() -> None:
    parser = SeparateParser(parser_process, FunctionProcess("operator", "truediv"))
    with pytest.raises(ConfigError, match="cannot be parsed: the process for it ended with status"):
        parser.parse(text(entry()).encode(), DEFAULTS)
