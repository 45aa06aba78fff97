# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every option can be given in three ways, and a wrong value is named."""

import os
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from deepaas import __version__
from deepaas.config import FetchSettings, Settings, list_opts, load_settings
from deepaas.config.guards import GuardSettings, Rate, TlsSettings
from deepaas.config.oidc import OidcSettings, UserinfoUse
from deepaas.config.reading import read_options
from deepaas.config.sign_in import SignInSettings
from deepaas.config.storage import Pull, StorageSettings
from deepaas.config.watching import WatchingSettings
from deepaas.errors import ConfigurationError
from deepaas.records import LogSettings

#: Option: text of a value, its field in the settings, what it becomes there.
VALUES: dict[str, tuple[str, str, Any]] = {
    "listen-ip": ("::1", "listen_ip", "::1"),
    "listen-port": ("8080", "listen_port", 8080),
    "base-path": ("/a/b-c", "base_path", "/a/b-c"),
    "model-name": ("cat, pkg.mod:obj,,/x/y.py", "model_names", ("cat", "pkg.mod:obj", "/x/y.py")),
    "workers": ("3", "workers", 3),
    "devices": ("cuda:0, cpu", "devices", ("cuda:0", "cpu")),
    "predict-max-queue": ("0", "max_queue", 0),
    "predict-max-jobs": ("5", "predict_max_jobs", 5),
    "predict-timeout": ("2.5", "timeout_s", 2.5),
    "predict-kill-abandoned": ("true", "kill_abandoned", True),
    "worker-max-memory": ("10", "worker_memory_bytes", 10),
    "reload": ("true", "reload", True),
    "client-max-size": ("10", "client_max_bytes", 10),
    "form-max-parts": ("10", "form_max_parts", 10),
    "form-max-fields": ("10", "form_max_fields", 10),
    "form-max-text": ("10", "form_max_text_bytes", 10),
    "warm": ("false", "warm", False),
    "predict-endpoint": ("false", "predict_endpoint", False),
    "train-endpoint": ("false", "train_endpoint", False),
    "state-dir": ("/var/x", "state_dir", Path("/var/x")),
    "train-workers": ("2", "train_workers", 2),
    "train-max-log": ("1000000", "train_max_log_bytes", 1_000_000),
    "jobs-max-age": ("36h", "jobs_max_age", timedelta(hours=36)),
    "jobs-max-count": ("10", "jobs_max_count", 10),
    "jobs-max-size": ("20GB", "jobs_max_bytes", 20_000_000_000),
    "jobs-min-free": ("1GiB", "jobs_min_free_bytes", 1024**3),
    "cancel-grace": ("0.5", "cancel_grace_s", 0.5),
    "keep-trainings": ("true", "keep_trainings", True),
    "promote-in-place": ("true", "promote_in_place", True),
    "rewarm-after-train": ("true", "rewarm_after_train", True),
    "shutdown-grace": ("0", "shutdown_grace_s", 0.0),
    "metrics-endpoint": ("false", "watching", WatchingSettings(metrics_endpoint=False)),
    "access-log": ("true", "watching", WatchingSettings(access_log=True)),
    "slow-callback": ("0", "watching", WatchingSettings(slow_callback_s=0.0)),
    "history-interval": ("5", "watching", WatchingSettings(history_interval_s=5.0)),
    "allowed-origin": (
        "https://A.example:443/, http://b:8080",
        "guards",
        GuardSettings(allowed_origins=frozenset({"https://a.example", "http://b:8080"})),
    ),
    "allowed-host": (
        "Models.example, [fd00::1]:5000",
        "guards",
        GuardSettings(allowed_hosts=frozenset({"models.example", "[fd00::1]:5000"})),
    ),
    "trusted-proxy": (
        "10.0.0.5, fd00::/8",
        "guards",
        GuardSettings(trusted_proxies=(ip_network("10.0.0.5"), ip_network("fd00::/8"))),
    ),
    "proxy-header": ("forwarded", "guards", GuardSettings(reads_forwarded=True)),
    "rate-limit": ("600/min", "guards", GuardSettings(rate=Rate(600, 60.0))),
    "max-concurrent": ("5", "guards", GuardSettings(max_concurrent=5)),
    "max-connections": ("5", "guards", GuardSettings(max_connections=5)),
    "header-max-size": ("20000", "guards", GuardSettings(header_max_bytes=20_000)),
    "header-timeout": ("0", "guards", GuardSettings(header_timeout_s=0.0)),
    "body-timeout": ("2.5", "guards", GuardSettings(body_timeout_s=2.5)),
    "keep-alive-timeout": ("75", "guards", GuardSettings(keep_alive_timeout_s=75.0)),
    "tls-cert": ("/x", "guards", GuardSettings(tls=TlsSettings(Path("/x"), Path("/x")))),
    "listen-early": ("true", "listen_early", True),
    "doc-endpoint": ("false", "doc_endpoint", False),
    "debug-endpoint": ("true", "debug_endpoint", True),
    "hide-model-errors": ("true", "hide_model_errors", True),
    "debug": ("true", "log", LogSettings(debug=True)),
    "log-config-append": ("/x", "log", LogSettings(config_file="/x")),
    "log-date-format": ("%H", "log", LogSettings(date_format="%H")),
    "log-dir": ("/x", "log", LogSettings(file="/x/deepaas-run.log")),
    "log-file": ("/x", "log", LogSettings(file="/x")),
    "syslog-log-facility": ("LOG_LOCAL0", "log", LogSettings(syslog_facility="local0")),
    "use-journal": ("true", "log", LogSettings(use_journal=True)),
    "use-json": ("true", "log", LogSettings(use_json=True)),
    "use-syslog": ("true", "log", LogSettings(use_syslog=True)),
    "fetch": ("false", "fetching", FetchSettings(is_enabled=False)),
    "fetch-max-size": ("1MB", "fetching", FetchSettings(max_bytes=1_000_000)),
    "fetch-timeout": ("2.5", "fetching", FetchSettings(timeout_s=2.5)),
    "storage-pull": (
        "a:b=c=/d",
        "storage",
        StorageSettings(pulls=(Pull("a:b=c", Path("/d")),)),
    ),
    "storage-pull-required": ("false", "storage", StorageSettings(is_pull_required=False)),
    "storage-push-artifacts": ("a:b", "storage", StorageSettings(push_artifacts="a:b")),
    "fetch-allow": (
        "Store.example.org., 10.1.2.0/24,, ::1,host_1",
        "fetching",
        FetchSettings(
            networks=(ip_network("10.1.2.0/24"), ip_network("::1/128")),
            hosts=frozenset({"store.example.org", "host_1"}),
        ),
    ),
    "auth-keys-file": ("/x/keys", "sign_in", SignInSettings(keys_file=Path("/x/keys"))),
    "allow-read": ("anonymous", "sign_in", SignInSettings(allow={"read": "anonymous"})),
    "allow-predict": ("key:a,b=c", "sign_in", SignInSettings(allow={"predict": "key:a,b=c"})),
    "allow-train": ("role:x", "sign_in", SignInSettings(allow={"train": "role:x"})),
    "allow-manage": ("group:/g", "sign_in", SignInSettings(allow={"manage": "group:/g"})),
    "allow-jobs": ("signed-in", "sign_in", SignInSettings(allow={"jobs": "signed-in"})),
    "auth-issuer": ("https://a/,https://b", "oidc", OidcSettings(("https://a", "https://b"))),
    "auth-audience": ("a, b", "oidc", OidcSettings(audiences=("a", "b"))),
    "auth-clock-skew": ("5", "oidc", OidcSettings(clock_skew_s=5.0)),
    "auth-userinfo": ("always", "oidc", OidcSettings(userinfo=UserinfoUse.ALWAYS)),
    "auth-client-id": ("a,,b", "oidc", OidcSettings(client_ids=("a", "", "b"))),
    "auth-client-secret": ("a,b", "oidc", OidcSettings(client_secrets=("a,b",))),
    "auth-client-secret-file": ("/x", "oidc", OidcSettings(client_secret_file=Path("/x"))),
    "auth-opaque-userinfo": ("true", "oidc", OidcSettings(opaque_userinfo=True)),
    "auth-issuer-hosts": ("a, b:8443", "oidc", OidcSettings(issuer_hosts=("a", "b:8443"))),
    "auth-ca-file": ("/x", "oidc", OidcSettings(ca_file=Path("/x"))),
    "openwhisk-detect": ("true", "openwhisk", True),
}
WRONG = [
    ("listen-port", "70000"),
    ("listen-port", "http"),
    ("base-path", "x"),
    ("base-path", "/a//b"),
    ("base-path", "/{name}"),
    ("base-path", "/a?b"),
    ("workers", "-1"),
    ("workers", "many"),
    ("devices", "gpu:0"),
    ("devices", "cuda"),
    ("predict-max-queue", "-1"),
    ("predict-timeout", "-1"),
    ("predict-timeout", "inf"),
    ("worker-max-memory", "-1"),
    ("client-max-size", "-1"),
    ("form-max-parts", "0"),
    ("form-max-fields", "0"),
    ("form-max-text", "0"),
    ("train-workers", "-1"),
    ("train-max-log", "65535"),
    ("jobs-max-age", "30"),
    ("jobs-max-count", "-1"),
    ("jobs-max-size", "much"),
    ("jobs-min-free", "1XB"),
    ("allowed-origin", "portal.example"),
    ("allowed-origin", "https://portal.example/path"),
    ("allowed-origin", "*, https://portal.example"),
    ("allowed-host", "http://models.example"),
    ("allowed-host", "a.example, *"),
    ("trusted-proxy", "proxy.example"),
    ("trusted-proxy", "10.0.0.1/8"),
    ("proxy-header", "via"),
    ("rate-limit", "10"),
    ("rate-limit", "0/s"),
    ("rate-limit", "1/day"),
    ("max-concurrent", "-1"),
    ("max-connections", "-1"),
    ("header-max-size", "100"),
    ("header-timeout", "inf"),
    ("body-timeout", "-1"),
    ("keep-alive-timeout", "nan"),
    ("tls-key", "/x"),
    ("cancel-grace", "-1"),
    ("cancel-grace", "nan"),
    ("shutdown-grace", "inf"),
    ("slow-callback", "-1"),
    ("slow-callback", "nan"),
    ("slow-callback", "0.001"),
    ("history-interval", "inf"),
    ("history-interval", "0.5"),
    ("syslog-log-facility", "LOG_NOWHERE"),
    ("fetch-max-size", "much"),
    ("storage-pull", "a:b"),
    ("storage-pull", "a:b="),
    ("storage-pull", "a=/b"),
    ("storage-pull", "a:b=~nobody-of-that-name/c"),
    ("storage-push-artifacts", "/a"),
    ("storage-push-artifacts", "--a:b"),
    ("fetch-timeout", "inf"),
    ("fetch-timeout", "-1"),
    ("fetch-allow", "10.1.2.3/24"),
    ("fetch-allow", "a,http://b/"),
    ("fetch-allow", "127.1"),
    ("auth-issuer", "http://a.example"),
    ("auth-clock-skew", "-1"),
    ("auth-userinfo", "often"),
    ("auth-issuer-hosts", "a/b"),
]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no file or variable of this machine take part."""
    for name in os.environ:
        if name.startswith(("OS_", "DEEPAAS_API_KEYS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Nothing changes without the option.
    monkeypatch.setenv("__OW_API_HOST", "https://openwhisk")
    for name in ("XDG_STATE_HOME", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def flag(option: str, text: str) -> str:
    """Return an option as it is given on the command line."""
    if text in ("true", "false"):
        return f"--{'no' if text == 'false' else ''}{option}"
    return f"--{option}={text}"


def options() -> list[cfg.Opt]:
    return [opt for _, group in list_opts() for opt in group]


# Wrong


@pytest.mark.parametrize(("option", "text"), WRONG)
@pytest.mark.parametrize("way", ["flag", "environment", "file"])
def test_a_wrong_value_is_named_with_its_option(
    option: str, text: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = []
    name = option.replace("-", "_")
    match way:
        case "flag":
            argv = [flag(option, text)]
        case "environment":
            monkeypatch.setenv(f"OS_DEFAULT__{name.upper()}", text)
        case "file":
            file = tmp_path / "wrong.conf"
            file.write_text(f"[DEFAULT]\n{name} = {text}\n")
            argv = [f"--config-file={file}"]
    with pytest.raises(ConfigurationError) as caught:
        load_settings(argv)
    assert name in caught.value.message.replace("-", "_").lower()
    assert text in caught.value.message


def test_a_truth_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DEFAULT__WARM", "perhaps")
    with pytest.raises(ConfigurationError, match="OS_DEFAULT__WARM is 'perhaps'"):
        load_settings([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"workers\n", "wrong.conf"),
        (b"[DEFAULT]\nstate_dir = \xff\n", "decode"),
        (b"[DEFAULT]\nstate_dir = $nothing\n", "nothing"),
    ],
)
def test_a_file_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.conf"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        load_settings([f"--config-file={file}"])


@pytest.mark.parametrize("option", ["--config-file", "--config-dir"])
def test_a_file_that_is_not_there(option: str) -> None:
    with pytest.raises(ConfigurationError, match="/nowhere"):
        load_settings([option, "/nowhere"])


@pytest.mark.parametrize(
    ("argv", "number"),
    [([], 1), (["-p3"], 3), (["-p0"], 1), (["-p3", "--train-workers=1"], 1)],
)
def test_trainings_are_as_many_as_workers_unless_told_otherwise(
    argv: list[str], number: int
) -> None:
    assert load_settings(argv).train_workers == number


@pytest.mark.parametrize("argv", [["--nothing"], ["more"], ["--workers"]])
def test_a_wrong_command_line(argv: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=argv[0]):
        load_settings(argv)


def test_a_home_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="state-dir is '~nobody-here/x'"):
        load_settings(["--state-dir=~nobody-here/x"])


def test_settings_do_not_change() -> None:
    settings = load_settings([])
    with pytest.raises(FrozenInstanceError):
        settings.workers = 5  # type: ignore[misc]


# Right


@pytest.mark.row("C96", "C102")
@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("way", ["flag", "environment", "file", "folder"])
def test_an_option_can_be_given_in_each_way(
    option: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, field, value = VALUES[option]
    name = option.replace("-", "_")
    argv = []
    file = tmp_path / "given.conf"
    match way:
        case "flag":
            argv = [flag(option, text)]
        case "environment":
            monkeypatch.setenv(f"OS_DEFAULT__{name.upper()}", text)
        case "file":
            file.write_text(f"[DEFAULT]\n{name} = {text}\n")
            argv = [f"--config-file={file}"]
        case "folder":
            file.write_text(f"[DEFAULT]\n{name} = {text}\n")
            argv = [f"--config-dir={tmp_path}"]
    given, default = load_settings(argv), load_settings([]) if way == "flag" else None
    assert getattr(given, field) == value
    assert default is None or getattr(default, field) != value


def test_every_option_is_tried_here_and_becomes_a_setting() -> None:
    only_with_another = {"tls-key"}
    assert {opt.name for opt in options()} - only_with_another == set(VALUES)
    found = {field for _, field, _ in VALUES.values()}
    assert found | {"warnings", "state_dir_is_named"} == {f.name for f in fields(Settings)}


def test_every_option_says_what_it_does() -> None:
    assert all(opt.help and opt.help.endswith(".") for opt in options())


def test_files_are_found_in_the_home(tmp_path: Path) -> None:
    (tmp_path / ".deepaas").mkdir()
    (tmp_path / ".deepaas" / "deepaas.conf").write_text("[DEFAULT]\nworkers = 7\n")
    assert load_settings([]).workers == 7


def test_the_command_line_wins_over_environment_and_the_environment_over_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.conf"
    file.write_text("[DEFAULT]\nworkers = 2\n")
    in_file = f"--config-file={file}"
    assert load_settings([in_file, "--workers=4"]).workers == 4
    monkeypatch.setenv("OS_DEFAULT__WORKERS", "3")
    assert load_settings([in_file]).workers == 3
    assert load_settings(["--workers=4"]).workers == 4


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["-p", "2"], "workers", 2),
        (["-d"], "log", LogSettings(debug=True)),
        (["--base-path=/"], "base_path", ""),
        (["--base-path=/x/"], "base_path", "/x"),
        (["--model-name=a", "--model-name=b,c"], "model_names", ("b", "c")),
        (["--model-name= , "], "model_names", ()),
        (["--nowarm", "--warm"], "warm", True),
    ],
)
def test_forms_of_values(argv: list[str], field: str, value: Any) -> None:
    assert getattr(load_settings(argv), field) == value


@pytest.mark.parametrize(
    ("state_home", "given", "expected"),
    [
        (None, "", "{home}/.local/state/deepaas"),
        ("", "", "{home}/.local/state/deepaas"),
        ("relative", "", "{home}/.local/state/deepaas"),
        ("/var/state", "", "/var/state/deepaas"),
        ("/var/state", "/given", "/given"),
        (None, "~/given", "{home}/given"),
        (None, "given", "{here}/given"),
    ],
)
def test_where_the_state_is_kept(
    state_home: str | None,
    given: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if state_home is not None:
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    settings = load_settings([f"--state-dir={given}"] if given else [])
    assert settings.state_dir == Path(expected.format(home=tmp_path, here=here))
    assert settings.state_dir_is_named is bool(given)


def test_a_state_directory_is_named_in_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DEFAULT__STATE_DIR", "/named")
    settings = load_settings([])
    assert (settings.state_dir, settings.state_dir_is_named) == (Path("/named"), True)


def test_a_user_without_a_home_directory_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a user whom its image does not know."""

    def unknown(path: str) -> str:
        return path

    monkeypatch.setattr("os.path.expanduser", unknown)
    assert load_settings([]).state_dir == Path("/.local/state/deepaas")
    with pytest.raises(ConfigurationError, match=r"state-dir is '~/given'.*absolute path"):
        load_settings(["--state-dir=~/given"])


