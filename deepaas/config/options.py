# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The declarations: name, type, default, range and help of every option."""

from oslo_config import cfg

from deepaas.config.fetching import FETCH_OPTIONS
from deepaas.config.guards import GUARD_OPTIONS
from deepaas.config.oidc import OIDC_OPTIONS
from deepaas.config.openwhisk import OPENWHISK_OPTIONS
from deepaas.config.sign_in import SIGN_IN_OPTIONS
from deepaas.config.storage import STORAGE_OPTIONS
from deepaas.config.watching import WATCHING_OPTIONS

#: What decides which models there are, and how they start; of every command.
MODEL_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "model-name",
        default="",
        help="Models to serve, comma-separated: names of entry points, package.module:object,"
        " or paths of Python files. Empty: what the environment variable DEEPAAS_V2_MODEL says,"
        " or every installed model.",
    ),
    cfg.BoolOpt("warm", default=True, help="Call warm() before serving and before training."),
)

LOG_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt("debug", short="d", default=False, help="Log more."),
    cfg.StrOpt(
        "log-config-append",
        deprecated_name="log_config",
        metavar="PATH",
        default="",
        help="File with a configuration of Python's logging, as INI (fileConfig) or JSON"
        " (dictConfig); the other options of logging have no effect then.",
    ),
    cfg.StrOpt(
        "log-date-format",
        metavar="FORMAT",
        default="",
        help="How times are written, for strftime. Empty: ISO 8601 with milliseconds.",
    ),
    cfg.StrOpt(
        "log-file",
        deprecated_name="logfile",
        metavar="PATH",
        default="",
        help="File to append the log to, instead of standard error; relative to log-dir.",
    ),
    cfg.StrOpt(
        "log-dir",
        deprecated_name="logdir",
        metavar="PATH",
        default="",
        help="Directory of the log file, which is named after the command unless log-file says"
        " otherwise.",
    ),
    cfg.BoolOpt("use-syslog", default=False, help="Send the log to syslog too."),
    cfg.BoolOpt("use-journal", default=False, help="Send the log to systemd's journal too."),
    cfg.BoolOpt("use-json", default=False, help="Write each line of the log as a JSON object."),
    cfg.StrOpt(
        "syslog-log-facility",
        default="LOG_USER",
        help="Facility for syslog, with or without the LOG_ in front.",
    ),
)

