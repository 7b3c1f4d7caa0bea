"""A command line from a table of verbs: usage, grouped help, examples, and errors of one line."""

import argparse
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NoReturn

from rdma_dp.cli.go_flags import go_version
from rdma_dp.cli.output import FAILED

AddArguments = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Verb:
    """One verb. The docstring of `run` is its help text; the first line is its summary."""

    name: str
    group: str  # the heading in the program's help; "" for none
    run: Callable[[argparse.Namespace], int]
    arguments: Sequence[AddArguments]
    examples: Sequence[str]
    failed: int = FAILED  # the exit code after an error

    @property
    def description(self) -> str:
        """The whole help text."""
        return inspect.cleandoc(self.run.__doc__ or "")

    @property
    def summary(self) -> str:
        """The line in the program's help."""
        return self.description.partition("\n")[0]


class Parser(argparse.ArgumentParser):
    """An argparse parser that reports an error as one line, with the nearest valid word."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and one line on stderr."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Replaces argparse's own check, which has no suggestion before Python 3.14."""
        if action.choices is None or value in action.choices:
            return
        valid = [str(choice) for choice in action.choices]
        import difflib  # noqa: PLC0415 - the daemon does without it

        near = difflib.get_close_matches(str(value), valid, n=1)
        hint = f"did you mean {near[0]}?" if near else f"valid: {', '.join(valid)}"
        raise argparse.ArgumentError(action, f"{str(value)!r} is not valid; {hint}")


def verbs_parser(prog: str, description: str, verbs: Sequence[Verb]) -> Parser:
    """A parser with one subparser for each verb.

    The options that it returns have `verb` (the function to run), `failed` (the exit code after an
    error) and `parser` (the parser of the verb).
    """
    parser = Parser(
        prog=prog,
        description=description,
        epilog=f"Run {prog} VERB --help for the options and examples of a verb.",
        formatter_class=_formatter(verbs),
        allow_abbrev=False,
    )
    subparsers = parser.add_subparsers(prog=prog, title="verbs", metavar="VERB", required=True)
    for verb in verbs:
        added = subparsers.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            epilog=epilog(verb.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for add_arguments in verb.arguments:
            add_arguments(added)
        added.set_defaults(verb=verb.run, failed=verb.failed, parser=added)
    return parser


def parse(parser: Parser, words: Sequence[str] | None) -> argparse.Namespace:
    """The options. Exits with code 2 if a word is wrong, in the name of the verb it belongs to."""
    options, unknown = parser.parse_known_args(_in_our_form(parser, words))
    if unknown:
        options.parser.error(f"unknown argument {' '.join(unknown)}")
    return options


def _in_our_form(parser: Parser, words: Sequence[str] | None) -> Sequence[str]:
    """The words with --version in place of the forms that only Go takes, such as -v=true."""
    found: list[str] = []
    for word in sys.argv[1:] if words is None else words:
        try:
            asked = go_version(word)
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument {word.partition('=')[0]}: {error}")
        if asked is not False:
            found.append(word if asked is None else "--version")
    return found


def epilog(examples: Iterable[str]) -> str:
    """The examples, as the end of a help text."""
    return "\n".join(["examples:", *(f"  {example}" for example in examples)])


def _formatter(verbs: Sequence[Verb]) -> type[argparse.HelpFormatter]:
    """A formatter that lists the verbs under the headings of their groups."""

    class GroupedVerbs(argparse.RawDescriptionHelpFormatter):
        def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
            for action in actions:
                if action.metavar == "VERB":
                    self._add_verbs()
                else:
                    self.add_argument(action)

        def _add_verbs(self) -> None:
            for group, members in groupby(verbs, lambda verb: verb.group):
                if group:
                    self.start_section(group)
                for verb in members:
                    self.add_argument(argparse.Action([], verb.name, help=verb.summary))
                if group:
                    self.end_section()

    return GroupedVerbs
