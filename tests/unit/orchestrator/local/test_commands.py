# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template's command says what to serve, and reaches no further."""

import re
import sys

import pytest

from deepaas.config.options import CLI_OPTIONS, LOG_OPTIONS, SERVER_OPTIONS
from deepaas.orchestrator.local.commands import CommandLine, environment_of
from deepaas.orchestrator.local.records import CannotDeploy

RUN = (sys.executable, "-P", "-m", "deepaas.cmd.run")
CLI = (sys.executable, "-P", "-m", "deepaas.cmd.cli")


def test_where_to_listen_and_keep_things_is_replaced() -> None:
    command = CommandLine("deepaas-run --listen-ip=0.0.0.0 --listen-port 5123 --state-dir=/srv -d")
    assert (command.is_job, command.port) == (False, 5123)
    assert command.argv("digits") == (*RUN, "--model-name=digits", "-d")
    assert CommandLine("deepaas-run").argv("") == RUN
    assert CommandLine("deepaas-run").port == 5000


def test_a_training_keeps_its_arguments_whatever_they_are() -> None:
    hostile = '"; rm -rf /"\n{{ }} $(id)'
    command = CommandLine(
        "deepaas-cli --deepaas_method_output=out.json train --note='\"; rm -rf /\"\n{{ }} $(id)'"
    )
    assert command.is_job
    assert command.argv("m") == (
        *CLI,
        *("--model-name=m", "--deepaas_method_output=out.json", "train", f"--note={hostile}"),
    )


def test_paths_of_the_container_lie_below_the_deployments_folder() -> None:
    command = CommandLine(
        "deepaas-cli --deepaas_method_output=/state/a.json --deepaas_artifact_dir //made train"
    )
    assert command.folders == ("made", "state")
    assert command.argv("") == (
        *CLI,
        *("--deepaas_method_output=state/a.json", "--deepaas_artifact_dir=made", "train"),
    )
    assert CommandLine("deepaas-cli --deepaas_method_output=a.json train").folders == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "only deepaas-run and deepaas-cli are"),
        ("rm -rf /", "only deepaas-run and deepaas-cli are"),
        ("/tmp/deepaas-run", "only deepaas-run and deepaas-cli are"),
        ("deepaas-run; rm -rf /", "needs a shell for ';'"),
        ("deepaas-run && id", "needs a shell for '&&'"),
        ("deepaas-run > /etc/x", "needs a shell for '>'"),
        ("deepaas-run 'open", "cannot be read"),
        ("deepaas-run \0", "holds what no command can"),
        ("deepaas-run \ud800", "holds what no command can"),
        ("deepaas-run --config-file=/tmp/x", "cannot set --config-file"),
        ("deepaas-run --config-f=/tmp/x", "may be short for --config-file"),
        ("deepaas-run --model=/tmp/x.py", "may be short for --model-name"),
        ("deepaas-run --log-config-append x", "cannot set --log-config-append"),
        ("deepaas-run --tls-key=/k", "cannot set --tls-key"),
        ("deepaas-run --model-name", "has no value"),
        (
            "deepaas-cli --deepaas_method_output=/ train",
            "names nothing in the deployment's",
        ),
        ("deepaas-cli --deepaas_artifact_dir=/a/../../x train", "names nothing in the deploy"),
        ("deepaas-cli --fetch-allow train --config-file=/x train", "cannot set --config-file"),
    ],
)
def test_what_reaches_further_is_refused(text: str, reason: str) -> None:
    with pytest.raises(CannotDeploy, match=reason.replace("(", r"\(")):
        CommandLine(text)


@pytest.mark.parametrize("port", ["0", "65536", "x", "²"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(CannotDeploy, match="which is no port"):
        _ = CommandLine(f"deepaas-run --listen-port={port}").port


def test_only_known_variables_are_passed() -> None:
    passed, notes = environment_of(
        {
            "RCLONE_CONFIG_RSHARE_PASS": "secret",
            "RCLONE_PASSWORD_COMMAND": "id",
            "RCLONE_CONFIG_RSHARE_SSH": "id",
            "DEEPAAS_V2_MODEL": "m",
            "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER": True,
            "jupyterPASSWORD": "",
            "OS_DEFAULT__LISTEN_PORT": 1,
            "OS_DEFAULT__CONFIG_FILE": "/x",
            "OS_DEFAULT__WORKERS": 2,
            "LD_PRELOAD": "/x.so",
            "PYTHONPATH": "/x",
            "MINE": "1",
            "DEEPAAS_X": "a\0b",
            "DEEPAAS_Y": None,
        },
        {"MINE"}.__contains__,
    )
    assert passed == {
        "RCLONE_CONFIG_RSHARE_PASS": "secret",
        "DEEPAAS_V2_MODEL": "m",
        "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER": "true",
        "jupyterPASSWORD": "",
        "OS_DEFAULT__WORKERS": "2",
        "MINE": "1",
    }
    told = " ".join(notes)
    assert "secret" not in told
    for name in (
        *("RCLONE_PASSWORD_COMMAND", "RCLONE_CONFIG_RSHARE_SSH", "OS_DEFAULT__CONFIG_FILE"),
        *("LD_PRELOAD", "PYTHONPATH", "DEEPAAS_X"),
    ):
        assert f"The variable {name} is not passed" in told


#: By every name that it may be given: options that say what is read or written on this machine.
NAMES_FILES = [
    name
    for option in (*LOG_OPTIONS, *SERVER_OPTIONS, *CLI_OPTIONS)
    if re.search("PATH|FILE|FOLDER|DIR", option.metavar or "")
    for name in (option.name, *(each.name for each in option.deprecated_opts))
]


@pytest.mark.parametrize("name", NAMES_FILES)
def test_no_option_that_names_files_gets_through(name: str) -> None:
    """Neither by the command, unless below the deployment's folder, nor by a variable."""
    program = "deepaas-cli" if name.startswith("deepaas_") else "deepaas-run"
    with pytest.raises(CannotDeploy):
        CommandLine(f"{program} --{name}=/../etc/x")
    variable = f"OS_DEFAULT__{name.replace('-', '_').upper()}"
    assert environment_of({variable: "/etc/x"}, lambda _: False)[0] == {}


def test_no_variable_names_a_file_with_a_secret() -> None:
    assert environment_of({"DEEPAAS_API_KEYS_FILE": "/etc/x"}, lambda _: False)[0] == {}
