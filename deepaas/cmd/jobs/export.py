# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Write a job that has ended, with all it left, into a folder or an archive.

Everything goes into a folder ``….incomplete`` beside the target first, which becomes the target
in one step; what is there of a try that was broken off is not fetched again.
"""

import asyncio
import json
import shutil
import tarfile
from pathlib import Path
from typing import Final

from deepaas.cmd.jobs.client import JobsClient
from deepaas.cmd.jobs.files import Part, RemoteFile, fetch_file, files_of, has_checksum
from deepaas.cmd.jobs.harmless import shown
from deepaas.errors import ConfigurationError, RequestFailed
from deepaas.records import FINAL_STATES, JobState

_FINAL: Final = frozenset(state.value for state in FINAL_STATES)
_ARCHIVE: Final = (".tar.gz", ".tgz")
#: Holds what is not whole yet, in files named after the checksum that they will have.
_PARTS: Final = "parts"
#: Of a log or a result whose size was not announced: what has no end would fill the disk.
_MOST_BYTES: Final = 1024**3


class JobExport:
    """Exports one job."""

    def __init__(self, client: JobsClient, job_id: str, target: Path) -> None:
        """Write nothing yet.

        Args:
            client: Reaches the service.
            job_id: The job.
            target: A folder, or a file that ends in ``.tar.gz`` or ``.tgz``; not there yet.

        Raises:
            ConfigurationError: It is the current folder, or the root of all.
        """
        if not target.name:
            raise ConfigurationError(
                f"{target} is there already; name another target: {target / job_id}."
            )
        self._client = client
        self._job = job_id
        self._target = target
        # Of this job: what is left of another one's export is not taken for it.
        self._folder = target.with_name(f"{target.name}.{job_id}.incomplete")

    async def run(self) -> list[str]:
        """Write everything; return what is worth telling.

        Raises:
            RequestFailed: The service refuses, or what it sends is wrong; what is there of it stays
                for another try.
            ConfigurationError: The target is there already, or cannot be written.
        """
        try:
            self._check_target()
            return await self._run()
        except OSError as exc:
            where = exc.filename or self._target
            raise ConfigurationError(f"{where} cannot be written: {exc.strerror}.") from exc

    def _check_target(self) -> None:
        if self._target.is_symlink() or self._target.exists():
            raise ConfigurationError(
                f"{self._target} is there already; name another target, or remove it."
            )

    async def _run(self) -> list[str]:
        job = await self._client.fetch(self._client.job(self._job))
        state = str(job.get("state"))
        if state not in _FINAL:
            raise RequestFailed(
                f"The job {self._job} is {shown(state)}; export it when it has"
                f" ended: `deepaas jobs follow {self._job}` waits for that.",
                status=200,
            )
        content = await self._client.fetch(self._client.job(self._job, "/artifacts/"))
        files = files_of(self._client, self._job, content)
        (self._folder / _PARTS).mkdir(parents=True, exist_ok=True)
        self._write("job.json", job)
        self._write("artifacts.json", content)
        metrics = await self._client.fetch(self._client.job(self._job, "/metrics"))
        self._write("metrics.json", metrics.get("metrics"))
        if state == JobState.DONE:
            await self._fetch("/result", "result.json")
        notes = await self._fetch_log()
        for file in files:
            await self._fetch_artifact(file)
        await asyncio.to_thread(self._finish)
        return notes

    def _write(self, name: str, content: object) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (self._folder / name).write_text(f"{text}\n", "utf-8", errors="backslashreplace")

    async def _fetch(self, part: str, name: str) -> None:
        """Fetch a part of the job as it is."""
        path = self._client.job(self._job, part)
        written = 0
        async with self._client.open(path) as response:
            with (self._folder / name).open("wb") as output:
                async for data in response.content.iter_any():
                    written += len(data)
                    if response.content_length is None and written > _MOST_BYTES:
                        raise RequestFailed(
                            f"{self._client.url}{path} sends more than {_MOST_BYTES} bytes without"
                            " saying how many there will be; nothing is exported.",
                            status=200,
                        )
                    await asyncio.to_thread(output.write, data)

    async def _fetch_log(self) -> list[str]:
        try:
            await self._fetch("/log", "log")
        except RequestFailed as exc:
            if exc.status != 403:
                raise
            return [exc.message]  # the service keeps logs to itself
        return []

    async def _fetch_artifact(self, file: RemoteFile) -> None:
        artifacts = self._folder / "artifacts"
        # Of an earlier try.
        if await asyncio.to_thread(has_checksum, artifacts / file.path, file):
            return
        part = Part(self._folder / _PARTS / file.sha256, file)
        await fetch_file(self._client, self._job, file, part)
        await asyncio.to_thread(part.put, artifacts)

    def _finish(self) -> None:
        shutil.rmtree(self._folder / _PARTS)
        if not self._target.name.endswith(_ARCHIVE):
            self._folder.rename(self._target)
            return
        packed = self._folder.with_name(f"{self._folder.name}.tar.gz")
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(self._folder, arcname=self._job)
        packed.rename(self._target)
        shutil.rmtree(self._folder)
