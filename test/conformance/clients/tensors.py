# Awkward values of every datatype, what Python's onnxruntime makes of them, and when two results are equal.

from functools import cache

import numpy as np
import onnxruntime

FP32 = np.finfo(np.float32)
FP64 = np.finfo(np.float64)
FP16 = np.finfo(np.float16)


def _integers(dtype):
    info = np.iinfo(dtype)
    return np.array([info.min, info.max, 0, 1, info.max // 3, info.min // 3], dtype=dtype)


def _floats(dtype, info):
    finite = [0.0, -0.0, 1.0, -1.5, 1 / 3, info.max, info.min, info.tiny, info.smallest_subnormal]
    return np.array([*finite, np.inf, -np.inf, np.nan], dtype=dtype)


# By the protocol's name, in its order. 2^53 + 1 is the first integer that a double does not hold.
VALUES = {
    "BOOL": np.array([True, False, False, True]),
    "UINT8": _integers(np.uint8),
    "UINT16": _integers(np.uint16),
    "UINT32": _integers(np.uint32),
    "UINT64": np.append(_integers(np.uint64), np.array([2**53 + 1, 2**63 + 1], dtype=np.uint64)),
    "INT8": _integers(np.int8),
    "INT16": _integers(np.int16),
    "INT32": _integers(np.int32),
    "INT64": np.append(_integers(np.int64), np.array([2**53 + 1, -(2**53) - 1], dtype=np.int64)),
    "FP16": _floats(np.float16, FP16),
    "FP32": _floats(np.float32, FP32),
    "FP64": np.append(_floats(np.float64, FP64), np.array([0.1, 2**53 + 2.0, 1e21, 1e-7])),
    "BYTES": np.array(["", "a", "Ünïcode ✓ 🚢", '"\\/\b\f\n\r\t', "\u2028", "x" * 5000], dtype=np.object_),
}
DATATYPES = list(VALUES)
# The protocol gives FP16 no form in JSON and no typed field in gRPC.
JSON_DATATYPES = [datatype for datatype in DATATYPES if datatype != "FP16"]


def identity(servers, datatype):
    """The server of the model that gives back its one input of any length."""
    return servers[f"identity-{datatype.lower()}"]


def to_bytes_elements(array):
    """Texts as most clients want them: bytes."""
    return np.array([text.encode() for text in array.flat], dtype=np.object_).reshape(array.shape)


@cache
def _session(model_path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])


def reference(server, inputs):
    """What onnxruntime gives in this process, by output name."""
    session = _session(server.model_path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def _as_text(array):
    return [element.decode() if isinstance(element, bytes) else str(element) for element in array.flat]


def assert_same(actual, expected):
    """Shape, type and every element equal; NaN equals NaN. Clients give texts as bytes or as text."""
    assert actual is not None, "the client found no such output"
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    if expected.dtype == np.object_:
        assert _as_text(actual) == _as_text(expected), f"{_as_text(actual)[:9]} is not {_as_text(expected)[:9]}"
        return
    assert actual.dtype == expected.dtype, f"type {actual.dtype}, not {expected.dtype}"
    floating = np.issubdtype(expected.dtype, np.floating)
    assert np.array_equal(actual, expected, equal_nan=floating), f"{actual.ravel()[:20]} is not {expected.ravel()[:20]}"


def assert_same_bits(actual, expected):
    """As `assert_same`, also the sign of zeros and the bits of NaN."""
    assert_same(actual, expected)
    if expected.dtype != np.object_:
        assert np.asarray(actual).tobytes() == expected.tobytes(), "other bits"


def assert_close(actual, expected):
    """For real networks: two builds of one runtime may add in another order."""
    assert actual is not None and actual.shape == expected.shape, f"{actual} instead of shape {expected.shape}"
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def rows(count, width, seed):
    """Rows that all differ, so that one row's result cannot pass for another's."""
    return np.random.default_rng(seed).standard_normal((count, width), dtype=np.float32)
