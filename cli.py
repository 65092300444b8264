"""The console script `strongroom`: builds the command tree, and turns a declared error into a message and exit code.

Nothing else is done here. Each command is a module of `commands/`, imported only when it is called, so that `--help`
and small queries start fast.
"""

from __future__ import annotations

import atexit
import gc

# How often Python looks for garbage, set before the imports: modules are none, and with the default, a look at every
# 700 new objects and at all of them in the end, looking was a fifth of a short command.
gc.set_threshold(20_000)
atexit.register(gc.freeze)

import importlib
import os
import sys

import click

from base.errors import EvidenceError, UsageError
from base.version import VERSION
from commands.output import asks_for_json, show_error

# name on the command line -> (module, its click command, one line of help)
_COMMANDS = {
    "init": ("commands.init", "init", "Make a store: keys, log, catalogue, settings."),
    "demo": ("commands.demo", "demo", "Run the whole way once on the sample footage."),
    "watch": ("commands.watch", "watch", "Take footage from the shares into evidence."),
    "status": ("commands.status", "status", "Drops in progress, what waits for a person, disk, last checkpoint."),
    "find": ("commands.search", "find", "Search the catalogue."),
    "show": ("commands.show", "show", "Show one item or drop: everything."),
    "sheet": ("commands.sheet", "sheet", "Make a contact sheet: one HTML file."),
    "verify": ("commands.verify", "verify", "Check everything, and list all damage."),
    "audit": ("commands.audit", "audit", "What an inspector asks: refused, missing, changed, looked at, given away."),
    "drop": ("commands.drop", "drop", "State and receipts of drops."),
    "log": ("commands.log", "log", "The custody log: show entries, hand out receipts, export."),
    "checkpoint": ("commands.checkpoint", "checkpoint", "The signed checkpoint of the log."),
    "catalog": ("commands.catalog", "catalog", "The catalogue: check or rebuild it."),
    "role": ("commands.role", "role", "Who may do what."),
    "key": ("commands.keys", "key", "The keys of the log: list, enrol, revoke, back up."),
    "analyse": ("commands.analyse", "analyse", "Look at sealed items in the sandbox."),
    "doctor": ("commands.doctor", "doctor", "Check this machine."),
    "selftest": ("commands.selftest", "selftest", "Known answers of hashes, signatures, proofs and the sandbox."),
    "config": ("commands.config", "config", "Show the settings."),
}


class _LazyCommands(click.Group):
    """A group whose commands are imported when they are called, and not to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="strongroom", message="%(prog)s %(version)s")
def strongroom() -> None:
    """Take covert-camera footage into evidence: sealed, signed in a public-format log, searchable, and checkable."""


def main() -> int:
    """Run the command line and return its exit code."""
    os.umask(0o077)
    try:
        code = strongroom.main(standalone_mode=False)
        sys.stdout.flush()  # here, where a reader who has gone is still no bug
    except EvidenceError as error:
        return _ended_by(error)
    except click.ClickException as error:
        if asks_for_json(sys.argv[1:]):
            return _ended_by(UsageError(error.format_message()))
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped by Ctrl-C before the end. What is recorded stays so; run the command again.", err=True)
        return 130
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has gone: nothing is wrong here, and nothing more can be said. Without standalone mode
        # click raises SystemExit for this only, with a 1 that would mean a bug.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # what the system refuses is the surroundings' fault, wherever it was met
        from base.fsio import DiskError  # here, so that --help does not pay for it

        return _ended_by(DiskError.from_os(error, "the system refused a file"))
    except Exception as error:  # noqa: BLE001 - exit code 1 means exactly this: an error that nobody declared
        from commands.bug_report import report_bug  # what it imports would cost every start a tenth

        return report_bug(error)
    # Without standalone mode click hands the code of `ctx.exit` back as the result.
    return code if isinstance(code, int) else 0


def _ended_by(error: EvidenceError) -> int:
    show_error(error, as_json=asks_for_json(sys.argv[1:]))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