@pytest.mark.parametrize(("argv", "printed"), [("--version", __version__), ("--help", "usage")])
def test_only_asking(argv: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings([argv])
    assert caught.value.code == 0
    assert printed in capsys.readouterr().out


def test_a_model_in_the_server_cannot_be_reloaded() -> None:
    with pytest.raises(ConfigurationError, match="reload needs workers"):
        load_settings(["--workers=0", "--reload"])


@pytest.mark.parametrize(("visible", "refused"), [("5,7", False), ("5", True), ("", True)])
def test_a_device_must_be_one_that_the_service_may_use(
    visible: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if refused:
        with pytest.raises(ConfigurationError, match="there is no cuda:1"):
            load_settings(["--devices", "cpu,cuda:1"])
    else:
        assert load_settings(["--devices", "cpu,cuda:1"]).devices == ("cpu", "cuda:1")


@pytest.mark.parametrize("is_secret", [True, False])
@pytest.mark.parametrize("way", ["environment", "file"])
def test_a_secret_that_cannot_be_used_is_not_shown(
    way: str, is_secret: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = cfg.IntOpt("pin", secret=is_secret, help="A number.")
    file = tmp_path / "given.conf"
    file.write_text("[DEFAULT]\n" + ("pin = planted\n" if way == "file" else ""))
    if way == "environment":
        monkeypatch.setenv("OS_DEFAULT__PIN", "planted")
    with pytest.raises(ConfigurationError) as caught:
        read_options([option], [f"--config-file={file}"], prog="test", in_files=[])
    assert "pin" in caught.value.message.lower()
    assert ("planted" in caught.value.message) is not is_secret
    assert caught.value.__cause__ is None or not is_secret
