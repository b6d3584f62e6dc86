"""Pages that the code writes: a comment `<!-- generated: NAME -->` on a line of its own becomes
what the function NAME here makes of the registry of variables, the models' cards or the command
line.

Nothing here imports PyMC, and nothing is written into the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bayesmixer.card import Card, Prior, cards
from bayesmixer.variables import KINDS

PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.M)
FAMILIES = {
    "normal": "normal, mean {} and sd {}",
    "logistic": "logistic, location {} and scale {}",
    "log_half_normal": "log of a half-normal of scale {}",
    "excess": "of uniform excess over the least",
}
WIDTH = 88  # of the help of a command


def filled(text: str) -> str:
    """A page with what is generated in its places."""
    return PLACE.sub(lambda place: MAKERS[place[1]](), text)


def table(head: str, rows: list[list[str]]) -> str:
    """A table of Markdown."""
    names = head.split(", ")
    lines = [
        names,
        ["---"] * len(names),
        *([cell.replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def variables(kind: str) -> str:
    """The variables of one kind of dataset."""
    rows = []
    for name, one in KINDS[kind].items():
        told = [one.meaning, one.detail, "" if one.required else "optional"]
        meaning = "; ".join(part for part in told if part)
        dims = " or ".join(f"({', '.join(dims)})" for dims in one.dims)
        rows.append([f"`{name}`", dims, one.made, one.unit, meaning])
    return table("variable, dims, dtype, unit, meaning", rows)


def prior(one: Prior) -> str:
    """A prior in words."""
    numbers = [f"{number:g}" for number in one.numbers]
    if one.family in FAMILIES:
        return FAMILIES[one.family].format(*numbers)
    return f"{one.family} of {', '.join(numbers)}"


def model(card: Card) -> str:
    """A model's free parameters and what it reports."""
    free = [
        [f"`{one.name}`", f"{one.box[0]:.3g} to {one.box[1]:.3g}", prior(one.weak), one.weak.means]
        for one in card.free
    ]
    reported = [[f"`{one.name}`", one.meaning] for one in card.reported]
    facts = [
        f"`bayesmixer.models.{card.name}`",
        f"on the command line `bayesmixer fit {card.verb}`" if card.verb else "",
        f"options {', '.join(f'`{name}`' for name in card.options)}" if card.options else "",
        f"needs {', '.join(f'`{name}`' for name in card.needs)} of {card.kind}",
        f"independent units: `{card.unit}`",
    ]
    return "\n\n".join(
        [
            f"## {card.name}",
            card.summary,
            "\n".join(f"- {fact}" for fact in facts if fact),
            table("free parameter, search box, weak prior, what 95% of it says", free),
            table("reported, meaning", reported),
        ]
    )


def own_functions() -> list[str]:
    """Models that a function of their own makes, unlike those that users build."""
    return [name for name in sorted(cards()) if cards()[name].free]


def models() -> str:
    """Every model."""
    return "\n\n".join(model(cards()[name]) for name in own_functions())


def functions() -> str:
    """The functions that make models."""
    lines = [f".. autofunction:: bayesmixer.models.{name}" for name in own_functions()]
    return "\n".join(["```{eval-rst}", *lines, "```"])


def verbs() -> Iterator[tuple[list[str], Any]]:
    """Every verb of the command line, as its words and its command."""
    from typer.main import get_command

    from bayesmixer.cli.main import app

    def under(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
        if not (inner := getattr(command, "commands", None)):
            yield words, command
        else:
            for name, one in inner.items():
                yield from under(one, [*words, name])

    yield from under(get_command(app), ["bayesmixer"])


def commands() -> str:
    """The help of every verb, as a terminal shows it."""
    parts = []
    for words, command in verbs():
        name = " ".join(words)
        context = command.make_context(
            name, [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
        )
        parts.append(f"### {name}\n\n```text\n{command.get_help(context).strip()}\n```")
    return "\n\n".join(parts)


MAKERS: dict[str, Callable[[], str]] = {
    **{kind: partial(variables, kind) for kind in KINDS},
    "models": models,
    "functions": functions,
    "commands": commands,
}
