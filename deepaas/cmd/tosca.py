# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas tosca``: check templates, translate them for Alien4Cloud and back, pack them."""

import argparse
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from deepaas.alien4cloud.from_alien import Deployment, from_alien, request_body
from deepaas.alien4cloud.to_alien import to_alien
from deepaas.errors import DeepaasError, InvalidDocument
from deepaas.tosca.documents import Document, read_document, write_document
from deepaas.tosca.imports import INDIGO_TYPES_URL

EXIT_FAILED: Final = 1
_DEPLOYMENT: Final = (
    *("topology_id", "id", "paas_id", "orchestrator_id"),
    *("orchestrator_deployment_id", "location_ids", "version_id"),
)


def main(argv: Sequence[str]) -> int:
    """Do what was asked.

    Returns:
        0: done, and every file is valid; 1: one is not, or a file cannot be read or written.
    """
    options = make_parser().parse_args(argv)
    try:
        return _ACTIONS[options.action](options)
    except DeepaasError as exc:
        _tell(exc.message)
        return EXIT_FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="deepaas tosca",
        description="Check templates of TOSCA, translate and pack them. Nothing is fetched.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_validate(actions)
    _add_translate(actions)
    _add_csar(actions)
    bundle = actions.add_parser(
        "bundle", help="write the archives that fill an empty catalogue", allow_abbrev=False
    )
    bundle.add_argument("folder", type=Path, help="where to; made if it is not there")
    bundle.add_argument("templates", type=Path, nargs="*", metavar="TEMPLATE", help="packed too")
    bundle.add_argument("--images", type=Path, help="a folder with the pictures of types")
    bundle.add_argument("--force", action="store_true", help="overwrite what is there")
    return parser


def _add_validate(actions: Any) -> None:
    validate = actions.add_parser(
        "validate",
        help="check templates, topologies of Alien4Cloud and archives",
        allow_abbrev=False,
    )
    validate.add_argument("files", type=Path, nargs="+", metavar="FILE", help="YAML, .csar or .zip")
    validate.add_argument("--json", action="store_true", help="write the faults as JSON")


def _add_translate(actions: Any) -> None:
    translate = actions.add_parser(
        "translate",
        help="make an orchestrator's template of a topology of Alien4Cloud, or the reverse",
        allow_abbrev=False,
    )
    way = translate.add_mutually_exclusive_group(required=True)
    way.add_argument("--from", dest="source", choices=["a4c"], help="the form that FILE has")
    way.add_argument("--to", dest="target", choices=["a4c"], help="the form that is wanted")
    translate.add_argument("file", type=Path, metavar="FILE", help="the template")
    _add_output(translate, "the file to write; standard output where none is named")
    translate.add_argument(
        "--types-url", metavar="URL", help=f"of the types to import; {INDIGO_TYPES_URL}"
    )
    translate.add_argument(
        "--deployment",
        type=Path,
        metavar="FILE",
        help=f"YAML with what Alien4Cloud calls the deployment: {', '.join(_DEPLOYMENT)}",
    )
    translate.add_argument(
        "--parameters",
        type=Path,
        metavar="FILE",
        help="YAML with values of the inputs: writes the orchestrator's request, as JSON",
    )
    translate.add_argument("--callback", metavar="URL", help="goes into that request")


def _add_csar(actions: Any) -> None:
    csar = actions.add_parser(
        "csar", help="pack a template for Alien4Cloud, or check an archive", allow_abbrev=False
    )
    csar.add_argument("file", type=Path, metavar="FILE", help="the template, or with --check a zip")
    csar.add_argument("--check", action="store_true", help="say what would be refused in a zip")
    _add_output(csar, "the archive to write; that of the template with .zip where none is named")
    csar.add_argument("--icon", type=Path, metavar="PICTURE", help="shown by the catalogue")
    csar.add_argument("--author", help="of the template")
    csar.add_argument("--version", metavar="VERSION", help="of the template, as 1.0.0")


def _add_output(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help=text)
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def _validate(options: argparse.Namespace) -> int:
    return _report({str(file): _faults_of(file) for file in options.files}, as_json=options.json)


def _report(found: dict[str, list[str]], *, as_json: bool = False) -> int:
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for file, faults in found.items():
            print("\n".join(faults) if faults else f"{file}: valid")
    return EXIT_FAILED if any(found.values()) else 0


