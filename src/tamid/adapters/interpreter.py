"""This Python as files of an image: interpreter, standard library, packages, system libraries.

What an image runs is what was tried here: no base image, nothing to download. Works where programs
are linked against the GNU C library; `ldd` says which libraries a file needs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import zoneinfo
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

import tamid
from tamid.adapters._entries import Entry
from tamid.adapters._optional import need
from tamid.core.errors import UsageError

HOME = "/opt/tamid"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"{HOME}/lib/{_VERSION}"
PYTHON = f"{HOME}/bin/{_VERSION}"
INCLUDE = f"{HOME}/include/{_VERSION}"
# Parts of the standard library that no server needs: windows, games, and tests of Python itself.
_LEFT_OUT = frozenset(
    ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages",
     "dist-packages", "__pycache__", "pydoc_data")
)  # fmt: skip
# What an installer notes about itself; it says nothing about the package.
_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_NEEDED = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$")
_BATCH = 200


def python_entries() -> list[Entry]:
    """Return interpreter and standard library, with the system libraries that they need."""
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    found = [
        Entry(path=PYTHON, content=interpreter, mode=0o555),
        Entry(path=f"{HOME}/bin/python", target=_VERSION),
        # Debian's Python looks for packages under this name.
        Entry(path=f"{LIBRARY}/dist-packages", target="site-packages"),
    ]
    for path in _files(standard):
        inside = path.relative_to(standard)
        if not _LEFT_OUT & set(inside.parts) and not inside.parts[0].startswith("config-"):
            found.append(Entry(path=f"{LIBRARY}/{inside.as_posix()}", content=path))
    extensions = sysconfig.get_config_var("DESTSHARED")
    if extensions and not Path(extensions).is_relative_to(standard):
        for path in _files(Path(extensions)):
            found.append(Entry(path=f"{LIBRARY}/lib-dynload/{path.name}", content=path))
    if (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        # Only that it is there counts: a kernel that was built with it says so by its name.
        found.append(Entry(path=f"{INCLUDE}/Python.h", content=b""))
    return [*found, *_system(found)]


def package_entries(extras: Sequence[str]) -> list[Entry]:
    """Return Tamid and all packages that it needs with some extras, with their system libraries.

    Raises:
        UsageError: Tamid is not installed as a package, or one that it needs is missing.
    """
    found: list[Entry] = []
    for distribution in _needed(extras):
        root = Path(str(distribution.locate_file(""))).resolve()
        for file in distribution.files or ():
            path = Path(str(file.locate())).resolve()
            inside = path.relative_to(root) if path.is_relative_to(root) else None
            if inside is not None and path.is_file() and not _noise(inside):
                entry = f"{LIBRARY}/site-packages/{inside.as_posix()}"
                found.append(Entry(path=entry, content=path))
    return [*found, *_system(found)]


def zone_entries(zone: str) -> list[Entry]:
    """Return the data of a time zone, where this machine has it as a file."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder) / zone
        if path.is_file():
            return [Entry(path=str(path), content=path.resolve())]
    return []


def _needed(extras: Sequence[str]) -> list[metadata.Distribution]:
    """Return Tamid's distribution and those it needs, sorted by name."""
    need("packaging", "loop")
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    known: dict[str, metadata.Distribution] = {}
    asked: dict[str, set[str]] = {}
    queue = [("tamid", frozenset(extras))]
    while queue:
        name, wanted = queue.pop()
        fresh = set(wanted) - asked.get(name, set())
        if name in known and not fresh:
            continue
        asked.setdefault(name, set()).update(fresh)
        known[name] = known.get(name) or _distribution(name)
        for text in known[name].requires or ():
            requirement = Requirement(text)
            under = ["", *asked[name]]
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in under
            ):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return [found for _, found in sorted(known.items())]


def _distribution(name: str) -> metadata.Distribution:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        found = None
    if name == "tamid" and (found is None or not _holds(found)):
        raise UsageError(
            "this Tamid cannot be put into an image",
            why=f"it runs from a source tree ({Path(tamid.__file__).parent})",
            fix="Install it as a package first: `make install`, or `pip install .`.",
        )
    if found is None:
        raise UsageError(
            f"the package {name} is missing here",
            why="what an image holds is what is installed here",
            fix=f"pip install {name}",
        )
    return found


def _holds(distribution: metadata.Distribution) -> bool:
    """Say whether a distribution holds the Tamid that runs now."""
    here = Path(tamid.__file__).resolve()
    return any(Path(str(f.locate())).resolve() == here for f in distribution.files or ())


def _noise(inside: Path) -> bool:
    return "__pycache__" in inside.parts or inside.suffix == ".pyc" or inside.name in _NOTES


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, those that links lead to among them, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".pyc", ".a"):
            yield path


def _system(entries: Sequence[Entry]) -> list[Entry]:
    """Return the system libraries that files need and that are not among them."""
    binaries = [e.content for e in entries if isinstance(e.content, Path) and _is_binary(e.content)]
    own = {path.resolve() for path in binaries}
    if not shutil.which("ldd"):
        raise UsageError(
            "there is no `ldd` here",
            why="it says which system libraries the image needs",
            fix="Export on a machine with the GNU C library, such as Debian or Fedora.",
        )
    needed: set[str] = set()
    for i in range(0, len(binaries), _BATCH):
        told = subprocess.run(
            ["ldd", *map(str, binaries[i : i + _BATCH])],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        needed |= {m[1] for line in told.splitlines() if (m := _NEEDED.match(line))}
    paths = [Path(path) for path in sorted(needed)]
    return [
        Entry(path=str(PurePosixPath(path)), content=path.resolve(), mode=0o555)
        for path in paths
        if path.resolve() not in own
    ]


def _is_binary(path: Path) -> bool:
    if not (path.suffix == ".so" or ".so." in path.name or not path.suffix):
        return path.name.startswith("python")
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
