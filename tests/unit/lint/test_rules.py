# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What looks like a defect and is none, and defects in places that the examples leave out."""

import json
from pathlib import Path

import pytest

from deepaas.lint.dockerfile import commands_of, instructions_of, resolved
from tests.unit.lint.defects import METADATA, OPEN, api, dogs_breed, old_metadata
from tests.unit.lint.projects import CLEAN, DOCKERFILE, PYPROJECT, found_in, write

OWN = {
    **CLEAN,
    "ai4-metadata.yml": METADATA.replace(
        "{source_code", "{docker_image: ai4oshub/leaves, source_code"
    ),
}
K8S = """\
apiVersion: v1
kind: Service
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: leaves
          image: {}
        - name: proxy
          image: nginx:1.27
"""
FUNCTION = "functions:\n  oscar:\n    - cluster:\n        image: {}\n    - 3\n"
JOB = "apiVersion: batch/v1\nkind: Job\n"
JOB += "spec: {{template: {{spec: {{containers: [{{image: '{}'}}]}}}}}}\n"
LABELLED = DOCKERFILE + 'LABEL org.opencontainers.image.ref.name="{}" other=1\n'
NAMING = [
    ("k8s.yaml", K8S, 11),
    ("job.yaml", JOB, 3),
    ("fdl.yml", FUNCTION, 4),
    ("service.yaml", "name: x\nimage: {}\nscript: set -e\n", 2),
    ("compose.yml", "services:\n  db: {{image: 'postgres:17'}}\n  leaves:\n    image: {}\n", 2),
    ("Dockerfile", LABELLED, 6),
    (
        "Jenkinsfile",
        "environment {{\n  // dockerhub_repo = 'x/y'\n  dockerhub_repo = '{}'\n}}\n",
        3,
    ),
    ("JenkinsConstants.groovy", "def docker_image = '{}'\n", 1),
]


@pytest.mark.parametrize(("name", "text", "line"), NAMING, ids=[name for name, *_ in NAMING])
def test_every_file_that_names_an_image_is_compared(
    name: str, text: str, line: int, tmp_path: Path
) -> None:
    write(tmp_path, {**OWN, name: text.format("docker.io/ai4oshub/leaves:1.0")})
    assert found_in(tmp_path) == []
    write(tmp_path, {name: text.format("ai4oshub/flowers:1.0")})
    assert [(each.rule, each.line) for each in found_in(tmp_path)] == [("IMG01", line)]


@pytest.mark.parametrize("image", ["$IMAGE", "{{{{ image }}}}", "${{IMAGE}}", "<image>"])
def test_an_image_that_is_filled_in_later_is_not_compared(image: str, tmp_path: Path) -> None:
    text = f"services:\n  leaves:\n    image: '{image.format()}'\n"
    write(tmp_path, {**OWN, "compose.yml": text})
    assert found_in(tmp_path) == []


def test_the_default_of_an_image_is_compared(tmp_path: Path) -> None:
    text = "services: {leaves: {image: '${IMAGE:-ai4oshub/flowers:1.0}'}}\n"
    write(tmp_path, {**OWN, "compose.yml": text})
    assert [each.rule for each in found_in(tmp_path)] == ["IMG01"]


def test_templates_name_images_too(tmp_path: Path) -> None:
    text = dogs_breed().replace(
        "inputs:\n", "inputs:\n    docker_image: {type: string, default: a/b}\n"
    )
    write(tmp_path, {**OWN, "x.yml": text})
    assert [(each.rule, each.line) for each in found_in(tmp_path)] == [("IMG01", 6)]


