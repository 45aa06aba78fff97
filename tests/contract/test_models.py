# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How models are found, warmed and kept."""

import json
import sys
from pathlib import Path

import pytest

from tests.contract.conftest import MODELS
from tests.integration.harness import serve
from tests.integration.signals import Signals, serve_signalling
from tests.integration.test_commands import packages, run

CODE = """
class Model:
    def __init__(self):
        self.warmed = 0

    def warm(self):
        self.warmed += 1

    def predict(self):
        return self.warmed

instance = Model()

def predict():
    return "module"
"""


@pytest.mark.row("C79", "C84", "C101")
def test_an_entry_point_is_a_module_an_instance_or_a_class(tmp_path: Path) -> None:
    (tmp_path / "kinds_of_models.py").write_text(CODE)
    environment = packages(
        tmp_path,
        "a_module = kinds_of_models",
        "an_instance = kinds_of_models:instance",
        "a_class = kinds_of_models:Model",
    )
    names = ["a_module", "an_instance", "a_class"]
    with serve(",".join(names), tmp_path, environment=environment) as server:
        listed = server.get("/v2/models/").json["models"]
        assert [model["links"][0]["href"] for model in listed] == [f"/v2/models/{n}" for n in names]
        answers = [server.predict(name).json["predictions"] for name in names]
        assert answers == ["module", 1, 1]


OF_VERSION_2 = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import webargs
from webargs import fields

def get_predict_args():
    return {
        "n": fields.Int(missing=3, description="How many."),
        "kinds": fields.DelimitedList(fields.Int()),
        "many": fields.List(fields.Str()),
    }

def predict(**given):
    return [webargs.__version__, given]
