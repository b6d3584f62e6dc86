"""Messages in the words of the command line: `method='nuts'` of a Python message becomes `--method
nuts`.

The library names the arguments of its functions. Whoever types a command has options instead, those
of the verb that runs or of the verb that comes before it; where the option is another verb's, that
verb is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from bayesmixer.card import cards, usual
from bayesmixer.errors import InputError

# Python arguments whose option has another name
ALIASES = {
    "overwrite": "force",
    "resume": "force",
    "replace": "force",
    "models": "data",
    "n": "sample_size",
    "checkpoint": "out",
    "intercept": "intercept_h2",
    "print_variants": "print_snps",
}
VERBS = {card.name: card.verb for card in cards().values() if card.verb}
PHRASES = (
    (
        r"what (?:(?:bm|bayesmixer)\.)?fit(?: or bm\.load)? return(?:ed|s)",
        "what 'bayesmixer fit' saved",
    ),
    (r"the DataTree that (?:(?:bm|bayesmixer)\.)?fit returns", "what 'bayesmixer fit' saved"),
    (
        r"the (?:GwasData d|D)ataset that (?:bayesmixer\.)?align returns",
        "what 'bayesmixer fit --save-data' saved",
    ),
    (r"what '?align'? (?:made|returned)", "what 'bayesmixer fit --save-data' saved"),
    (
        r"Name (it|them): \{name: file\}",
        r"Name \1 in a text file of lines 'name path', given in place of the files",
    ),
    (r"\(method 'map'\)", "(--method map)"),
    (r"\bmethod '(\w+)'( or) '(\w+)'", r"--method \1\2 \3"),
    (r"\bmethod '(\w+)'(?! )", r"--method \1"),
    *((rf"\btry {name}\b", f"try 'bayesmixer fit {verb}'") for name, verb in VERBS.items()),
    *((rf"\bFit {name}\b", f"Run 'bayesmixer fit {verb}'") for name, verb in VERBS.items()),
    (r"\bbm\.(check|compare|coverage|munge|report|simulate|variants)\b", r"'bayesmixer \1'"),
)
_FLAG = r"--[a-z0-9][a-z0-9-]*(?: [^,()\s]+)?"
_FLAGS = re.compile(rf" \(({_FLAG}(?:, (?:{_FLAG}|\.\.\.))*)\)")
_VALUE = r"'[^']*'|\"[^\"]*\"|\{\.\.\.\}|\[[^\]]*\]|-?\w+(?:[.]\w+)*"
_CALL = re.compile(rf"\b[a-z_.]+\((?:\.\.\.|data), ([a-z][a-z0-9_]*)=({_VALUE}|\.\.\.)\)")
_ARGUMENT = re.compile(rf"(?<![\w,./-])([a-z][a-z0-9_]*)=({_VALUE})?")
_SAID_AGAIN = re.compile(r" of '(bayesmixer [a-z -]+)'(?=.* of '\1')")
_MORE = re.compile(r",[a-z]\w*=")  # pi=0.003,n=100000 is one value


_RUNNING: list[str] = []


def begin(words: list[str]) -> None:
    """Remember what was typed after `bayesmixer`, for messages from now on."""
    _RUNNING[:] = words


def spoken(text: str) -> str:
    """A message in the words of the command that runs."""
    return on_command_line(text, options_of(_RUNNING))


class Option(NamedTuple):
    """An option of the command line: how it is written, how it is switched off, and whose it is
    where not the running verb's.
    """

    flag: str
    off: str = ""
    verb: str = ""


def options_of(words: list[str]) -> dict[str, Option]:
    """Options by the name of the Python argument: those of the verb in `words`, then those of the
    other verbs.

    Parameters
    ----------
    words
        What was typed after `bayesmixer`.
    """
    from typer.main import get_command

    from bayesmixer.cli.main import app

    root = get_command(app)
    verbs = {}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        for sub, verb in getattr(command, "commands", {"": command}).items():
            verbs[f"{name} {sub}".strip()] = verb
    running = next((name for name in verbs if words[: len(name.split())] == name.split()), "")
    found: dict[str, Option] = {}
    # of a fit that has it not itself, what says how a file is read is an option of munge
    before = ["munge"] if running.startswith("fit ") else []
    order = [running, *before, f"fit {usual().verb}", "munge", "ld build", "compare", *verbs]
    for name in dict.fromkeys(n for n in order if n):
        for parameter in verbs[name].params:
            flag = next((o for o in parameter.opts if o.startswith("--")), None)
            off = next(iter(parameter.secondary_opts), "")
            if flag is not None:
                found.setdefault(parameter.name, Option(flag, off, "" if name == running else name))
    return found


def on_command_line(text: str, options: Mapping[str, Option]) -> str:
    """A message in the words of the command line.

    Parameters
    ----------
    text
        A message of the library, which names Python arguments (`by='id'`), perhaps with the option
        behind (`z= (--z)`).
    options
        What `options_of` returned.
    """
    for pattern, words in PHRASES:
        text = re.sub(pattern, words, text)
    text = _drop_second_names(text, options)

    def written(match: re.Match[str]) -> str:
        name, value = match.group(1), match.group(2) or ""
        option = options.get(name) or options.get(ALIASES.get(name, ""))
        if option is None or _MORE.match(match.string, match.end()):
            return match.group(0)
        return _as_option(option, value)

    text = _ARGUMENT.sub(written, _CALL.sub(written, text))
    return _SAID_AGAIN.sub("", text)


def _drop_second_names(text: str, options: Mapping[str, Option]) -> str:
    """`beta= and se= (--beta, --se)` as `beta= and se=`, `keep_mhc (--keep-mhc)` as `keep_mhc=`,
    `resume=False (--force)` as `force=`.
    """
    while found := _FLAGS.search(text):
        before, after = text[: found.start()], text[found.end() :]
        for flag in found.group(1).split(", "):
            name = flag.split()[0].removeprefix("--").replace("-", "_")
            spots = list(re.finditer(rf"(?<![\w-]){re.escape(name)}(?:(=)|(?![\w=]))", before))
            last = re.search(r"\b[a-z_]+=\w*$", before)
            if spots:
                at = spots[-1].end()
                before = before[:at] + ("" if spots[-1].group(1) else "=") + before[at:]
            elif flag != "...":
                written = f"{name}=" if name in options else flag
                before = before[: last.start()] + written if last else f"{before} {written}"
        text = before + after
    return text


def _as_option(option: Option, value: str) -> str:
    """An option with its value, and the verb it belongs to where that is not a fit or the one that
    runs.
    """
    flag, values = option.flag, [value.strip("'\"")]
    if value == "False":
        flag = option.off or flag
    if value in ("", "{...}", "[...]", "...", "True", "False"):
        values = [""]
    elif value.startswith("["):
        values = [v.strip() for v in value[1:-1].split(",")]
    said = " ".join(f"{flag} {v}".rstrip() for v in values)
    elsewhere = option.verb and not option.verb.startswith("fit")
    return f"{said} of 'bayesmixer {option.verb}'" if elsewhere else said


def message_of(error: InputError, options: Mapping[str, Option]) -> str:
    """The one line of an error in the words of the command line, the argument that it begins with
    too.
    """
    where, text = error.where, str(error)
    if not text.startswith(f"{where}: "):
        return on_command_line(text, options)
    option = options.get(where) or options.get(ALIASES.get(where, ""))
    named = where if option is None or option.verb else option.flag
    return f"{named}: {on_command_line(text[len(where) + 2 :], options)}"