@pytest.mark.parametrize(
    "step",
    [
        "RUN wget https://rclone.example/v1.70/rclone-v1.70.deb",
        "RUN curl -o x https://x.example/y && echo current",
        "RUN git clone --branch v1.0 https://git.example/x",
        "RUN git clone https://git.example/x && cd x && git checkout 0123abc",
        "ARG tag\nRUN git clone -b $tag https://git.example/x",
        "ARG tag=v2.1.0\nRUN git clone -b ${tag} https://git.example/x",
        "RUN pip install git+https://git.example/x@v1.0",
        "RUN pip install git+ssh://git@git.example/x@0123abcd",
        "RUN pip install 'setuptools<81'",
        "# RUN curl https://x.example | bash",
        "RUN cat <<EOF\ncurl | x\nEOF",
        "RUN echo \\\n# a comment\n\n  done",
    ],
)
def test_what_is_pinned_is_no_defect(step: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": DOCKERFILE.replace("COPY . /srv", step)})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.12@sha256:0\n",
        "FROM --platform=linux/amd64 python:3.12\n",
        "ARG base\nFROM $base\n",
        "ARG base=python:3.12\nFROM ${base} AS build\nFROM build\n",
        "FROM registry.example:5000/x:1\n",
    ],
)
def test_bases_that_stay_are_no_defect(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": text + 'HEALTHCHECK CMD ["true"]\nUSER 1\n'})
    assert found_in(tmp_path) == []


def test_a_port_of_a_registry_is_no_tag(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": "FROM r.example:5000/x\nUSER 1\nHEALTHCHECK NONE\n"})
    assert [each.rule for each in found_in(tmp_path)] == ["DCK01", "DCK03"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "x.env",
            "DB_PASSWORD=\nAPI_KEY=<your-key>\nDB_SECRET=${SECRET}\nB_SECRET=OBSCURED\nX_TOKEN=changeme\n",
        ),
        ("x.yml", "password: {get_input: password}\ntoken_file: /run/x\nsecret: secrets.NAME\n"),
        ("x.yml", "env:\n  - name: DB_PASSWORD\n    valueFrom: {secretKeyRef: {name: db}}\n"),
        ("x.sh", "# API_KEY=hunter22\nexport DB_PASSWORD_FILE=/run/secrets/db\n"),
        ("x.py", "password = 'hunter22'\n"),
        ("x.md", "https://user:password@x.example\nglpat-short ghp_short\n"),
        ("x.md", "-----BEGIN PUBLIC KEY-----\nMIIEowIBAAKCAQEA0123456789\n"),
        ("rclone.conf", "[rshare]\ntype = webdav\npass = \n"),
    ],
)
def test_what_stands_for_a_secret_is_none(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, name: text})
    assert found_in(tmp_path) == []


def test_an_obscured_password_is_a_secret_and_readable(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "rclone.conf": "pass = YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnc\n"})
    assert [each.rule for each in found_in(tmp_path)] == ["SEC03"]


def test_version_3_has_arguments_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "leaves/api.py": api('        "n": 1,\n', "")})
    assert found_in(tmp_path) == []


def test_code_that_is_not_whole_here_is_not_missed(tmp_path: Path) -> None:
    files = {**CLEAN, "pyproject.toml": PYPROJECT.replace("deepaas>=3", "deepaas")}
    for text in ("from x import *\n", "from x import get_train_args\n"):
        write(tmp_path, {**files, "leaves/api.py": text + api("", "")})
        assert found_in(tmp_path) == []


def test_a_keyword_of_another_name_is_taken(tmp_path: Path) -> None:
    text = api('        "size": fields.Int(metadata={"x": 1}, attribute="n"),\n')
    write(tmp_path, {**CLEAN, "leaves/api.py": text.replace("**kwargs", "n")})
    assert found_in(tmp_path) == []


def test_accept_with_choices_is_good(tmp_path: Path) -> None:
    text = api('        "accept": fields.Str(validate=validate.OneOf(["a/b"])),\n')
    write(tmp_path, {**CLEAN, "leaves/api.py": text})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("LICENCE.txt", "MIT"),
        ("COPYING", "GPL"),
        ("LICENSES/MIT.txt", "MIT"),
    ],
)
def test_a_licence_has_several_names(file: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "LICENSE": None, file: text})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "[metadata]\nlicense = MIT\n"),
        ("setup.py", "setup(\n    license='MIT',\n)\n"),
        ("setup.py", "setup(classifiers=['License :: OSI Approved :: MIT License'])\n"),
    ],
)
def test_a_package_names_its_licence_in_several_ways(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {"LICENSE": "MIT", name: text})
    assert found_in(tmp_path) == []


