# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Small real servers on loopback, and images without layers."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: As the platform wants it.
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "config": {
        "ExposedPorts": {"5000/tcp": {}, "6006/tcp": {}, "8888/tcp": {}},
        "User": "10001",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "Labels": {"deepaas.arguments": "{}"},
        "Env": ["PATH=/bin", "DEEPAAS_API_KEYS_FILE=/run/secrets/keys"],
        "Cmd": ["deepaas-run", "--listen-ip=0.0.0.0"],
    },
}


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Stand:
    """A server, and what it was asked so far."""

    #: ``127.0.0.1:PORT``.
    host: str
    asked: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@contextmanager
def serving(answer: Callable[[Request], Reply | None]) -> Iterator[Stand]:
    """Serve on a free port; ``None`` hangs up without an answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            stand.asked.append(request)
            reply = answer(request)
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand = Stand(f"127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def as_json(value: object) -> bytes:
    """Return the bytes of a JSON text."""
    return json.dumps(value).encode()


def digest_of(data: bytes) -> str:
    """Return the digest that names these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Image:
    """The parts of an image for two platforms."""

    #: By digest: manifests and configurations.
    parts: Mapping[str, bytes]
    index: bytes
    #: Digests for linux/amd64.
    manifest: str
    config: str


def image_of(config: Mapping[str, Any] = CONFIG) -> Image:
    """Return an image whose first platform is another one."""
    parts: dict[str, bytes] = {}

    def add(document: object) -> dict[str, Any]:
        data = as_json(document)
        parts[digest_of(data)] = data
        return {"digest": digest_of(data), "size": len(data)}

    own = add(config)
    manifest = add({"schemaVersion": 2, "config": own, "layers": []})
    other = add({"schemaVersion": 2, "config": add({"os": "linux", "architecture": "arm64"})})
    index = {
        "schemaVersion": 2,
        "manifests": [
            {**other, "platform": {"os": "linux", "architecture": "arm64"}},
            {**manifest, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    }
    return Image(parts, as_json(index), manifest["digest"], own["digest"])


def layout_files(image: Image) -> dict[str, bytes]:
    """Return the files of an OCI image layout."""
    blobs = {f"blobs/{digest.replace(':', '/')}": data for digest, data in image.parts.items()}
    return {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": image.index, **blobs}


def docker_files(config: Mapping[str, Any] = CONFIG) -> dict[str, bytes]:
    """Return the files of an archive of ``docker save``."""
    data = as_json(config)
    name = f"{digest_of(data).partition(':')[2]}.json"
    listing = [{"Config": name, "RepoTags": ["leaves:1.0"], "Layers": []}]
    return {"manifest.json": as_json(listing), name: data}


def write_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into an archive, as ``tar -c .`` does."""
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
