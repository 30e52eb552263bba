"""What is written in the source of models about them and their columns."""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from types import ModuleType


def first_line(text: str) -> str:
    """Return the first line of ``text``, as what follows a colon."""
    line = text.partition("\n")[0]
    return line[:1].lower() + line[1:]


def notes_of_model(model: type, *packages: str) -> dict[str, str]:
    """Return what is written below the attributes of a model, and of what it is made of.

    Only classes from modules of ``packages`` are read.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not each.__module__.startswith(packages):
            continue
        body = ast.parse(dedent(inspect.getsource(each))).body[0].body  # type: ignore[attr-defined]  # a class has one
        found |= {name: text.rstrip(".") for name, text in _told_below(body)}
    return found


def notes_of_module(module: ModuleType) -> dict[str, str]:
    """Return what is written below the names that a module assigns."""
    return dict(_told_below(ast.parse(inspect.getsource(module)).body))


def _told_below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the names below which something is written, and its first line."""
    for above, below in pairwise(body):
        match above, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, first_line(inspect.cleandoc(text))
