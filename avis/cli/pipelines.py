"""The pipelines as verbs of `avis`: it hands over to their scripts, with the arguments as they were typed."""

import ast
import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from avis.starting import BY_AVIS, PIPELINES, VERBS

USE, MAKE = "Use a model", "Make one: pipelines, with settings as <key>=<value>"

AS_TYPED = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""Options are the script's to read, ``--help`` among them."""


def add_pipelines(app: typer.Typer) -> None:
    """Add each script of ``pipelines/`` as a verb, described as it describes itself; nothing of it is imported."""
    for script in sorted(PIPELINES.glob("[!_]*.py")):
        if script.stem != "embed":  # which is a verb of its own, without Ray
            first_line = str(ast.get_docstring(ast.parse(script.read_text("utf-8")))).partition("\n")[0]
            does = re.sub(r": [^:]*->.*", ".", first_line)
            name = VERBS.get(script.stem, script.stem)
            verb = app.command(name, help=does, rich_help_panel=MAKE, add_help_option=False, context_settings=AS_TYPED)
            verb(_hand_over)


def _hand_over(context: typer.Context) -> None:
    """Become the process that ``python pipelines/<verb>.py`` would be."""
    os.environ[BY_AVIS] = "1"
    scripts = {verb: script for script, verb in VERBS.items()}
    script = scripts.get(str(context.info_name), context.info_name)
    os.execv(sys.executable, [sys.executable, str(PIPELINES / f"{script}.py"), *context.args])


class InGroups(TyperGroup):
    """Lists verbs in plain text, those of each group below its name."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.commands.items():
            does = verb.get_short_help_str(limit=120)
            groups.setdefault(getattr(verb, "rich_help_panel", None) or USE, []).append((name, does))
        for group, verbs in groups.items():
            with formatter.section(group):
                formatter.write_dl(verbs)
