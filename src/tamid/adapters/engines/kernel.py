"""A small kernel in C for compiled models: built once by the system's compiler, loaded by ctypes.

Without a compiler, or where nothing may be written, it is absent and the next engine answers.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib import resources
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.adapters.engines.layout import Layout, laid_out
from tamid.adapters.engines.splits import SPLIT
from tamid.core.errors import MissingExtra

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine
    from tamid.core.compiled.lane import LaneField
    from tamid.core.compiled.program import Program
    from tamid.ports import RowLane

# Contraction would round a product and a sum once instead of twice: another answer than elsewhere.
_FLAGS = (
    "-O3", "-fno-tree-vectorize", "-funroll-loops", "-std=c11", "-fPIC", "-shared",
    "-ffp-contract=off", "-fno-math-errno",
)  # fmt: skip
# The first is compiled, and includes the others.
_SOURCES = ("kernel.c", "scan.c", "shap.c", "lane.c", "form.c", "number.c")
_MODULE = "tamid_kernel"
_COMPILERS = ("cc", "gcc", "clang")
_LONGEST_BUILD = 60.0
# Where the built kernel lies, and "off" as the word that leaves it out.
CACHE = "TAMID_KERNEL_CACHE"
# Splits on the way to a leaf that the kernel keeps room for when it explains.
_DEEPEST = 60
_LINKS = {"identity": 0, "sigmoid": 1, "softmax": 2, "exp": 3, "divide": 4}
_WHOLE = (
    "features", "slots", "outputs", "trees", "width", "nodes", "link", "linear", "categories",
    "quick",
)  # fmt: skip


class _Program(ctypes.Structure):
    """The struct `Program` of kernel.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _WHOLE),
        ("factor", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in Layout.NAMES),
    )


class KernelEngine:
    """Runs a program in C; a call takes microseconds and holds no lock of Python's."""

    name = "kernel"

    def __init__(
        self, program: Program, cache: Path | None = None, flags: Sequence[str] = ()
    ) -> None:
        """Lay the program out; `flags`: more for the compiler, such as sanitizers."""
        self._path = _built(cache, flags)
        library = _loaded(str(self._path))
        layout = laid_out(program)
        # The arrays live as long as the engine: the kernel reads them in place.
        self._layout = layout
        self._program = _Program(
            **layout.whole(),
            link=_LINKS[program.link],
            factor=program.factor,
            **{name: layout.arrays[name].ctypes.data for name in Layout.NAMES},
        )
        self._outputs, self._size = program.outputs, layout.features * 8
        self._here = ctypes.byref(self._program)
        self._one, self._many, self._shap = (
            library.tamid_one, library.tamid_many, library.tamid_shap,
        )  # fmt: skip
        self._explains = _explains(program, int(layout.arrays["depth"].max(initial=0)))

    def one(self, packed: bytes) -> float:
        """Return the answer for one row."""
        if len(packed) < self._size or self._outputs != 1:
            raise ValueError("fewer rows than promised, or more answers than one")
        answer: float = self._one(self._here, packed)
        return answer

    def many(self, packed: bytes, rows: int) -> list[float]:
        """Return the outputs of each row, row by row."""
        if len(packed) < rows * self._size:
            raise ValueError("fewer rows than promised")
        out = (ctypes.c_double * (rows * self._outputs))()
        self._many(self._here, packed, rows, out)
        return list(out)

    def lane(self, fields: Sequence[LaneField], unset: Any) -> RowLane | None:
        """Return a lane in C; None where it was built without Python's headers."""
        module = _module(str(self._path)) if self._outputs == 1 else None
        if module is None:
            return None
        told = tuple(
            (int(f.kind), f.feature, f.nullable, f.low, f.high, dict(f.codes)) for f in fields
        )
        lane: RowLane = module.Lane(ctypes.addressof(self._program), self, unset, told)
        return lane

    def shap(self, packed: bytes, output: int) -> list[float] | None:
        """Return each feature's part in one row's sum; None if it cannot tell."""
        if not self._explains or len(packed) < self._size:
            return None
        out = (ctypes.c_double * self._layout.features)()
        self._shap(self._here, packed, output, out)
        return list(out)


def _explains(program: Program, depth: int) -> bool:
    return program.explain == "shap" and depth <= _DEEPEST


def cache_folder() -> Path | None:
    """Return where built kernels lie; None if the environment switches them off."""
    named = os.environ.get(CACHE, "")
    if named == "off":
        return None
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~").expanduser() / ".cache")
    return Path(home) / "tamid"


