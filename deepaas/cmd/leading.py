# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where the options of a command end and its method stands."""

from collections.abc import Mapping, Sequence

from oslo_config import cfg


def method_at(argv: Sequence[str], options: Sequence[cfg.Opt]) -> int:
    """Return where the first argument is that is neither an option nor the value of one.

    Args:
        argv: The arguments of the command; names may be abbreviated, as argparse allows.
        options: Those of the command.

    Returns:
        Its index; the number of arguments if there is none.
    """
    takes_value = _takes_value(options)
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at += 2 if _takes_next(argv[at], takes_value) else 1
    return min(at, len(argv))


def _takes_value(options: Sequence[cfg.Opt]) -> dict[str, bool]:
    """Return every way to write an option, and whether a value belongs to it."""
    found = {"--config-file": True, "--config-dir": True, "--help": False, "--version": False}
    for option in options:
        takes = not isinstance(option, cfg.BoolOpt)
        old = (each.name for each in option.deprecated_opts if each.name)
        names = [f"--{name}" for name in (option.name, *old)]
        if option.short:
            names.append(f"-{option.short}")
        if not takes:
            names.append(f"--no{option.name}")
        found |= dict.fromkeys(names, takes)
    return found


def _takes_next(text: str, takes_value: Mapping[str, bool]) -> bool:
    """Whether the argument behind this option is its value."""
    if not text.startswith("--"):
        return _ends_open(text[1:], takes_value)
    if text in takes_value:
        return takes_value[text]
    # One with its value behind = is no beginning of a name.
    fitting = [takes for name, takes in takes_value.items() if name.startswith(text)]
    return len(fitting) == 1 and fitting[0]


def _ends_open(letters: str, takes_value: Mapping[str, bool]) -> bool:
    """Whether the last of these short options waits for its value: ``-dp``, but not ``-p2``."""
    for number, letter in enumerate(letters, start=1):
        takes = takes_value.get(f"-{letter}")
        if takes is None:
            return False
        if takes:
            return number == len(letters)
    return False
