# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What files and scripts for version 2 may set that has no meaning any more: no mistake."""

from copy import copy

from oslo_config import cfg

from deepaas.config.options import SERVER_OPTIONS

#: In files, with a warning.
OBSOLETE = frozenset(
    {
        "default_log_levels",
        "fatal_deprecations",
        "instance_format",
        "instance_uuid_format",
        "log_color",
        "log_rotate_interval",
        "log_rotate_interval_type",
        "log_rotation_type",
        "logging_context_format_string",
        "logging_debug_format_suffix",
        "logging_default_format_string",
        "logging_exception_prefix",
        "logging_user_identity_format",
        "max_logfile_count",
        "max_logfile_size_mb",
        "publish_errors",
        "rate_limit_burst",
        "rate_limit_except_level",
        "rate_limit_interval",
        "use_eventlog",
        "use_stderr",
        "watch_log_file",
    }
)

#: At the command line of whatever has the options of logging.
LOG_FLAGS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt(
        "watch-log-file",
        default=True,
        help="Has no meaning any more: a log file that was moved is always made anew.",
    ),
)

_OF_THE_SERVER = (
    "workers",
    "client-max-size",
    *(f"{name}-endpoint" for name in ("predict", "train", "doc", "debug")),
)


def _without_meaning(option: cfg.Opt) -> cfg.Opt:
    accepted = copy(option)
    accepted.help = "Of deepaas-run; accepted here as in version 2, and without meaning."
    return accepted


#: At the command line of ``deepaas-cli``, which had the server's options too.
CLI_FLAGS: tuple[cfg.Opt, ...] = (
    *(_without_meaning(option) for option in SERVER_OPTIONS if option.name in _OF_THE_SERVER),
    *LOG_FLAGS,
)
