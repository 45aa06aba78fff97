# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas``: the umbrella over the commands."""

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from deepaas import __version__
from deepaas.errors import DeepaasError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
#: Commands say themselves what is wrong with files; what is left is standard output.
_NO_OUTPUT = frozenset((errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF))


@dataclass(frozen=True)
class Command:
    """A subcommand: ``main(argv)`` of a module, imported when it is asked for."""

    name: str
    module: str
    help: str
    #: The extra of the package that it needs, if any.
    extra: str | None = None


COMMANDS = (
    Command("run", "deepaas.cmd.run", "serve models over HTTP (as deepaas-run)"),
    Command("cli", "deepaas.cmd.cli", "call a model here (as deepaas-cli)"),
    Command("predict", "deepaas.cmd.predict", "predict a file (as deepaas-predict)"),
    Command("function", "deepaas.cmd.function.main", "predict or train on what an event names"),
    Command("jobs", "deepaas.cmd.jobs.main", "list, follow, export the jobs of a service"),
    Command("keys", "deepaas.cmd.keys", "make and revoke the keys that sign in"),
    Command("config", "deepaas.cmd.settings.main", "show and check the settings of a service"),
    Command("storage", "deepaas.cmd.storage", "move files to and from remotes", "storage"),
    Command("init", "deepaas.cmd.init", "write a new package for a model", "tools"),
    Command("lint", "deepaas.cmd.lint", "find in a module what breaks later", "tools"),
    Command("export", "deepaas.cmd.export", "write the files that deploy a module", "tools"),
    Command("image", "deepaas.cmd.image", "check an image or a service", "tools"),
    Command("tosca", "deepaas.cmd.tosca", "check, translate, pack templates of TOSCA", "tools"),
    Command(
        "orchestrator",
        "deepaas.cmd.orchestrator.main",
        "deploy with a PaaS orchestrator, or here",
        "tools",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="deepaas", description="Serve and train models.")
    parser.add_argument("--version", action="version", version=f"deepaas {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for each in COMMANDS:
        commands.add_parser(each.name, help=each.help, add_help=False)
    commands.add_parser("models", help="list the installed models without importing them")
    known, _ = parser.parse_known_args(given[:1])
    chosen = next((each for each in COMMANDS if each.name == known.command), None)
    if chosen is not None:
        return _run(chosen, given[1:])
    parser.parse_args(given)
    return _list_models()


def _run(command: Command, argv: Sequence[str]) -> int:
    """Run a command; an extra that is not installed is no traceback but a remedy."""
    try:
        status: int = importlib.import_module(command.module).main(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"deepaas {command.name}: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as exc:
        if command.extra is None or (exc.name or "").partition(".")[0] == "deepaas":
            raise
        print(
            f"deepaas {command.name}: {exc.name!r} is not installed:"
            f" pip install 'deepaas[{command.extra}]'",
            file=sys.stderr,
        )
        return EXIT_FAILED
    except OSError as exc:
        if exc.errno not in _NO_OUTPUT or exc.filename is not None:
            raise
        return _end_without_output(command.name, exc)
    return status


def _end_without_output(name: str, exc: OSError) -> int:
    """Say why nothing can be printed any more, unless whoever was to read it is gone."""
    from deepaas.cmd.jobs.output import abandon

    if sys.stdout is not None:
        abandon(sys.stdout)
    if exc.errno != errno.EPIPE:
        print(f"deepaas {name}: its output cannot be written: {exc.strerror}.", file=sys.stderr)
    return EXIT_FAILED


def _list_models() -> int:
    from deepaas.model.discovery import list_sources

    try:
        for source in list_sources():
            print(f"{source.name}\t{source.value}\t{source.distribution} {source.version}")
    except DeepaasError as exc:
        print(f"deepaas: {exc.message}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
