# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The values of options: from the command line, then the environment, then files.

oslo.config on its own lets a file that names an option of the command line win over what stands
before it there, and says nothing of options it does not know. So the command line is read by
itself, and files are looked through for what nobody declared.
"""

import argparse
import difflib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from oslo_config import cfg

from deepaas import __version__
from deepaas.config.obsolete import OBSOLETE
from deepaas.errors import ConfigurationError

#: What existing deployments use: ``deepaas.conf``, and ``OS_DEFAULT__LISTEN_PORT`` and so on.
PROJECT = "deepaas"
ENVIRONMENT = "OS_DEFAULT__"
#: What is called so is not shown.
SECRET_NAME = re.compile(r"pass(word|wd|phrase)?(_|$)|secret|token|(^|_)keys?$|api_?key", re.I)


class Reading(NamedTuple):
    """What the options are."""

    #: By name, with underscores.
    values: Mapping[str, Any]
    #: What the operator should know and what is no error, for the log.
    warnings: tuple[str, ...]
    #: Where each value that is no default was set, by the same names: the name of an option of the
    #: command line, of a variable, or ``file: name``.
    origins: Mapping[str, str]


class _File(NamedTuple):
    path: str
    #: Of the section ``DEFAULT``, as written; the last one of a name.
    texts: Mapping[str, str]


class _FileParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}.")


def read_options(
    options: Sequence[cfg.Opt],
    argv: Sequence[str],
    *,
    prog: str,
    in_files: Iterable[cfg.Opt],
    without_meaning: Sequence[cfg.Opt] = (),
    epilog: str | None = None,
) -> Reading:
    """Read options of a command.

    Args:
        options: Those of the command.
        argv: Its arguments.
        prog: Its name.
        in_files: What a file may hold, since commands share files.
        without_meaning: What the command line may hold too; it is checked, and sets nothing.
        epilog: The end of the help.

    Raises:
        ConfigurationError: A file cannot be read or holds what nobody declared, or a value cannot
            be used; the message names file or variable, option and value.
        SystemExit: The command line asked for help or the version only.
    """
    paths, rest = _files(argv, prog)
    given = _command_line(options, rest, prog, paths, without_meaning, epilog)
    files = [_read_file(path) for path in paths]
    known = {name for option in (*in_files, *options) for name in _names(option)}
    warnings = [text for file in files for text in _unknown(file, known)]
    warnings += _unknown_variables(known)
    conf = cfg.ConfigOpts()
    conf.register_opts(options)
    try:
        conf([], PROJECT, prog, default_config_files=paths, default_config_dirs=[])
        for name, value in given.items():
            conf.set_override(name, value)
        values = {option.dest: _value(conf, option, files) for option in options}
    except (cfg.Error, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc
    return Reading(values, tuple(warnings), _origins(options, given, files))


def _files(argv: Sequence[str], prog: str) -> tuple[list[str], list[str]]:
    """Return the files to read, later ones win, and the arguments that do not name one."""
    parser = _FileParser(add_help=False)
    parser.add_argument("--config-file", action="append")
    parser.add_argument("--config-dir", action="append")
    named, rest = parser.parse_known_args(argv)
    if named.config_file is None:
        files = cfg.find_config_files(PROJECT, prog)
    else:
        files = [str(Path(file).expanduser().absolute()) for file in named.config_file]
    if named.config_dir is None:
        folders = [Path(folder) for folder in cfg.find_config_dirs(PROJECT, prog)]
    else:
        folders = [Path(folder).expanduser().absolute() for folder in named.config_dir]
        for folder in folders:
            if not folder.is_dir():
                raise ConfigurationError(f"--config-dir: there is no directory {str(folder)!r}.")
    return files + [str(path) for folder in folders for path in sorted(folder.glob("*.conf"))], rest


def _command_line(
    options: Sequence[cfg.Opt],
    argv: Sequence[str],
    prog: str,
    files: list[str],
    without_meaning: Sequence[cfg.Opt],
    epilog: str | None,
) -> dict[str, Any]:
    """Return the options that the command line sets."""
    conf = cfg.ConfigOpts()
    conf.register_cli_opts((*options, *without_meaning))
    # Only shown by the help; read here, they would mix with the command line.
    shown = files if {"-h", "--help"} & set(argv) else []
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            conf(
                list(argv),
                PROJECT,
                prog,
                __version__,
                default_config_files=shown,
                default_config_dirs=[],
                epilog=epilog,
                use_env=False,
            )
    except SystemExit as exc:
        if not exc.code:
            raise
        # The last line says what is wrong, those before it how it is used.
        said = errors.getvalue().strip().rpartition("\n")[2]
        raise ConfigurationError(f"{said.removeprefix(f'{prog}: error: ')}; see --help.") from exc
    except (cfg.Error, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc
    try:
        return {
            option.dest: conf[option.dest]
            for option in options
            if (place := conf.get_location(option.dest)) is not None
            and place.location is cfg.Locations.command_line
        }
    except (cfg.Error, ValueError) as exc:
        raise ConfigurationError(str(exc)) from exc


def _read_file(path: str) -> _File:
    sections: dict[str, dict[str, Any]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except OSError as exc:
        raise ConfigurationError(f"{path}: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} cannot be decoded as UTF-8.") from exc
    except cfg.ParseError as exc:
        shown = "" if SECRET_NAME.search(exc.line) else f": {exc.line!r}"
        raise ConfigurationError(f"{path}, line {exc.lineno}: {exc.msg}{shown}") from exc
    for section in sections:
        if section != "DEFAULT":
            raise ConfigurationError(
                f"{path}: there is no section [{section}]; options stand in [DEFAULT]."
            )
    return _File(path, {name: texts[-1] for name, texts in sections.get("DEFAULT", {}).items()})


def _names(option: cfg.Opt) -> list[str]:
    """Return the names that an option may have in a file, the old ones too."""
    old = [each.name.replace("-", "_") for each in option.deprecated_opts if each.name]
    return [option.dest, *old]


def _unknown(file: _File, known: set[str]) -> list[str]:
    """Refuse what nobody declared; return what is to be said of the rest."""
    warnings = []
    for name in file.texts:
        if name in OBSOLETE:
            warnings.append(f"{file.path}: the option {name!r} has no meaning any more.")
        elif name not in known:
            alike = difflib.get_close_matches(name.replace("-", "_").lower(), sorted(known), n=1)
            hint = f"; is {alike[0]!r} meant?" if alike else "."
            # Without the value: whoever mistypes the name of a secret still has a secret.
            raise ConfigurationError(f"{file.path}: there is no option {name!r}{hint}")
    return warnings


def _origins(
    options: Sequence[cfg.Opt], given: Mapping[str, Any], files: Sequence[_File]
) -> dict[str, str]:
    found = {}
    for option in options:
        if option.dest in given:
            found[option.dest] = f"--{option.name}"
        elif place := _place(option, files):
            found[option.dest] = place[0]
    return found


def _unknown_variables(known: set[str]) -> list[str]:
    """Name what looks like an option in the environment; other programs may use the prefix too."""
    names = (name for name in sorted(os.environ) if name.startswith(ENVIRONMENT))
    return [
        f"The environment variable {name} sets no option of DEEPaaS."
        for name in names
        if name.removeprefix(ENVIRONMENT).lower() not in known | OBSOLETE
    ]


def _value(conf: cfg.ConfigOpts, option: cfg.Opt, files: Sequence[_File]) -> Any:
    try:
        return conf[option.dest]
    except (cfg.Error, ValueError) as exc:
        place, text = _origin(option, files)
        if option.secret:
            # What is wrong with a value quotes it.
            raise ConfigurationError(f"{place} cannot be used; a secret is not shown.") from None
        raise ConfigurationError(f"{place} is {text!r}: {_reason(option, text, exc)}") from exc


def _origin(option: cfg.Opt, files: Sequence[_File]) -> tuple[str, str]:
    """Return where the value in force was set, and its text there, for messages."""
    where, text = _place(option, files) or (f"--{option.name}", "")
    is_variable = where.startswith(ENVIRONMENT)
    return f"The environment variable {where}" if is_variable else where, text


def _place(option: cfg.Opt, files: Sequence[_File]) -> tuple[str, str] | None:
    variable = ENVIRONMENT + option.dest.upper()
    if variable in os.environ:
        return variable, os.environ[variable]
    for file in reversed(files):
        for name in _names(option):
            if name in file.texts:
                return f"{file.path}: {name}", file.texts[name]
    return None


def _reason(option: cfg.Opt, text: str, exc: Exception) -> str:
    try:
        option.type(text)
    except ValueError as why:
        return f"{str(why).rstrip('.')}."
    return f"{exc}."
