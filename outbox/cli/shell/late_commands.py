"""A group whose commands are loaded when they are called: all of them together need every library there is."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from outbox.cli.shell.loading import loading


class Late(NamedTuple):
    """A command that is not loaded: where it is, and what a list of commands says of it.

    name: of the function in the module, or of the Typer that is a group. help: its first sentence, once more.
    """

    module: str
    name: str
    help: str


class LateCommands(TyperGroup):
    """Lists its commands without loading one. Subclasses say for which program, and which there are."""

    program: ClassVar[str]
    late: ClassVar[dict[str, Late]]
    kind: ClassVar[type[TyperCommand]] = TyperCommand
    """The class of those that are no groups."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands(self.program, self.late, self.kind)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.late)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Returns what stands for a command in a list; `resolve_command` returns the command."""
        late = self.late.get(cmd_name)
        return None if late is None else TyperCommand(cmd_name, help=late.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, None if found is None else self.commands[str(name)], rest


class _Commands(UserDict[str, Any]):
    """The commands by their names, each loaded when it is looked up."""

    def __init__(self, program: str, late: dict[str, Late], kind: type[TyperCommand]) -> None:
        super().__init__(late)
        self._program = program
        self._kind = kind

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, Late):
            self.data[name] = found = self._loaded(name, found)
        return found

    def _loaded(self, name: str, late: Late) -> Any:
        with loading(self._program):
            found = getattr(import_module(late.module), late.name)
        app = typer.Typer(rich_markup_mode=None)  # as the program's own
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name, cls=self._kind)(found)
        return typer.main.get_group(app).commands[name]
