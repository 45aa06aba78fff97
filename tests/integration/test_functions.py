# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas function`` below OSCAR's own runtime, faas-supervisor, with a bucket of S3."""

import base64
import io
import json
import os
import shlex
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepaas.export import ExportOptions, find_target, plan
from deepaas.project import open_module
from tests.integration.buckets import PROGRAMS, Bucket, bucket, require_program
from tests.integration.harness import MODELS, PATIENCE_S

MODEL = MODELS / "answers_at_the_command_line.py"
#: What a definition of a function for OSCAR holds of its buckets, and the whole of its script.
CONFIGURATION = """
log_level: CRITICAL
storage_providers:
  minio:
    default:
      endpoint: {endpoint}
      access_key: anybody
      secret_key: anything
      region: us-east-1
      verify: false
input:
  - {{storage_provider: minio.default, path: demo/inputs}}
output:
  - {{storage_provider: minio.default, path: demo/{outputs}}}
"""
SCRIPT = "exec {python} -P -m deepaas.cmd.main function --model-name {model} {options}\n"


class Supervisor:
    """faas-supervisor for one function."""

    def __init__(self, made: Bucket, folder: Path) -> None:
        self.bucket = made
        self._folder = folder

    def run(self, event: str, outputs: str, options: str = "") -> str:
        """Give it an event, and return what it answers."""
        script = SCRIPT.format(
            python=shlex.quote(sys.executable), model=shlex.quote(str(MODEL)), options=options
        )
        configuration = CONFIGURATION.format(endpoint=self.bucket.endpoint, outputs=outputs)
        return self.execute(event, configuration, script)

    def execute(
        self, event: str, configuration: str, script: str, variables: Mapping[str, str] = {}
    ) -> str:
        """Give an event to a function of any definition, and return what it answers."""
        environment = {key: text for key, text in os.environ.items() if key != "AWS_CA_BUNDLE"}
        done = subprocess.run(
            [PROGRAMS / "python", "-W", "ignore", "-m", "faassupervisor.supervisor"],
            cwd=self._folder,
            env={
                **environment,
                **variables,
                "HOME": str(self._folder),
                "FUNCTION_CONFIG": base64.b64encode(configuration.encode()).decode(),
                "SCRIPT": base64.b64encode(script.encode()).decode(),
            },
            input=event,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout

    def store(self, name: str, content: bytes, options: str = "") -> dict[str, bytes]:
        """Store an object, tell the function of it, and return what it left by name."""
        outputs = f"outputs-{base64.b16encode(os.urandom(4)).decode()}"
        key = f"inputs/{name}"
        self.bucket.put(key, content)
        self.run(json.dumps(event_of(key)), outputs, options)
        prefix = f"{outputs}/"
        return {
            each.removeprefix(prefix): self.bucket.get(each) for each in self.bucket.keys(prefix)
        }


def event_of(key: str, name: str = "demo") -> Any:
    """Return MinIO's event of an object that has come into a bucket."""
    return {
        "Key": f"{name}/{key}",
        "EventName": "s3:ObjectCreated:Put",
        "Records": [
            {
                "eventSource": "minio:s3",
                "eventTime": "2026-01-01T00:00:00Z",
                "eventName": "s3:ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": name, "arn": f"arn:aws:s3:::{name}"},
                    "object": {"key": urllib.parse.quote_plus(key)},
                },
            }
        ],
    }


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    require_program("moto_server")
    tried = subprocess.run(
        [PROGRAMS / "python", "-W", "ignore", "-c", "import faassupervisor.supervisor"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        last = tried.stderr.strip().rpartition("\n")[2]
        pytest.skip(f"faas-supervisor does not start ({last}); `make test` installs what it needs")
    folder = tmp_path_factory.mktemp("functions")
    with bucket("demo", folder) as made:
        yield Supervisor(made, folder)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("good.json", "good.json"),
        ("a b.json", "a b.json"),
        ("my.photo.v2.json", "my.photo.v2.json"),
        ("größe+1.json", "größe+1.json"),
    ],
)
def test_arguments_in_an_object_leave_one_output_of_its_name(
    supervisor: Supervisor, name: str, output: str
) -> None:
    left = supervisor.store(name, b'{"n": 3}')
    assert list(left) == [output]
    assert json.loads(left[output])["n"] == 3


