# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas``: the umbrella over the commands."""

import argparse
import sys
from collections.abc import Sequence

from deepaas import __version__
from deepaas.errors import DeepaasError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="deepaas", description="Serve and train models.")
    parser.add_argument("--version", action="version", version=f"deepaas {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="serve models over HTTP (as deepaas-run)", add_help=False)
    commands.add_parser("cli", help="call a model here (as deepaas-cli)", add_help=False)
    commands.add_parser("predict", help="predict a file (as deepaas-predict)", add_help=False)
    commands.add_parser("jobs", help="list, follow, export the jobs of a service", add_help=False)
    commands.add_parser("keys", help="make and revoke the keys that sign in", add_help=False)
    commands.add_parser("models", help="list the installed models without importing them")
    known, rest = parser.parse_known_args(given[:1])
    rest = given[1:]
    if known.command == "run":
        from deepaas.cmd import run

        return run.main(rest)
    if known.command == "cli":
        from deepaas.cmd import cli

        return cli.main(rest)
    if known.command == "predict":
        from deepaas.cmd import predict

        return predict.main(rest)
    if known.command == "jobs":
        from deepaas.cmd.jobs import main as jobs

        return jobs.main(rest)
    if known.command == "keys":
        from deepaas.cmd import keys

        return keys.main(rest)
    parser.parse_args(given)
    return _list_models()


def _list_models() -> int:
    from deepaas.model.discovery import list_sources

    try:
        for source in list_sources():
            print(f"{source.name}\t{source.value}\t{source.distribution} {source.version}")
    except DeepaasError as exc:
        print(f"deepaas: {exc.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