def test_classifiers_of_pyproject_and_metadata_name_a_licence(tmp_path: Path) -> None:
    bare = PYPROJECT.replace('license = "Apache-2.0"', 'classifiers = ["License :: Other"]')
    write(tmp_path, {**CLEAN, "pyproject.toml": bare})
    assert found_in(tmp_path) == []
    bare = PYPROJECT.replace('license = "Apache-2.0"\n', "")
    metadata = json.loads(old_metadata("x", "rclone_url", ""))
    del metadata["tosca"]
    write(tmp_path, {"pyproject.toml": bare, "metadata.json": json.dumps(metadata)})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": 2}\n{"a": "x",\n "b": [1]}\n',
        'Both "name": and "kind": are keys.\n',
    ],
)
def test_json_with_commas_is_good(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "notes.md": text})
    assert found_in(tmp_path) == []


def test_inputs_that_are_not_declared_as_they_should_be_are_known_by_name(tmp_path: Path) -> None:
    template = dogs_breed().replace("inputs:\n", "inputs:\n    rclone_url: 3\n")
    write(tmp_path, {**CLEAN, "own.yml": template})
    write(tmp_path, {"metadata.json": old_metadata("own.yml", "rclone_url", "")})
    rules = {each.rule: each.message for each in found_in(tmp_path)}
    assert set(rules) == {"TOS01", "TOS03"}
    assert "'rclone_user'" in rules["TOS03"]


@pytest.mark.parametrize(
    "value", ['"tosca": [3]', '"tosca": 3', '"tosca": [{"url": 3, "inputs": 3}]']
)
def test_odd_lists_of_templates_are_the_schemas_matter(value: str, tmp_path: Path) -> None:
    text = old_metadata("x", "rclone_url", "")
    write(tmp_path, {**CLEAN, "metadata.json": text[: text.index('"tosca"')] + value + "}"})
    assert {each.rule for each in found_in(tmp_path)} == {"MET02"}


def test_get_attribute_of_odd_shape_is_no_port(tmp_path: Path) -> None:
    output = "{concat: [{get_attribute: x}, {get_attribute: [node, public_address, 0]}]}"
    write(tmp_path, {**CLEAN, "x.yml": dogs_breed(output=output)})
    assert "TOS02" not in {each.rule for each in found_in(tmp_path)}


def test_integers_and_texts_of_their_type_are_good(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "x.yml": dogs_breed()})
    assert found_in(tmp_path) == []


def test_a_literal_of_a_property_is_found_at_its_line(tmp_path: Path) -> None:
    text = dogs_breed().replace("{get_input: num_cpus}", "1")
    write(tmp_path, {**CLEAN, "x.yml": text})
    found = [(each.rule, each.line) for each in found_in(tmp_path)]
    assert found == [("TOS01", 14)]


def test_instructions_are_read_with_their_lines() -> None:
    text = 'from x\nENV a="b c" \\\n  d=e\nENV old  style value\n'
    text += 'LABEL "broken\nCMD ["x", "y z"]\nARG q\n'
    found = instructions_of(text)
    assert [(each.line, each.name) for each in found] == [
        *((1, "FROM"), (2, "ENV"), (4, "ENV"), (5, "LABEL"), (6, "CMD"), (7, "ARG"))
    ]
    assert list(found[1].pairs) == [("a", "b c", 2), ("d", "e", 3)]
    assert list(found[2].pairs) == [("old", "style value", 4)]
    assert list(found[3].pairs) == []
    assert found[4].words == ["x", "y z"]
    assert list(found[5].pairs) == []
    assert resolved("$a-${b:-c}-$d", {"a": "x"}) == "x-c-$d"


