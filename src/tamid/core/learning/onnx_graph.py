"""What an ONNX file would do, read from its bytes without running it: which operators, what beside.

Only what is needed is read of the protocol buffers of `onnx.proto`: a model's graph is field 7 and
its functions field 25, a graph's nodes and tensors are fields 1 and 5, a node's operator,
attributes and domain fields 4, 5 and 7; an attribute's tensor and graphs are fields 5, 6 and 11; a
tensor's place is field 14.
"""

from __future__ import annotations

from collections.abc import Iterator

from tamid.core.errors import Uncompilable

# Operators of trees and linear models, and of what prepares their columns. None of them can repeat
# or skip others, reads a file, or makes more numbers than it is given but by a constant factor.
ALLOWED = frozenset(
    {
        "ai.onnx.ml/ArrayFeatureExtractor", "ai.onnx.ml/Binarizer", "ai.onnx.ml/FeatureVectorizer",
        "ai.onnx.ml/Imputer", "ai.onnx.ml/LabelEncoder", "ai.onnx.ml/LinearClassifier",
        "ai.onnx.ml/LinearRegressor", "ai.onnx.ml/Normalizer", "ai.onnx.ml/OneHotEncoder",
        "ai.onnx.ml/Scaler", "ai.onnx.ml/TreeEnsemble", "ai.onnx.ml/TreeEnsembleClassifier",
        "ai.onnx.ml/TreeEnsembleRegressor", "ai.onnx.ml/ZipMap",
        "/Abs", "/Add", "/And", "/ArgMax", "/Cast", "/Clip", "/Concat", "/Constant", "/Div",
        "/Equal", "/Exp", "/Flatten", "/Gather", "/Gemm", "/Greater", "/GreaterOrEqual",
        "/Identity", "/IsNaN", "/Less", "/LessOrEqual", "/Log", "/MatMul", "/Max", "/Min", "/Mul",
        "/Neg", "/Not", "/Or", "/Pow", "/ReduceMax", "/ReduceSum", "/Reshape", "/Shape", "/Sigmoid",
        "/Slice", "/Softmax", "/Split", "/Sqrt", "/Squeeze", "/Sub", "/Transpose", "/Unsqueeze",
        "/Where",
    }
)  # fmt: skip
_MOST_NODES = 10_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1


def refuse_unlisted(content: bytes) -> None:
    """Refuse a file that holds more than operators of the list and numbers of its own.

    Raises:
        Uncompilable: it does, or it cannot be read; the message says what.
    """
    try:
        strange = sorted({name for name in _operators(content) if name not in ALLOWED})
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise Uncompilable(f"the ONNX file cannot be read: {error}") from None
    if strange:
        raise Uncompilable(
            f"the ONNX graph uses {', '.join(strange[:5])}",
            why="in the server's own process only trees and linear models are answered",
        )


def _operators(content: bytes) -> Iterator[str]:
    graphs = 0
    for number, graph in _fields(content):
        if number == 25:
            yield "functions of its own"
        if number != 7 or not isinstance(graph, bytes):
            continue
        graphs += 1
        for count, (part, value) in enumerate(_fields(graph)):
            if count > _MOST_NODES:
                yield "more than can be looked at"
                return
            if part in (5, 15) and isinstance(value, bytes):
                yield from _tensor(value)
            if part == 1 and isinstance(value, bytes):
                yield from _node(value)
    if graphs != 1:
        raise ValueError("it holds no graph, or several")


def _node(content: bytes) -> Iterator[str]:
    operator = domain = ""
    for number, value in _fields(content):
        if not isinstance(value, bytes):
            continue
        if number == 4:
            operator = value.decode()
        elif number == 7:
            domain = value.decode()
        elif number == 5:
            for part, held in _fields(value):
                if part in (6, 11):
                    yield "a graph within a graph"
                if part in (5, 10) and isinstance(held, bytes):
                    yield from _tensor(held)
    yield f"{'' if domain == 'ai.onnx' else domain}/{operator}"


def _tensor(content: bytes) -> Iterator[str]:
    if any(number == 14 and value == _EXTERNAL for number, value in _fields(content)):
        yield "numbers that lie in another file"


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and value of each field. Raises ValueError, IndexError."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field of no known kind")
        if at + size > len(content):
            raise ValueError("it is cut off")
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number without an end")
