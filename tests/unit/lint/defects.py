# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The defects of today's tools that stand in files, one file for each."""

from tests.unit.lint.projects import DOCKERFILE, PYPROJECT, Defect

VERSION_2 = {"pyproject.toml": PYPROJECT.replace("deepaas>=3", "deepaas")}
METADATA = """\
metadata_version: 2.3.0
title: Leaves
summary: Tells leaves apart.
description: Tells leaves apart.
links: {source_code: "https://git.example/leaves"}
libraries: [Other]
tasks: [Classification]
categories: [AI4 inference]
tags: []
"""
OLD_METADATA = """\
{{
  "title": "Leaves", "summary": "Leaves.", "description": ["Leaves."],
  "date_creation": "2020-01-31", "keywords": [], "license": "MIT",
  "sources": {{
    "dockerfile_repo": "https://git.example/oc", "code": "https://git.example/leaves",
    "docker_registry_repo": "deephdc/leaves"
  }},
  "tosca": [{{
    "title": "Marathon",
    "url": "{url}",{after_url}
    "inputs": [
      "rclone_user",
      "{name}"{after_name}
    ]
  }}]
}}
"""
WEBDAV = "https://raw.example/tosca-templates/master/deep-oc/deep-oc-marathon-webdav.yml"
DOGS_BREED = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
topology_template:
  inputs:
    num_cpus: {{type: {cpus}, required: no, default: 1}}{after_cpus}
    privileged: {{type: string, default: {privileged}}}{after_privileged}
  node_templates:
    runtime:
      type: tosca.nodes.indigo.Container.Runtime.Docker
      capabilities:
        host:
          properties:
            num_cpus: {{get_input: num_cpus}}
            mem_size: 1 GB
    node:
      type: tosca.nodes.indigo.Compute
  outputs:
    endpoint:
      value: {output}
