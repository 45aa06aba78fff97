# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model author writes, as a class to subclass.

Nobody has to: a module with functions of these names, or any object with such methods, is a model
too.
"""

from collections.abc import Sequence
from typing import Any

from deepaas.records import Batch, Limits, Training


class BaseModel:
    """A model; override what it supports, leave the rest alone.

    What is not overridden counts as absent: calling it answers 501 and the generated API does not
    offer it. One instance is made in every worker process, by calling the class without arguments,
    and lives as long as the process: what :meth:`warm` keeps on ``self`` is there in every
    :meth:`predict`.

    A package announces its model with an entry point::

        [options.entry_points]
        deepaas.v2.model =
            my_model = my_package.model:MyModel

    The value may be a class, an instance, a module, or a function without arguments that returns
    one of these.
    """

    #: The form of what :meth:`predict` returns under ``application/json``: a dict of marshmallow
    #: fields or a ``marshmallow.Schema`` class. An answer is checked against it and sent unchanged;
    #: one that does not fit becomes an error 500. Without a schema the answer is wrapped as
    #: ``{"status": "OK", "predictions": <answer>}``.
    schema: Any = None

    #: A :class:`deepaas.Batch` lets :meth:`predict_batch` answer several calls at once.
    batch: Batch | None = None

    #: A :class:`deepaas.Limits`: how long a call may run, and how many an ``async`` model runs at
    #: the same time.
    limits: Limits | None = None

    #: A :class:`deepaas.Training`: whether :meth:`train` can go on from its checkpoints when it was
    #: interrupted, and how often it is tried again when it failed.
    training: Training | None = None

    def get_metadata(self) -> dict[str, Any]:
        """Describe the model: name, description, author, license, version and what else is useful.

        Called once, after the model is loaded and before :meth:`warm`. Values should be JSON; what
        is not is shown as its ``repr``. The keys ``id``, ``name`` and ``links`` override those that
        the server would give.
        """
        raise NotImplementedError

    def warm(self) -> None:
        """Load weights and whatever else makes the first prediction as fast as the next.

        Called once in every process before its first call. An exception ends the start of this
        model. Threads and CUDA contexts made here stay, for the process is never forked again by
        the server.
        """
        raise NotImplementedError

    def get_predict_args(self) -> dict[str, Any]:
        """Declare the arguments of :meth:`predict`, by name, as marshmallow fields.

        For example::

            from marshmallow import fields, validate


            def get_predict_args(self):
                return {
                    "image": fields.Raw(
                        required=True, metadata={"type": "file", "location": "form"}
                    ),
                    "top": fields.Int(load_default=5, validate=validate.Range(min=1)),
                    "accept": fields.Str(
                        validate=validate.OneOf(["application/json", "image/png"])
                    ),
                }

        Metadata keys with a meaning: ``description``; ``location``, one of query, form, json,
        headers, cookies and files, where a value may come from (query, form and JSON otherwise);
        ``type="file"`` for an upload; ``secret=True`` to mask the value wherever it is shown;
        ``enum`` for documentation that does not validate.
        """
        raise NotImplementedError

    def predict(self, **kwargs: Any) -> Any:
        """Answer one call.

        Args:
            **kwargs: The declared arguments, checked and converted. An optional one without a
                default is absent when the client did not send it. An upload is a
                :class:`deepaas.UploadedFile`; its file is removed when the call ends.

        Returns:
            Anything that can be JSON, numpy arrays included. Where an argument ``accept`` asks for
            another media type: bytes, ``str``, a ``BytesIO``, a file open for reading in binary
            mode or a :class:`deepaas.ReturnedFile`. An open file is closed by the server.

        Raises:
            deepaas.InvalidInput: The client's mistake; it gets the message with status 400.
        """
        raise NotImplementedError

    def predict_batch(self, calls: list[dict[str, Any]]) -> Sequence[Any]:
        """Answer several calls at once; asked only where :attr:`batch` is set.

        Args:
            calls: For each call the keyword arguments that :meth:`predict` would get.

        Returns:
            As many results as calls, in their order. An exception in the place of a result fails
            that call alone.

        Raises:
            Exception: Whatever it raises, and also a wrong number of results: each of the calls is
                run alone once, by :meth:`predict` if there is one, else as a batch of one.
        """
        raise NotImplementedError

    def health(self) -> Any:
        """Say whether the model can answer; asked between calls.

        Returns:
            ``None`` or ``True``: it can; ``False``: it cannot. A dict or a ``str`` says that it can
            and is shown. An exception says that it cannot, and why.
        """
        raise NotImplementedError

    def get_train_args(self) -> dict[str, Any]:
        """Declare the arguments of :meth:`train`, like those of :meth:`get_predict_args`."""
        raise NotImplementedError

    def train(self, **kwargs: Any) -> Any:
        """Train, in a process of its own, for as long as it takes.

        Report with :func:`deepaas.progress`, keep what is worth keeping under
        :func:`deepaas.artifact_dir`, what helps to resume under :func:`deepaas.checkpoint_dir`.

        Args:
            **kwargs: The declared arguments; uploads stay until the training ends.

        Returns:
            What is shown with the training; a value that cannot be JSON is shown as its ``repr``.
        """
        raise NotImplementedError

    def get_evaluate_args(self) -> dict[str, Any]:
        """Declare the arguments of :meth:`evaluate`, like those of :meth:`get_predict_args`.

        Without this function :meth:`evaluate` counts as absent; one that takes no arguments has
        ``return {}`` here.
        """
        raise NotImplementedError

    def evaluate(self, **kwargs: Any) -> Any:
        """Measure how good a version of the model is, in a process of its own.

        Which version it is, :func:`deepaas.model_dir` tells; :meth:`warm` was called before, as in
        a process that serves the version. :func:`deepaas.progress` and the folders work as in
        :meth:`train`.

        Args:
            **kwargs: The declared arguments; uploads stay until the evaluation ends.

        Returns:
            What is shown with the evaluation. Of a mapping, those values that are numbers become
            metrics of the version, besides those of the last :func:`deepaas.progress`.
        """
        raise NotImplementedError