SERVER_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "listen-ip",
        default="127.0.0.1",
        help="Address to listen on; 0.0.0.0 or :: for every interface.",
    ),
    cfg.PortOpt("listen-port", default=5000, help="Port to listen on; 0: any free one."),
    cfg.BoolOpt(
        "listen-early",
        default=False,
        help="Listen before the models are loaded and warm; they answer 503 until then.",
    ),
    cfg.StrOpt(
        "base-path",
        default="",
        help="Prefix of every route and link; must start with a slash.",
    ),
    cfg.IntOpt(
        "workers",
        short="p",
        default=1,
        min=0,
        help="Processes per model that predict. With 0 predictions run in a thread of the server,"
        " one at a time, without the other options about workers: for debuggers, not for service.",
    ),
    cfg.StrOpt(
        "devices",
        default="",
        help="Devices that workers are given in turn, comma-separated: cuda:0,cuda:1 or cpu. A"
        " worker sees no other GPU (CUDA_VISIBLE_DEVICES). Empty: every worker sees all.",
    ),
    cfg.IntOpt(
        "predict-max-queue",
        default=1024,
        min=0,
        help="Predictions of a model that may wait for a worker; one more is answered 503.",
    ),
    cfg.IntOpt(
        "predict-max-jobs",
        default=10_000,
        min=0,
        help="Predictions of a model that may be queued as jobs (Prefer: respond-async); one more"
        " is answered 503.",
    ),
    cfg.FloatOpt(
        "predict-timeout",
        default=0.0,
        min=0.0,
        help="Seconds that a prediction may wait, and may run, before it is answered 504; its"
        " worker is then replaced. A model may set its own. 0: no limit.",
    ),
    cfg.BoolOpt(
        "predict-kill-abandoned",
        default=False,
        help="End a running prediction, and replace its worker, when its client has left.",
    ),
    cfg.IntOpt(
        "worker-max-memory",
        default=0,
        min=0,
        help="Resident memory in bytes beyond which a worker is replaced. 0: no limit.",
    ),
    cfg.BoolOpt(
        "reload",
        default=False,
        help="Load a model anew when its source files change: for development.",
    ),
    cfg.IntOpt(
        "client-max-size",
        default=0,
        min=0,
        help="Largest body of a request in bytes; 0: no limit.",
    ),
    cfg.IntOpt(
        "form-max-parts",
        default=1000,
        min=1,
        help="Most parts of a multipart form, files and texts together.",
    ),
    cfg.IntOpt(
        "form-max-fields",
        default=10_000,
        min=1,
        help="Most fields of an urlencoded form.",
    ),
    cfg.IntOpt(
        "form-max-text",
        default=16 * 1024 * 1024,
        min=1,
        help="Most text of a form in bytes, which is held in memory; files are not.",
    ),
    cfg.BoolOpt("predict-endpoint", default=True, help="Offer predictions."),
    cfg.BoolOpt("train-endpoint", default=True, help="Offer trainings and evaluations."),
    cfg.BoolOpt("doc-endpoint", default=True, help="Offer the page /api, which tries the API out."),
    cfg.BoolOpt(
        "debug-endpoint",
        default=False,
        help="Offer /v2/debug/, which shows the log and what the models print to anyone who asks.",
    ),
    cfg.BoolOpt(
        "hide-model-errors",
        default=False,
        help="Do not tell clients what the exception of a model says; the log has it all the same.",
    ),
    cfg.StrOpt(
        "state-dir",
        default="",
        help="Directory that keeps trainings and what they make. Empty: deepaas in"
        " $XDG_STATE_HOME, or in ~/.local/state; if that cannot be written, a temporary directory,"
        " which is lost when the server ends.",
    ),
    cfg.IntOpt(
        "train-workers",
        default=0,
        min=0,
        help="Trainings and evaluations that run at once, counting those of other servers on the"
        " same state-dir that serve the same models. 0: as many as --workers says, at least one.",
    ),
    cfg.IntOpt(
        "train-max-log",
        default=100 * 1024 * 1024,
        min=0,
        help="Bytes kept of what one training prints: of more, the beginning and the end, at least"
        " 65536. 0: all.",
    ),
    cfg.StrOpt(
        "jobs-max-age",
        metavar="AGE",
        default="",
        help="Remove jobs (trainings) that ended longer ago, such as 30d or 12h, with all they"
        " made; never one that was promoted. Empty: none is too old.",
    ),
    cfg.IntOpt(
        "jobs-max-count",
        default=0,
        min=0,
        help="Keep so many jobs of each model and kind that have ended, and remove those that ended"
        " first. 0: all.",
    ),
    cfg.StrOpt(
        "jobs-max-size",
        metavar="SIZE",
        default="",
        help="Space that jobs that have ended may take together, such as 20GB; those that ended"
        " first are removed. Empty: no limit.",
    ),
    cfg.StrOpt(
        "jobs-min-free",
        metavar="SIZE",
        default="",
        help="Space that must be free on the disk of state-dir, such as 1GB, for another job to be"
        " taken; otherwise it is answered 507. Empty: any.",
    ),
    cfg.FloatOpt(
        "cancel-grace",
        default=5.0,
        min=0.0,
        help="Seconds that a training gets to end after SIGTERM, before SIGKILL.",
    ),
    cfg.BoolOpt(
        "keep-trainings",
        default=False,
        help="Let running trainings go on when the server ends; the next one follows them.",
    ),
    cfg.BoolOpt(
        "promote-in-place",
        default=False,
        help="When another version of a model is promoted, end what serves now before the new one"
        " is loaded, for memory that does not hold both; predictions wait meanwhile. Without, it is"
        " done where the new one is seen to run out of memory.",
    ),
    cfg.BoolOpt(
        "rewarm-after-train",
        default=False,
        help="Replace the workers of a model, one by one, after each of its trainings that"
        " succeeds: for models that keep what they learn in a place of their own.",
    ),
    cfg.FloatOpt(
        "shutdown-grace",
        default=5.0,
        min=0.0,
        help="Seconds that running predictions get when the server ends.",
    ),
    *FETCH_OPTIONS,
    *STORAGE_OPTIONS,
    *GUARD_OPTIONS,
    *SIGN_IN_OPTIONS,
    *OIDC_OPTIONS,
    *WATCHING_OPTIONS,
    *OPENWHISK_OPTIONS,
)

# The names are those of version 2: long, so that no argument of a model has them.
CLI_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "deepaas_method_output",
        metavar="FILE",
        default="",
        help="File for the result, instead of standard output.",
    ),
    cfg.BoolOpt(
        "deepaas_with_multiprocessing",
        default=True,
        help="Run the model in a process of its own; without, a debugger works.",
    ),
    cfg.StrOpt(
        "deepaas_artifact_dir",
        metavar="DIR",
        default="",
        help="Folder that artifact_dir() of a training gives. Empty: a new one in the current"
        " folder, made when the training first asks for it.",
    ),
    cfg.StrOpt(
        "deepaas_model_dir",
        metavar="DIR",
        default="",
        help="Folder that model_dir() gives, as if its files were the version that is served: what"
        " a training left in its folder for artifacts. Empty: the package as installed.",
    ),
)

PREDICT_OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "input-file", short="i", metavar="FILE", default="", help="File to predict, or its address."
    ),
    cfg.StrOpt(
        "output",
        short="o",
        metavar="PATH",
        default="",
        help="File for the answer; a folder, or a path that ends in a slash: a file in it.",
    ),
    cfg.StrOpt(
        "content-type",
        short="c",
        metavar="TYPE",
        default="",
        help="Media type of the answer, one that the model offers. Empty: application/json.",
    ),
    cfg.BoolOpt("url", short="u", default=False, help="The input file is an address: fetch it."),
)

#: What a file may hold, since all commands read the same.
FILE_OPTIONS = (*MODEL_OPTIONS, *LOG_OPTIONS, *SERVER_OPTIONS, *CLI_OPTIONS)


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """Return the options of ``deepaas-run``, for oslo.config's generator and the documentation."""
    return [(None, [*SERVER_OPTIONS, *MODEL_OPTIONS, *LOG_OPTIONS])]
