# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job store promises, whatever keeps the jobs.

The store owns what was asked (submitted, cancelled, hidden) and the index of all jobs. What
happened in a training is decided in the job's directory and copied here by
:meth:`JobStore.finish`.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Protocol, TypeAlias, TypeVar, cast

from deepaas.errors import IllegalTransition, JobNotEnded
from deepaas.records import IdempotencyKey, Job, JobEnd, JobPlace, JobState

T = TypeVar("T")

#: A job waits no longer than this between two attempts.
LONGEST_DELAY: Final = timedelta(hours=1)

#: In a class that has a method ``list``, the builtin's name is taken.
Jobs: TypeAlias = list[Job]


class JobStore(Protocol):
    """Keeps jobs; several servers may work on one store at once.

    **Durability.** What a method changed survives the end of the process and of the machine once
    the method has returned.

    **Atomicity.** Every method is one step, for other servers too: nobody sees half of it. A caller
    that is cancelled (:class:`asyncio.CancelledError`) leaves its step done or not begun, never
    half done; it does not learn which, so it asks again or leaves it to recovery.

    **Races.** Of several servers that call :meth:`claim`, :meth:`unclaim` or :meth:`adopt` for one
    job, one wins; the others get ``None``, which is an answer and no error.

    **Final states.** The first :meth:`finish` decides, and nothing but :meth:`hide` and
    :meth:`remove` changes the job after it.

    **Order.** Jobs are ordered by ``created``, then by ``id``.

    **Values.** Text is kept as UTF-8, times as UTC; a time without a zone is a
    :class:`ValueError`. See :func:`storable`.

    **Errors.** A method that takes the id of a job raises :class:`~deepaas.errors.JobNotFound` for
    an unknown one. Every method raises :class:`~deepaas.errors.StorageFull` when no space is left
    and :class:`~deepaas.errors.StorageUnavailable` when the store cannot be used for another
    reason, also after :meth:`close`; then it changed nothing, or, where the connection was lost
    during the answer, all of it.
    """

    async def add(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Keep a new job, and with it the key under which it was asked for.

        May be repeated: adding a job once more changes nothing, whatever became of it meanwhile.

        Args:
            job: Must be queued.
            key: Of all jobs that are added with one key, the first is kept and no other.

        Returns:
            This job, or the one that was added with the key before, as it is now.

        Raises:
            IllegalTransition: The job is not queued, or another job has its id.
            KeyReused: The key was kept with another fingerprint.
        """
        ...

    async def find(self, key: IdempotencyKey) -> Job | None:
        """Return the job that was added with a key, ``None`` if none was or it was removed.

        Raises:
            KeyReused: The key was kept with another fingerprint.
        """
        ...

    async def get(self, job_id: str) -> Job:
        """Return the job as it is now, hidden or not."""
        ...

    async def list(
        self,
        model: str | None = None,
        *,
        kind: str | None = None,
        states: Collection[JobState] | None = None,
        owner: str | None = None,
        include_hidden: bool = False,
        oldest_first: bool = False,
        after: JobPlace | None = None,
        limit: int = 1000,
        with_results: bool = True,
    ) -> Jobs:
        """Return the first jobs in order, the newest first unless told otherwise.

        Pages are cut by place and not by number: what is added or removed between two of them
        neither repeats a job nor leaves one out.

        Args:
            model: Only jobs of this model; ``None``: of all.
            kind: Only jobs of this kind; ``None``: of every kind.
            states: Only jobs in one of these states; ``None``: in any; an empty one: no job.
            owner: Only jobs of this owner; ``None``: of every owner, and of none.
            include_hidden: Also jobs that left the contract's view.
            oldest_first: In the order of the queue instead.
            after: Only jobs behind this place, in the order asked for.
            limit: At most so many.
            with_results: Whether to read what their functions returned, which may be large;
                otherwise ``result`` is ``None``.
        """
        ...

    async def next_queued(
        self, models: Sequence[str], slots: int, *, kinds: Sequence[str], now: datetime
    ) -> Job | None:
        """Return the oldest queued job that the caller may start; change nothing.

        Args:
            models: The models that the caller serves.
            slots: How many jobs of these models and kinds may run at once, on all servers together.
            kinds: The kinds of jobs that the caller runs.
            now: A job whose ``not_before`` lies between now and an hour later is passed over. One
                that lies further ahead was set before the clock was put back.

        Returns:
            A candidate for :meth:`claim`, or ``None``: nothing is queued, or no slot is free.
        """
        ...

    async def claim(
        self,
        job_id: str,
        *,
        server: str,
        models: Sequence[str],
        kinds: Sequence[str],
        slots: int,
        now: datetime,
    ) -> Job | None:
        """Make a queued job running and the server its follower, if there is a free slot.

        Looking and changing are one step: two servers never claim one job, nor both the last slot.

        Args:
            job_id: A queued job of one of ``models``.
            server: Id of the server that starts the job.
            models: The models whose running jobs count.
            kinds: The kinds of jobs that count.
            slots: How many of them may run at once, on all servers together.
            now: Becomes ``started``. Also, see :meth:`next_queued`.

        Returns:
            The running job, or ``None``: it is not queued (any more), is of another model or kind,
            is to wait, or no slot is free.
        """
        ...

    async def unclaim(
        self,
        job_id: str,
        *,
        server: str,
        not_before: datetime | None = None,
        message: str | None = None,
    ) -> Job | None:
        """Put a running job back into the queue, at its old place, for its next attempt.

        Args:
            job_id: A running job.
            server: The caller.
            not_before: When it may be started again, at most an hour from now; ``None``: at once.
            message: Why, for people.

        Returns:
            The queued job, its ``attempt`` one higher, without ``started`` and ``server``; or
            ``None``: the job is not running, or another server follows it.
        """
        ...

    async def adopt(self, job_id: str, *, old_server: str | None, server: str) -> Job | None:
        """Become the follower of a running job in place of a server that is gone.

        Args:
            job_id: A running job.
            old_server: Who followed it when the caller looked.
            server: The caller. Differs from every other caller's, or more than one would win.

        Returns:
            The job with its new ``server``, or ``None``: it is not running, or somebody else
            adopted it first.
        """
        ...

    async def finish(self, job_id: str, end: JobEnd) -> Job:
        """Record how a queued or running job ended.

        May be repeated; the first end wins.

        Returns:
            The ended job; unchanged if it had ended before. ``server`` stays, as history.

        Raises:
            IllegalTransition: The state of ``end`` is not a final one.
        """
        ...

    async def hide(self, job_id: str, now: datetime) -> Job:
        """Take a job, in whatever state, out of the contract's view.

        May be repeated; the first time is kept.

        Returns:
            The job with its ``hidden_at``.
        """
        ...

    async def remove(self, job_id: str) -> None:
        """Forget a job that has ended, and the key under which it was asked for.

        Raises:
            JobNotEnded: It is queued or running.
        """
        ...

    async def running(self) -> Jobs:
        """Return every running job, of all servers, hidden ones too, oldest first."""
        ...

    async def latest_evaluations(self, model: str) -> Jobs:
        """Return the evaluation of each version of a model that was done last, without its result.

        Those of a version that was never evaluated are missing; a hidden one counts.
        """
        ...

    async def is_evaluating(self, model: str, version: int) -> bool:
        """Tell whether an evaluation of a version is queued or running."""
        ...

    async def count_by_state(
        self, model: str | None = None, *, kind: str | None = None
    ) -> dict[JobState, int]:
        """Return how many jobs, hidden ones too, are in each state; every state has an entry.

        Args:
            model: Only jobs of this model; ``None``: of all.
            kind: Only jobs of this kind; ``None``: of every kind.
        """
        ...

    async def check(self) -> None:
        """Prove, by writing, that the store could keep a job now.

        Meant for the moment before a job is accepted: a client learns of a full disk before it
        sends its files. Returns nothing; raises what :meth:`add` would.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the store. May be repeated."""
        ...


def storable(value: T) -> T:
    r"""Return a value of a record as every store can keep it.

    Args:
        value: A text, of which lone surrogates become ``\udcXX`` in ASCII: a file name that is not
            UTF-8 brings them into an exception's message, and an end that cannot be recorded for
            that reason would leave the job running for ever. Or a time, which becomes UTC. Anything
            else stays.

    Raises:
        ValueError: A time has no time zone.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"The time {value} has no time zone.")
        return cast("T", value.astimezone(UTC))
    if isinstance(value, str) and not isinstance(value, Enum):
        return cast("T", value.encode("utf-8", "backslashreplace").decode("utf-8"))
    return value


def require_new(job: Job, *, known: Job | None = None) -> None:
    """Check that a job may be added.

    Args:
        job: The job to add.
        known: What the store already holds under its id.

    Raises:
        IllegalTransition: The job is not queued, or ``known`` is another one.
    """
    if job.state is not JobState.QUEUED:
        raise IllegalTransition(f"A new job must be queued, but job {job.id!r} is {job.state}.")
    if known is not None and _identity(known) != _identity(job):
        raise IllegalTransition(f"Another job has the id {job.id!r} already.")


def require_ended(job: Job) -> None:
    """Check that a job may be removed.

    Raises:
        JobNotEnded: It is queued or running.
    """
    if not job.state.is_final:
        raise JobNotEnded(job.id)


def require_final(end: JobEnd) -> None:
    """Check that an end is one.

    Raises:
        IllegalTransition: Its state is not final.
    """
    if not end.state.is_final:
        raise IllegalTransition(f"A job cannot end as {end.state}.")


def _identity(job: Job) -> tuple[object, ...]:
    asked = (job.kind, job.model, job.created, job.arguments, job.owner)
    return tuple(storable(value) for value in asked)