def build(cache: Path, flags: Sequence[str] = ()) -> Path:
    """Return the kernel for this source, compiler and machine, built if it is not there yet.

    Where Python's headers are, it is a module of Python as well.

    Raises:
        MissingExtra: there is no compiler, it failed, or the folder is not this user's alone.
    """
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    sources, given = _sources(), (*_FLAGS, *flags, *_headers())
    path = cache / _name(sources, given)
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_shared(cache)
        if path.is_file():
            return path
        if compiler is None:
            raise MissingExtra("there is no C compiler here")
        with tempfile.TemporaryDirectory(dir=cache) as place:
            text, made = Path(place) / _SOURCES[0], Path(place) / "kernel.so"
            for name, source in sources.items():
                (Path(place) / name).write_bytes(source)
            command = [compiler, *given, str(text), "-o", str(made), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=_LONGEST_BUILD)
            made.replace(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingExtra(f"the kernel cannot be built: {error}") from error
    return path


def shipped(include: Path) -> tuple[str, bytes]:
    """Return this machine's kernel under its name where Python's headers lie in `include`.

    Raises:
        MissingExtra: as for :func:`build`, or kernels are switched off.
    """
    built, known = _built(None, ()), _headers()
    there = ("-DTAMID_PYTHON", f"-I{include}") if known else ()
    return _name(_sources(), (*_FLAGS, *there)), built.read_bytes()


def prebuild() -> str:
    """Build the kernel now, and say what came of it; its absence is no error."""
    folder = cache_folder()
    if folder is None:
        return f"the kernel is switched off by {CACHE}"
    try:
        return f"the kernel is {build(folder)}"
    except MissingExtra as error:
        return f"no kernel: {error.what}; compiled models are answered by another engine"


def _sources() -> dict[str, bytes]:
    folder = resources.files("tamid.adapters.engines")
    return {name: folder.joinpath(name).read_bytes() for name in _SOURCES}


def _name(sources: dict[str, bytes], given: Sequence[str]) -> str:
    """Return the name of a kernel: another source, flag or Python is another kernel."""
    about = "\0".join([*given, sysconfig.get_platform(), sys.byteorder, _python()]).encode()
    mark = hashlib.sha256(b"\0".join([*sources.values(), about])).hexdigest()[:24]
    return f"kernel-{mark}.so"


def _headers() -> Sequence[str]:
    """Return what lets the kernel read Python's own values; nothing without Python's headers."""
    folder = Path(sysconfig.get_path("include"))
    return ("-DTAMID_PYTHON", f"-I{folder}") if (folder / "Python.h").is_file() else ()


def _python() -> str:
    return str(sysconfig.get_config_var("SOABI") or sys.version)


def _refuse_shared(folder: Path) -> None:
    """Refuse a folder in which somebody else could have put a library."""
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise MissingExtra(f"{folder} is not this user's alone")


def _built(cache: Path | None, flags: Sequence[str]) -> Path:
    folder = cache or cache_folder()
    if folder is None:
        raise MissingExtra(f"the kernel is switched off by {CACHE}")
    if sys.byteorder != "little":
        raise MissingExtra("the kernel reads little-endian rows")
    return build(folder, flags)


@functools.lru_cache(maxsize=8)
def _loaded(path: str) -> Any:
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise MissingExtra(f"the kernel cannot be loaded: {error}") from error
    library.tamid_sizes.restype = ctypes.c_int64
    sizes = ctypes.sizeof(_Program) * 10_000 + Layout.NODE.itemsize * 100
    sizes += Layout.PAIR.itemsize + SPLIT.itemsize
    if library.tamid_sizes() != sizes:
        raise MissingExtra("the kernel was built for another layout")
    pointer = ctypes.POINTER(_Program)
    library.tamid_one.argtypes = [pointer, ctypes.c_char_p]
    library.tamid_one.restype = ctypes.c_double
    doubles = ctypes.POINTER(ctypes.c_double)
    library.tamid_many.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int64, doubles]
    library.tamid_many.restype = None
    library.tamid_shap.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int64, doubles]
    library.tamid_shap.restype = None
    return library


@functools.lru_cache(maxsize=8)
def _module(path: str) -> Any:
    """Return the kernel as a module of Python, None where it was built without the headers."""
    if not _headers():
        return None
    loader = ExtensionFileLoader(_MODULE, path)
    spec = spec_from_file_location(_MODULE, path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


if TYPE_CHECKING:

    def _check(program: Program) -> Engine:
        return KernelEngine(program)