"""
SITE = Path(__file__).parents[1] / "peers/.venv/lib" / "python{}.{}".format(*sys.version_info)


@pytest.mark.row("C18", "C30")
def test_the_webargs_that_packages_of_version_2_ask_for(tmp_path: Path) -> None:
    if sys.version_info >= (3, 12):
        pytest.skip("webargs 5.5.3 needs distutils, which Python 3.12 has no more")
    installed = SITE / "site-packages"
    if not (installed / "webargs").exists():
        pytest.skip("webargs 5.5.3 is not installed: make test installs it among the peers")
    for name in ("webargs", "webargs-5.5.3.dist-info"):
        (tmp_path / name).symlink_to(installed / name)
    (tmp_path / "old_model.py").write_text(OF_VERSION_2)
    environment = packages(tmp_path, "old = old_model")
    with serve("old", tmp_path, environment=environment) as server:
        answer = server.predict("old", kinds="1,2", many=["a", "b"])
        given = {"n": 3, "kinds": [1, 2], "many": ["a", "b"]}
        assert answer.json["predictions"] == ["5.5.3", given]
        answer = server.predict("old", kinds="1,x")
        assert (answer.status, list(answer.json)) == (422, ["kinds"])
        document = server.get("/swagger.json").json
        shown = document["paths"]["/v2/models/old/predict/"]["post"]["parameters"]
        assert [each["name"] for each in shown] == ["n", "kinds", "many"]


@pytest.mark.row("C83", "C86")
def test_all_installed_models_are_served_but_one_that_cannot_be_warmed(tmp_path: Path) -> None:
    (tmp_path / "good_model.py").write_text("def predict():\n    return 'good'\n")
    (tmp_path / "cold_model.py").write_text("def warm():\n    raise OSError('too cold')\n")
    environment = packages(tmp_path, "good = good_model", "cold = cold_model")
    with serve("", tmp_path, environment=environment, wait=False) as server:
        server.wait_live()
        names = {model["links"][0]["href"] for model in server.get("/v2/models/").json["models"]}
        assert "/v2/models/good" in names
        assert "/v2/models/cold" not in names
        assert server.predict("good").json["predictions"] == "good"
        assert server.predict("cold").status == 404
        ready = server.get("/v2/health/ready")
        assert ready.status == 503
        [reason] = [model["reason"] for model in ready.json["models"] if model["name"] == "cold"]
        assert "too cold" in reason


@pytest.mark.row("C86")
def test_the_variable_of_version_2_names_the_model(tmp_path: Path) -> None:
    (tmp_path / "good_model.py").write_text("def predict():\n    return 'good'\n")
    environment = packages(tmp_path, "good = good_model", "cold = raises_on_import")
    environment["DEEPAAS_V2_MODEL"] = "good"
    with serve("", tmp_path, environment=environment) as server:
        assert [model["name"] for model in server.get("/v2/models/").json["models"]] == ["good"]


@pytest.mark.row("C97", "C98")
def test_flags_of_old_images_are_accepted(tmp_path: Path) -> None:
    flags = (
        *("--openwhisk-detect", "--log-file=all.log", f"--log-dir={tmp_path}"),
        *("--log-date-format=%H", "--nouse-syslog", "--nouse-journal", "--use-json"),
        *("--syslog-log-facility=LOG_USER", "-d", "-p", "1"),
    )
    with serve(str(MODELS / "answers_by_class.py"), tmp_path, *flags) as server:
        assert server.predict("answers_by_class").status == 200
    assert "serving" in (tmp_path / "all.log").read_text()


@pytest.mark.row("C82", "C99")
def test_every_worker_is_warmed_once_before_the_port_opens(tmp_path: Path) -> None:
    signals = Signals(tmp_path / "signals")
    with serve(
        "waits_in_warm",
        tmp_path,
        "--workers=2",
        environment=signals.environment,
        wait=False,
    ) as server:
        signals.wait_note("warms", count=2)
        with pytest.raises(ConnectionRefusedError):
            server.get("/v2/health/live")
        signals.allow("go")
        server.wait_live()
        assert server.get("/v2/health/ready").json["models"][0]["workers"] == 2
        for _ in range(5):
            assert server.predict("waits_in_warm").status == 200
        assert signals.notes("warms") == ["", ""]


@pytest.mark.row("C108", "C111")
def test_a_model_without_arguments_breaks_no_command(tmp_path: Path) -> None:
    model = f"--model-name={MODELS / 'answers_by_class.py'}"
    done = run("cli", tmp_path, model, "predict")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"age": "7"})
    assert json.loads(run("cli", tmp_path, model, "get_metadata").stdout)["id"] == "0"
    assert run("cli", tmp_path, model, "warm").returncode == 0
    assert run("cli", tmp_path, model, "train").returncode == 1


@pytest.mark.row("C87")
def test_no_dummy_model_is_served(tmp_path: Path) -> None:
    environment = packages(tmp_path, "broken = raises_on_import")
    state = f"--state-dir={tmp_path / 'state'}"
    done = run("run", tmp_path, state, "--listen-port=0", "--model-name=broken", added=environment)
    assert done.returncode == 1
    assert "entry point 'broken = raises_on_import' of package fixture-0 1.0" in done.stderr
    assert "RuntimeError: libcuda is missing" in done.stderr


@pytest.mark.row("C60", "C63")
@pytest.mark.parametrize(
    ("what", "status", "text"),
    [
        ("ValueError", 500, "500: ValueError: seven is not a colour"),
        ("HTTPBadRequest", 400, "400: no cat in the picture"),
        ("exception as reason", 400, "400: no dog\nin the picture"),
    ],
)
def test_an_exception_of_the_model_harms_no_later_call(
    what: str, status: int, text: str, tmp_path: Path
) -> None:
    with serve_signalling("raises_in_predict", tmp_path) as (server, _):
        for _ in range(2):
            answer = server.predict("raises_in_predict", what=what)
            assert (answer.status, answer.text) == (status, text)
            assert server.predict("raises_in_predict").json["predictions"] == "fine"
