# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Put the files of Swagger UI that we ship into the tree, or check those that are there.

The version and the hash of its npm package are pinned here; npm fetches it from the registry that
it is set up with. A new version is a change of both lines below, and a run of this script::

    python tools/vendor_swagger_ui.py          # fetch, verify, write
    python tools/vendor_swagger_ui.py --check  # fetch, verify, compare
"""

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

VERSION = "5.35.0"
#: As npm writes it, ``npm view swagger-ui-dist@VERSION dist.integrity``.
INTEGRITY = (
    "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8Cgwr"
    "zU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="
)
#: What the page needs, and the licences; all of it as it is in the package.
FILES = (
    "LICENSE",
    "NOTICE",
    "favicon-32x32.png",
    "swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui.css",
)
TARGET = Path(__file__).resolve().parent.parent / "deepaas" / "api" / "static" / "swagger"


class Mismatch(Exception):
    """What was fetched or what is there is not what is pinned."""


def fetch(folder: Path) -> bytes:
    """Return the package as npm gives it; it is written to the folder on the way."""
    command = ["npm", "pack", "--silent", "--ignore-scripts", f"swagger-ui-dist@{VERSION}"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return (folder / done.stdout.split()[-1]).read_bytes()


def integrity_of(package: bytes) -> str:
    """Return the hash as npm writes it (Subresource Integrity)."""
    return "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()


def unpack(archive: Path) -> Mapping[str, bytes]:
    """Return the content of the files that we ship."""
    found = {}
    with tarfile.open(archive) as package:
        for name in FILES:
            member = package.extractfile(f"package/{name}")
            if member is None:
                raise Mismatch(f"{name} is no file of the package.")
            found[name] = member.read()
    return found


def vendored_version() -> str:
    """Return the version that the tree says it has."""
    return (TARGET / "VERSION").read_text("utf-8").strip()


def main(argv: list[str]) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    is_check = parser.parse_args(argv).check
    with tempfile.TemporaryDirectory() as folder:
        package = fetch(Path(folder))
        if integrity_of(package) != INTEGRITY:
            raise Mismatch(f"The package's hash is {integrity_of(package)}, not {INTEGRITY}.")
        archive = Path(folder) / "package.tgz"
        archive.write_bytes(package)
        files = {**unpack(archive), "VERSION": f"{VERSION}\n".encode()}
    if is_check:
        here = {path.name: path.read_bytes() for path in TARGET.iterdir()}
        if here != files:
            differing = sorted(n for n in {*here, *files} if here.get(n) != files.get(n))
            raise Mismatch(f"These files are not those of the package: {', '.join(differing)}.")
        return 0
    TARGET.mkdir(parents=True, exist_ok=True)
    for path in TARGET.iterdir():
        path.unlink()
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Mismatch as exc:
        sys.exit(str(exc))
