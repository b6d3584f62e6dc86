"""The command `bayesmixer`: gathers the verbs, and turns every error that a user can act on into
one line and an exit code.

Nothing heavy may be imported here or by the verbs' modules: `bayesmixer --help` answers at once,
and each verb imports what it needs when it runs.
"""

from __future__ import annotations

import inspect
import io
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from bayesmixer.cli import (
    ash,
    check,
    compare,
    coverage,
    demo,
    fit,
    ld,
    ldsc,
    ldsc_scores,
    mash,
    munge,
    of_ldsc,
    pairs,
    report,
    simulate,
    variants,
)
from bayesmixer.cli.output import claiming
from bayesmixer.cli.wording import begin, message_of, options_of, spoken
from bayesmixer.errors import DataWarning, InputError, reason
from bayesmixer.interrupts import remembered
from bayesmixer.progress import be_quiet

BAD_INPUT, INTERRUPTED = 2, 130
_WHOLE_PROCESS = False  # or called from a program that goes on


class Verbs(TyperGroup):
    """A group whose help describes each verb in full: the first paragraph of its own help, wrapped
    and not cut.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of verbs."""
        rows = []
        for name in self.list_commands(ctx):
            text = inspect.cleandoc((command := self.commands[name]).help or "").split("\n\n")[0]
            sub = getattr(command, "commands", None)
            rows.append(
                (name, " ".join(text.split()) + (f" Verbs: {', '.join(sub)}." if sub else ""))
            )
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class OfLDSC(Verbs):
    """Verbs that LDSC has for options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of any group, but LDSC's own words are answered with the verb.

        Raises
        ------
        InputError
            They are there, and no verb is.
        """
        asked = [word for word in args if word in of_ldsc.VERBS]
        if asked and args[0].startswith("-"):
            raise of_ldsc.of_verb(asked[0])
        if args[:1] != ["scores"]:  # whose files of chromosomes a folder may hold
            of_ldsc.check_prefix(args)
        flags = {word.split("=")[0] for word in args}
        for one, other in of_ldsc.ALIKE:
            if {one, other} <= flags:
                found = "both given, which are one option here"
                raise InputError(f"{one}, {other}", found, "Give one of them.")
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    name="bayesmixer",
    cls=Verbs,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: starts faster than rich, and examples keep their lines
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.command)
app.command("munge")(munge.command)
app.add_typer(
    ld.app, name="ld", cls=Verbs, help="LD reference panels: build one, print its LD scores."
)
app.add_typer(
    ldsc.app,
    name="ldsc",
    cls=OfLDSC,
    help="LD score regression: heritability, genetic correlation, annotations.",
)
app.add_typer(
    fit.app, name="fit", cls=Verbs, help="Fit a model to summary statistics and an LD reference."
)
fit.app.command("pairs")(pairs.command)
ldsc.app.command("scores")(ldsc_scores.command)
app.command("mash")(mash.command)
app.command("ash")(ash.command)
app.command("report")(report.command)
app.command("check")(check.command)
app.command("compare")(compare.command)
app.command("variants")(variants.command)
app.command("simulate")(simulate.command)
app.command("coverage")(coverage.command)


def _only(whole: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """The part of a command line that `words` begin with: to prepare every verb takes longer than
    to answer.
    """
    named = [one for one in whole.registered_commands if one.name in words[:1]]
    groups = [one for one in whole.registered_groups if one.name in words[:1]]
    if not named and not groups:  # options, or no verb: what there is must be known
        return whole
    part = copy(whole)
    part.registered_commands, part.registered_groups = named, [copy(one) for one in groups]
    for one in part.registered_groups:
        if one.typer_instance is not None:
            one.typer_instance = _only(one.typer_instance, words[1:])
    return part


def _version(asked: bool) -> None:
    if asked:
        import bayesmixer

        typer.echo(bayesmixer.__version__)
        raise typer.Exit


@app.callback()
def _bayesmixer(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Bayesian models of GWAS summary statistics: from files to a posterior and a report.

    \b
    Try it:    bayesmixer demo
    Your data: bayesmixer ld build panel.bed --out panel.zarr
               bayesmixer fit univariate height.txt.gz \\
                 --reference panel.zarr --out height.nc --report height.html
    """


def _warnings_once() -> Any:
    """What shows a warning: one line in the words of the command line, the same one once."""
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = spoken(" ".join(str(message).split()))
        if text not in seen:
            seen.add(text)
            print(f"warning: {text}", file=sys.stderr)

    return show


def _usage(error: typer.TyperException) -> str:
    """Wrong options and arguments as one line that says where to read on."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "bayesmixer"
    unknown = getattr(error, "option_name", "") if hasattr(error, "possibilities") else ""
    if unknown and path.startswith("bayesmixer ldsc "):
        refused = of_ldsc.refused(unknown, path, typer.main.get_command(ldsc.app))
        if refused is not None:
            return str(refused)
    said = " ".join(error.format_message().split()).rstrip(".")
    return f"{said}{'' if said.endswith('?') else '.'} See '{path} --help'."


def main(args: list[str] | None = None) -> None:
    """Run the command line.

    Exit codes: 0 done, 2 input that cannot be used (one line on standard error says what and how to
    mend it), 130 interrupted, 1 anything else (with a traceback: a defect of the program).

    Parameters
    ----------
    args
        Words after `bayesmixer`; those of the process by default.
    """
    if not sys.warnoptions:  # python -W ... still shows everything
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", DataWarning)
    global _WHOLE_PROCESS
    _WHOLE_PROCESS = args is None
    words = sys.argv[1:] if args is None else args
    begin(words)
    warnings.showwarning = _warnings_once()
    for stream in (
        sys.stdout,
        sys.stderr,
    ):  # a terminal that cannot show a character shows its code
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with remembered(), claiming():
            code = _only(app, words)(
                words or ["--help"], prog_name="bayesmixer", standalone_mode=False
            )
        sys.stdout.flush()  # a full disk or a closed pipe is met here, not as the process ends
    except InputError as error:
        _stop(message_of(error, options_of(words)), BAD_INPUT)
    except typer.TyperException as error:
        _stop(_usage(error), BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        because = reason(error)
        if not because:
            raise
        place = getattr(error, "filename", None)
        _stop(f"{place if isinstance(place, str) else 'cannot go on'}: {because}", BAD_INPUT)
    finally:
        be_quiet(False)  # the next command of this process is not this one
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code, without a word
        _stop(
            "interrupted; what was finished is kept, and the same command takes it up again",
            INTERRUPTED,
            "stopped",
        )
    _leave(code if isinstance(code, int) else 0)


def _stop(message: str, code: int, word: str = "error") -> NoReturn:
    with suppress(OSError):  # nobody reads it
        print(f"{word}: {message}", file=sys.stderr)
    _leave(code)


def _leave(code: int) -> NoReturn:
    """End the process; all is done, so that a Ctrl-C has nothing left to interrupt but the ending
    itself.
    """
    if _WHOLE_PROCESS:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # flushed again otherwise as the process ends, with a traceback
        sys.stdout = None  # type: ignore[assignment]
    sys.exit(code)
