# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What all processes of a command know of the log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the log goes, and how it looks; the same in every process of a command."""

    debug: bool = False
    #: Absolute path of the file to append to, ``None`` for standard error.
    file: str | None = None
    #: Absolute path of a configuration of Python's logging, in the place of everything else here.
    config_file: str | None = None
    #: For strftime; ``None`` for ISO 8601 with milliseconds.
    date_format: str | None = None
    use_syslog: bool = False
    #: A name of syslog(3), lower case and without ``LOG_``.
    syslog_facility: str = "user"
    use_journal: bool = False
    use_json: bool = False