def _faults_of(file: Path) -> list[str]:
    from deepaas.alien4cloud.archive_check import check_archive, validate_topology

    if file.suffix.lower() in (".csar", ".zip") or zipfile.is_zipfile(file):
        return list(check_archive(file))
    try:
        return [str(each) for each in validate_topology(read_document(file), file.parent)]
    except InvalidDocument as exc:
        return [exc.message]


def _translate(options: argparse.Namespace) -> int:
    document = read_document(options.file)
    if options.target:
        for name in ("types_url", "deployment", "parameters", "callback"):
            if getattr(options, name) is not None:
                raise InvalidDocument(f"--{name.replace('_', '-')} goes with --from a4c only.")
        done = to_alien(document)
    else:
        done = from_alien(
            document, deployment=_deployment(options.deployment), types_url=options.types_url
        )
    text = write_document(done.data)
    if options.parameters is not None:
        given = read_document(options.parameters).data or {}
        if not isinstance(given, dict):
            raise InvalidDocument(f"{options.parameters}: parameters must be a mapping.")
        text = json.dumps(request_body(done.data, given, options.callback), indent=2) + "\n"
    elif options.callback is not None:
        raise InvalidDocument("--callback goes with --parameters, which makes a request.")
    for warning in done.warnings:
        _tell(warning)
    if options.output is None:
        sys.stdout.write(text)
    else:
        _write(options.output, text.encode(), force=options.force)
    return 0


def _deployment(file: Path | None) -> Deployment | None:
    if file is None:
        return None
    document = read_document(file)
    said = document.table()
    if set(said) != set(_DEPLOYMENT) or not isinstance(said["location_ids"], list):
        raise InvalidDocument(
            f"{document.place()}: it must have exactly {', '.join(_DEPLOYMENT)};"
            " location_ids is a list."
        )
    texts = {name: str(said[name]) for name in _DEPLOYMENT if name != "location_ids"}
    return Deployment(**texts, location_ids=tuple(map(str, said["location_ids"])))


def _csar(options: argparse.Namespace) -> int:
    if options.check:
        from deepaas.alien4cloud.archive_check import check_archive

        return _report({str(options.file): list(check_archive(options.file))})
    target = options.output or options.file.with_suffix(".zip")
    _write(target, _packed(read_document(options.file), options), force=options.force)
    print(target)
    return 0


def _packed(document: Document, options: argparse.Namespace) -> bytes:
    from deepaas.alien4cloud.archives import topology_archive

    made = topology_archive(
        document,
        Path(document.name).stem,
        icon=getattr(options, "icon", None),
        author=getattr(options, "author", None),
        version=getattr(options, "version", None),
    )
    for warning in made.warnings:
        _tell(warning)
    return made.content


def _bundle(options: argparse.Namespace) -> int:
    from deepaas.alien4cloud.bundle import type_archives

    if options.images is not None and not options.images.is_dir():
        raise InvalidDocument(f"--images: there is no folder {str(options.images)!r}.")
    made = type_archives(options.images)
    for file in options.templates:
        name = f"{file.stem}.zip"
        if name in made:
            raise InvalidDocument(f"{file}: the bundle has an archive {name} already; rename it.")
        made[name] = _packed(read_document(file), options)
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidDocument(f"{options.folder}: {exc.strerror or exc}.") from exc
    if not options.force:
        for name in made:
            _require_free(options.folder / name)
    for name, content in made.items():
        _write(options.folder / name, content, force=options.force)
        print(options.folder / name)
    return 0


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise InvalidDocument(f"{path} is there already; overwrite it with --force.")


def _write(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file whole or not at all, and never over another one without leave."""
    beside = path.with_name(f".{path.name}.part")
    is_ours = False
    try:
        try:
            with beside.open("xb") as file:
                is_ours = True
                file.write(content)
            if force:
                beside.replace(path)
            else:
                # Fails where a file has come meanwhile, which a look beforehand would miss.
                path.hardlink_to(beside)
        finally:
            if is_ours:
                beside.unlink(missing_ok=True)
    except FileExistsError as exc:
        there = path if is_ours else beside
        remedy = "overwrite it with --force" if is_ours else "remove it"
        raise InvalidDocument(f"{there} is there already; {remedy}.") from exc
    except OSError as exc:
        raise InvalidDocument(f"{path} cannot be written: {exc.strerror or exc}.") from exc


def _tell(text: str) -> None:
    print(f"deepaas tosca: {text}", file=sys.stderr)


_ACTIONS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "validate": _validate,
    "translate": _translate,
    "csar": _csar,
    "bundle": _bundle,
}