def test_an_object_that_fails_leaves_the_reason(supervisor: Supervisor) -> None:
    left = supervisor.store("bad.json", b'{"how": "raise"}')
    assert {name: json.loads(text) for name, text in left.items()} == {
        "bad.error.json": {
            "status": "error",
            "object": "inputs/bad.json",
            "message": "ValueError: no such thing",
        }
    }


def test_an_object_that_kills_the_process_leaves_the_reason(supervisor: Supervisor) -> None:
    left = supervisor.store("worse.json", b'{"how": "segfault"}')
    assert list(left) == ["worse.error.json"]
    problem = json.loads(left["worse.error.json"])
    assert (problem["status"], problem["object"]) == ("error", "inputs/worse.json")


def test_an_image_is_the_only_file_and_its_answer_too(supervisor: Supervisor) -> None:
    left = supervisor.store("my photo.jpg", b"\xff\xd8", "--content-type image/png")
    assert left == {"my photo.png": b"\x89PNG"}


def test_a_zip_is_its_objects_and_one_process_has_them_all(supervisor: Supervisor) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("one.json", '{"n": 1}')
        archive.writestr("more/two.png", b"\x89PNG")
        archive.writestr("wrong.json", '{"n": 0}')
    left = supervisor.store("batch.zip", data.getvalue())
    assert sorted(left) == ["more/two.json", "one.json", "wrong.error.json"]
    answers = [json.loads(left[name]) for name in ("more/two.json", "one.json")]
    assert [answer["data"] for answer in answers] == [["data", "image/png", "two.png"], None]
    assert len({answer["pid"] for answer in answers}) == 1


def test_a_synchronous_call_gets_the_answer_and_nothing_else(supervisor: Supervisor) -> None:
    files = [{"key": "data", "file_format": "jpg", "data": base64.b64encode(b"x").decode()}]
    body = {"n": 7, "oscar-files": files}
    answer = json.loads(supervisor.run(json.dumps(body), "nothing"))
    assert answer["n"] == 7
    assert answer["data"] == ["data", "image/jpeg", "data.jpg"]
    assert supervisor.bucket.keys("nothing/") == []


def test_a_synchronous_call_that_fails_gets_the_reason(supervisor: Supervisor) -> None:
    answer = json.loads(supervisor.run('{"how": "os._exit"}', "nothing"))
    assert answer["status"] == "error"


def test_an_exported_service_answers_each_object_as_it_is_written(supervisor: Supervisor) -> None:
    target, flavour = find_target("oscar", "event")
    deployment = plan(open_module("minimal"), ExportOptions(flavour=flavour))
    definition, script = target.write(deployment).values()
    [[service]] = [each.values() for each in yaml.safe_load(definition)["functions"]["oscar"]]
    # What OSCAR does with it: it adds its own storage, and sets the variables.
    storage = yaml.safe_load(
        CONFIGURATION.format(endpoint=supervisor.bucket.endpoint, outputs="outputs")
    )["storage_providers"]
    configuration = yaml.safe_dump({**service, "storage_providers": storage})
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**service["environment"]["variables"], "PATH": programs}
    bucket_of_it = Bucket(supervisor.bucket.endpoint, "minimal")
    bucket_of_it.create()
    bucket_of_it.put("inputs/a b.json", b'{"sequence": "GATTACA"}')
    event = json.dumps(event_of("inputs/a b.json", "minimal"))
    supervisor.execute(event, configuration, script, variables)
    assert bucket_of_it.keys("outputs/") == ["outputs/a b.json"]
    assert json.loads(bucket_of_it.get("outputs/a b.json"))["length"] == 7
