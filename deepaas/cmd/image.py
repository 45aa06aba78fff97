# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas image check``: will the platform take this image, or this service?"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from deepaas.config.client import load_client_settings
from deepaas.errors import ConfigurationError, DeepaasError
from deepaas.images import Asked, Verdict, check_image, check_service, stored_at
from deepaas.images.calling import MadeFile, given_file

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def main(argv: Sequence[str]) -> int:
    """Check an image or a service.

    Returns:
        0: all is good; 1: something is not, or could not be looked at; 2: wrong usage.
    """
    options = make_parser().parse_args(argv)
    is_service = re.match(r"https?://", options.target) is not None
    try:
        settings = load_client_settings(options.target if is_service else None, options.token_file)
        asked = Asked(settings, options.tries, options.model, _inputs(options.input))
    except ConfigurationError as exc:
        print(f"deepaas image: {exc.message}", file=sys.stderr)
        return EXIT_USAGE
    try:
        verdicts = check_service(asked) if is_service else _check_image(options, asked)
    except DeepaasError as exc:
        print(f"deepaas image: {exc.message}", file=sys.stderr)
        return EXIT_FAILED
    if options.json:
        print(json.dumps([asdict(each) for each in verdicts], indent=2, ensure_ascii=False))
    else:
        print(*verdicts, sep="\n")
    return 0 if all(each.is_good for each in verdicts) else EXIT_FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas image", description="Check images.", allow_abbrev=False
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="check an image or a running service", allow_abbrev=False
    )
    check.add_argument(
        "target",
        metavar="REF|URL",
        help="name in a registry, folder or archive (oci:, oci-archive:, docker-archive:), or the"
        " address of a service",
    )
    check.add_argument("--run", action="store_true", help="run the image too, by udocker")
    check.add_argument(
        "--tries", type=_count, default=30, help="how often a service is asked, a second apart"
    )
    check.add_argument("--model", metavar="NAME", help="the model to call; all of them")
    check.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a value for an argument, or a file: NAME=@FILE; may be repeated",
    )
    check.add_argument("--token-file", metavar="PATH", help="or the variable DEEPAAS_TOKEN")
    check.add_argument("--json", action="store_true", help="print a list of objects")
    return parser


def _check_image(options: argparse.Namespace, asked: Asked) -> list[Verdict]:
    verdicts = check_image(options.target)
    if options.run:
        from deepaas.images.running import running

        with running(options.target, stored_at(options.target)) as url:
            settings = replace(asked.settings, url=url)
            verdicts += check_service(replace(asked, settings=settings))
    return verdicts


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _inputs(given: Sequence[str]) -> dict[str, str | MadeFile]:
    inputs: dict[str, str | MadeFile] = {}
    for each in given:
        name, is_pair, value = each.partition("=")
        if not name or not is_pair:
            raise ConfigurationError(f"--input is {each!r}; write NAME=VALUE or NAME=@FILE.")
        inputs[name] = given_file(Path(value[1:])) if value.startswith("@") else value
    return inputs