"""
GOOD_OUTPUT = "{get_attribute: [node, public_address, 0]}"


def dogs_breed(
    cpus: str = "integer", privileged: str = '"no"', output: str = GOOD_OUTPUT, marked: str = ""
) -> str:
    """Return a template; ``marked`` names the line that is to be found."""
    marks = {f"after_{each}": "«" if each == marked else "" for each in ("cpus", "privileged")}
    end = "«" if marked == "output" else ""
    return DOGS_BREED.format(cpus=cpus, privileged=privileged, output=output + end, **marks)


def api(arguments: str, rest: str = "def get_train_args():\n    return {}\n") -> str:
    """Return a model with these arguments."""
    return (
        "from marshmallow import fields\n"
        f"def get_predict_args():\n    return {{\n{arguments}    }}\n"
        f"def predict(**kwargs):\n    return {{}}\n{rest}"
    )


def with_step(text: str) -> str:
    """Return a Dockerfile with a step in the place of a copy."""
    return DOCKERFILE.replace("COPY . /srv", text)


def old_metadata(url: str, name: str, marked: str) -> str:
    """Return metadata of version 1 with an entry for a template."""
    marks = {f"after_{each}": "«" if each == marked else "" for each in ("url", "name")}
    return OLD_METADATA.format(url=url, name=name, **marks)


COMMAND_LINE = (
    Defect("ARG05", "no get_train_args", "leaves/api.py", api("", ""), VERSION_2),
    Defect(
        "ARG01", "an argument n", "leaves/api.py", api('        "n": fields.Int(),«\n'), VERSION_2
    ),
    Defect(
        "ARG01",
        "an argument no_",
        "leaves/api.py",
        api('        "size": 1,\n        "no": 1,«\n'),
        VERSION_2,
    ),
    Defect(
        "ARG03",
        "accept without OneOf",
        "leaves/api.py",
        api('        "accept": fields.Str(load_default="a/b"),«\n'),
    ),
    Defect(
        "FUN01",
        "the answer is in the log",
        "run.sh",
        "set -e\ndeepaas-cli predict 2>&1 | grep return | tail -1«\n",
    ),
)
OSCAR = (
    Defect(
        "FUN01",
        "cut -f5 of the line of a log",
        "service.yaml",
        """\
        name: leaves
        script: |
          set -e
          deepaas-cli predict --files "$INPUT_FILE_PATH" > out.log
          RESULT=$(cut -d' ' -f5 out.log)«
        """,
    ),
    Defect(
        "FUN02",
        "names cut at the first dot",
        "script.sh",
        """\
        set -e
        NAME=$(basename "$INPUT_FILE_PATH" | cut -d. -f1)«
        deepaas-cli predict --files "$INPUT_FILE_PATH"
        """,
    ),
    Defect(
        "FUN02",
        "names cut at the first dot, by the shell",
        "script.sh",
        """\
        set -e
        deepaas-cli predict --files "$FILE"
        mv out.json "${FILE%%.*}.json"«
        """,
    ),
    Defect(
        "FUN03",
        "the exit status is lost",
        "script.sh",
        """\
        #!/bin/sh
        deepaas-cli predict --files "$INPUT_FILE_PATH" > "$TMP_OUTPUT_DIR/out.log"«
        echo done
        """,
    ),
)
TOSCA = (
    Defect(
        "TOS01", "dogs_breed: 1 is no float", "dogs.yml", dogs_breed(cpus="float", marked="cpus")
    ),
    Defect(
        "TOS01",
        "mods: a boolean for a string",
        "mods.yml",
        dogs_breed(privileged="no", marked="privileged"),
    ),
    Defect(
        "TOS01",
        "vm_docker_deepass: rclone_pass is no property",
        "vm.yml",
        """\
        tosca_definitions_version: tosca_simple_yaml_1_0
        imports:
          - types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
        topology_template:
          node_templates:
            deep:
              type: tosca.nodes.indigo.DEEPaaScont
              properties:
                dockerhub_img: leaves
                rclone_pass: ""«
              requirements:
                - host: server
            server:
              type: tosca.nodes.indigo.Compute
        """,
    ),
    Defect(
        "TOS02",
        "a port as the place in a list",
        "eosc.yml",
        dogs_breed(output="{get_attribute: [node, public_address, 5000]}", marked="output"),
    ),
    Defect(
        "TOS03",
        "the template has rclone_password",
        "metadata.json",
        old_metadata(WEBDAV, "rclone_pass", "name"),
    ),
    Defect(
        "TOS03",
        "a template of the project has no such input",
        "metadata.json",
        old_metadata("own.yml", "rclone_url", "none").replace(
            '"rclone_user",', '"rclone_user",«', 1
        ),
        {
            "own.yml": dogs_breed().replace(
                "num_cpus: {type", "rclone_url: {type: string, default: ''}\n    num_cpus: {type"
            )
        },
    ),
    Defect(
        "TOS04",
        "a template that is gone",
        "metadata.json",
        old_metadata(WEBDAV.replace("-webdav", ""), "rclone_url", "url"),
    ),
    Defect(
        "TOS04",
        "a template that is not here",
        "metadata.json",
        old_metadata("tosca/no.yml", "rclone_url", "url"),
    ),
)
DOCUMENTATION = (
    Defect(
        "DOC01",
        "deploy-orchent.rst: no commas",
        "docs/deploy.rst",
        """\
        .. code-block:: bash

            orchent depcreate ./TOSCA.yml '{ "rclone_url": "https://cloud.example/",
                 "rclone_user": <your_nextcloud_username>«
                 "rclone_password": <your_nextcloud_password> }'
        """,
    ),
    Defect(
        "TOS03",
        "deploy-orchent.rst: rclone_pass",
        "docs/deploy.rst",
        """\
            orchent depcreate ./TOSCA.yml '{ "rclone_url": "https://cloud.example/",
                 "rclone_pass": "..." }'«
        """,
    ),
    Defect(
        "TOS04",
        "deploy-orchent.rst: a link to nowhere",
        "docs/deploy.rst",
        "Take\n`deep-oc-mesos-webdav.yml`.«\n",
    ),
    Defect(
        "TOS04",
        "submit_orchent_tmpl.sh: its default is gone",
        "submit.sh",
        '#!/bin/sh\ntopology_file="deep-oc-marathon.yml"«\n',
    ),
    Defect(
        "SRV02",
        "submit_orchent_tmpl.sh: an address as port",
        "submit.sh",
        '#!/bin/sh\n# "run_command": "deepaas-run --listen-port=0.0.0.0"«\n',
    ),
    Defect(
        "TOS03",
        "submit_orchent_tmpl.sh: flaat_disable",
        "submit.sh",
        """\
        topology_file="deep-oc-marathon-webdav.yml"
        orchent depcreate $topology_file '{ "docker_image": "deephdc/leaves:cpu",
            "flaat_disable": "no",«
            "rclone_user": "" }'
        """,
    ),
)
RCLONE = (
    Defect(
        "SEC04", "a raw password", "rclone.conf", "[rshare]\ntype = webdav\npass = correct-horse«\n"
    ),
    Defect(
        "SEC04",
        "a raw password in the environment",
        ".env",
        "RCLONE_CONFIG_RSHARE_USER=ada\nRCLONE_CONFIG_RSHARE_PASS=correct-horse«\n",
    ),
)
BUILDS = (
    Defect(
        "PIN01",
        "rclone-current",
        "Dockerfile",
        with_step("RUN wget https://downloads.rclone.org/rclone-current-linux-amd64.deb«"),
    ),
    Defect(
        "PIN02",
        "get.onedata.org | bash",
        "Dockerfile",
        with_step(
            "RUN apt-get update && \\\n    curl -sS http://get.onedata.org/oneclient.sh | bash«",
        ),
    ),
    Defect(
        "PIN03",
        "deep-start without a tag",
        "Dockerfile",
        with_step(
            "RUN git clone https://github.com/ai4os/deep-start /srv/.deep-start && \\«\n"
            "    ln -s /srv/.deep-start/deep-start.sh /usr/local/bin/deep-start",
        ),
    ),
    Defect(
        "PIN03",
        "a branch",
        "Dockerfile",
        with_step("ARG branch=main\nRUN git clone -b $branch https://git.example/data«"),
    ),
    Defect(
        "PIN06",
        "the module is cloned",
        "Dockerfile",
        with_step(
            "ARG branch\n"
            "RUN git clone --depth 1 -b $branch https://git.example/leaves && \\«\n"
            "    cd leaves && \\\n"
            "    pip3 install --no-cache-dir -e .",
        ),
    ),
    Defect(
        "PIN04",
        "pip from a branch",
        "requirements.txt",
        "numpy\nleaves @ git+https://git.example/leaves@master«\n",
    ),
    Defect(
        "PIN04",
        "pip from a repository",
        "Dockerfile",
        with_step("RUN pip install git+https://git.example/leaves«"),
    ),
    Defect(
        "PIN05",
        "setuptools<60.0.0",
        "Dockerfile",
        with_step('RUN pip install "setuptools<60.0.0"«'),
    ),
    Defect(
        "DCK01",
        "a base without a tag",
        "Dockerfile",
        DOCKERFILE.replace("python:3.12-slim", "python«"),
    ),
    Defect(
        "DCK01",
        "the base of today",
        "Dockerfile",
        DOCKERFILE.replace("FROM python:3.12-slim", "ARG tag=latest\nFROM ai4oshub/base:${tag}«"),
    ),
    Defect("DCK02", "root", "Dockerfile", DOCKERFILE.replace("USER 10001\n", "")),
    Defect(
        "DCK02",
        "root at last",
        "Dockerfile",
        DOCKERFILE.replace("USER 10001", "USER 10001\nUSER root«"),
    ),
    Defect(
        "DCK03",
        "no HEALTHCHECK",
        "Dockerfile",
        DOCKERFILE.replace('HEALTHCHECK CMD ["true"]\n', ""),
    ),
    Defect("DCK04", "no .dockerignore", "Dockerfile", DOCKERFILE, {".dockerignore": None}),
    Defect(
        "SEC03",
        "a password in ENV",
        "Dockerfile",
        with_step('ENV LANG=C.UTF-8 \\\n    jupyterPASSWORD="hunter22hunter"«'),
    ),
    Defect(
        "SRV01",
        "signing in is switched off",
        "Dockerfile",
        with_step("ENV DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER yes«"),
    ),
    Defect(
        "CI01",
        "one of two tags",
        "JenkinsConstants.groovy",
        "@Field\n"
        "def dockerfile = 'Dockerfile'\n"
        "\n"
        "@Field\n"
        "def base_cpu_tag = '2.4.0'«\n"
        "//def base_gpu_tag = '2.4.0-gpu'\n",
    ),
    Defect(
        "CI02",
        "metadata checked as another version",
        "Jenkinsfile",
        "stage('x') {\n"
        "  sh 'ai4-metadata validate --metadata-version 2.0.0 ai4-metadata.yml'«\n"
        "}\n",
        {"ai4-metadata.yml": METADATA},
    ),
)
METADATA_DEFECTS = (
    Defect("MET01", "no JSON", "metadata.json", '{\n  "title": "Leaves"\n  "summary": "x"«\n}\n'),
    Defect("MET01", "no YAML", "ai4-metadata.yml", "title: 'Leaves\nsummary: x\n«"),
    Defect("MET01", "no mapping", "ai4-metadata.yml", "- Leaves\n"),
    Defect(
        "MET02",
        "an unknown task",
        "ai4-metadata.yml",
        METADATA.replace("[Classification]", "[Classifying]«"),
    ),
    Defect(
        "MET02",
        "a date that is none",
        "ai4-metadata.yml",
        METADATA + "dates:\n  created: 31.1.2026«\n  updated: '2026-01-31'\n",
    ),
    Defect(
        "MET02",
        "a link that is none",
        "ai4-metadata.yml",
        METADATA.replace(
            'links: {source_code: "https://git.example/leaves"}',
            "links:\n  source_code: git.example/leaves«",
        ),
    ),
    Defect("MET03", "a key of version 1", "ai4-metadata.yml", METADATA + "keywords: [leaves]«\n"),
    Defect(
        "MET04",
        "a version that is not known",
        "ai4-metadata.yml",
        METADATA.replace("2.3.0", "3.0.0«"),
    ),
    Defect(
        "IMG01",
        "compose names another image",
        "compose.yml",
        "services:\n  leaves:\n    image: ai4oshub/flowers:1.0«\n",
        {
            "ai4-metadata.yml": METADATA + "",
            "pyproject.toml": PYPROJECT + '[tool.deepaas]\nimage = "ai4oshub/leaves:1.0"\n',
        },
    ),
    Defect(
        "IMG02",
        "no image",
        "ai4-metadata.yml",
        METADATA.replace("links: {", 'links: {docker_image: "Leaves!", ').replace(
            'leaves"}', 'leaves"}«'
        ),
    ),
)
SECRETS = (
    Defect(
        "SEC01",
        "a private key",
        "key.pem",
        "-----BEGIN RSA "
        + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA0123456789\n-----END RSA PRIVATE KEY-----\n",
    ),
    Defect("SEC02", "a token", "notes.md", "Use\n" + "ghp_" + "a1B2" * 9 + " to push«\n"),
    Defect(
        "SEC02",
        "a password in an address",
        "pip.conf",
        "[global]\nindex-url = https://ada:" + "s3cr3tive@pypi.example/simple«\n",
    ),
    Defect(
        "SEC03",
        "a password in a manifest",
        "k8s.yaml",
        "env:\n  - name: DB_PASSWORD\n    value: hunter22«\n",
    ),
    Defect("SEC03", "a password in a script", "run.sh", "export API_KEY=hunter22«\n"),
)
OPEN = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
topology_template:
  inputs:
    flaat: {type: string, default: "yes"}«
  node_templates:
    runtime:
      type: tosca.nodes.indigo.Container.Runtime.Docker
      capabilities: {host: {properties: {mem_size: 1 GB}}}
    app:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties:
        environment_variables:
          DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER: {get_input: flaat}
      artifacts:
        image: {file: leaves, type: tosca.artifacts.Deployment.Image.Container.Docker}
      requirements:
        - host: runtime
"""
OTHERS = (
    Defect(
        "SRV01",
        "a template leaves it open",
        "open.yml",
        OPEN,
    ),
    Defect("SRV03", "an option of deep-start that is none", "start.sh", "deep-start --deepass«\n"),
    Defect("SRV03", "two services", "start.sh", "true\ndeep-start -d -j«\n"),
    Defect("SRV04", "a short password", "start.env", "jupyterPASSWORD=\njupyterPASSWORD=abcd«\n"),
    Defect("ARG02", "a reserved name", "leaves/api.py", api('        "deepaas_model": 1,«\n')),
    Defect(
        "ARG04",
        "an argument that predict does not take",
        "leaves/api.py",
        api('        "size": 1,«\n').replace("**kwargs", "data=None"),
    ),
    Defect("LIC01", "no licence", "pyproject.toml", PYPROJECT, {"LICENSE": None}),
    Defect(
        "LIC02",
        "no licence is named",
        "pyproject.toml",
        PYPROJECT.replace('license = "Apache-2.0"\n', ""),
    ),
    Defect("FIL01", "not UTF-8", "nothing.txt", "", None),
)
DEFECTS = (
    *COMMAND_LINE,
    *OSCAR,
    *TOSCA,
    *DOCUMENTATION,
    *RCLONE,
    *BUILDS,
    *METADATA_DEFECTS,
    *SECRETS,
    *OTHERS,
)