def test_lines_of_a_script_are_joined() -> None:
    found = commands_of("# no\na \\\n  b\nc")
    assert [(each.line, each.value) for each in found] == [(2, "a \n  b"), (4, "c")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.sh", "#!/bin/sh\nexec deepaas-cli predict --x 1\necho no\n"),
        ("x.sh", "#!/bin/sh\ndeepaas-cli predict --x 1\n"),
        ("x.sh", "#!/bin/sh\nset -e\ndeepaas-cli predict --x 1\nmv a.json ${name%.*}.json\n"),
        ("x.yml", 'run_command: "deepaas-cli train --epochs=3"\n'),
    ],
)
def test_scripts_that_pass_their_status_on_are_good(name: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, name: text})
    assert found_in(tmp_path) == []


def test_the_dialect_of_alien4cloud_is_not_judged(tmp_path: Path) -> None:
    text = dogs_breed(cpus="float").replace("tosca_simple_yaml_1_0", "alien_dsl_2_0_0")
    write(tmp_path, {**CLEAN, "x.yml": text})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize("text", ["def base_cpu_tag = '1'\ndef base_gpu_tag = '1-gpu'\n", "x\n"])
def test_both_tags_or_none_are_good(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "JenkinsConstants.groovy": text})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "deep-start --deepaas\n",
        "deepaas-run --listen-port=5000 --listen-port=$PORT0\n",
        "deepaas-run --listen-port ${PORT}\n",
        '[\n  "--listen-port", "5000"\n]\n- --listen-port\n- "5000"\n',
        "--listen-port\n",
        "export jupyterPASSWORD=$PASSWORD\n",
        "# DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER=yes\n",
        "# jupyterPASSWORD=abc\n",
        "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER=no\n",
    ],
)
def test_services_that_start_as_they_should_are_good(text: str, tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "x.sh": text})
    assert found_in(tmp_path) == []


def test_a_template_that_asks_whether_signing_in_is_off_is_good(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "x.yml": OPEN.replace('"yes"}«', '"no"}')})
    assert found_in(tmp_path) == []


def test_the_version_of_metadata_that_is_checked_may_be_its_own(tmp_path: Path) -> None:
    text = "sh 'ai4-metadata validate --metadata-version 2.3.0 ai4-metadata.yml'\n"
    write(tmp_path, {**CLEAN, "Jenkinsfile": text, "ai4-metadata.yml": METADATA})
    assert found_in(tmp_path) == []


def test_a_text_in_the_place_of_a_number_is_found_at_its_line(tmp_path: Path) -> None:
    text = dogs_breed().replace("{get_input: num_cpus}", "many")
    write(tmp_path, {**CLEAN, "x.yml": text})
    assert ("TOS01", 14) in [(each.rule, each.line) for each in found_in(tmp_path)]


def test_labels_and_heredocs_that_are_broken_are_read_as_far_as_they_go() -> None:
    label, run = instructions_of("LABEL a=b c\nRUN cat <<EOF\nx")
    assert list(label.pairs) == [("a", "b", 1)]
    assert run.value == "cat <<EOF\nx"


def test_a_version_that_is_no_text_is_compared_with_nothing(tmp_path: Path) -> None:
    text = METADATA.replace("metadata_version: 2.3.0", "metadata_version: 2")
    write(
        tmp_path, {**CLEAN, "Jenkinsfile": "--metadata-version 2.0.0\n", "ai4-metadata.yml": text}
    )
    assert [each.rule for each in found_in(tmp_path)] == ["MET04"]


def test_the_template_that_is_meant_is_found_among_several(tmp_path: Path) -> None:
    mine = dogs_breed().replace(
        "inputs:\n", "inputs:\n    rclone_user: {type: string, default: x}\n"
    )
    write(tmp_path, {**CLEAN, "a.yml": dogs_breed(), "own.yml": mine})
    write(tmp_path, {"metadata.json": old_metadata("own.yml", "rclone_url", "")})
    assert [each.message for each in found_in(tmp_path)] == ["own.yml has no input 'rclone_url'"]
