# Makes the models that only the conformance tests need: `python make_models.py FOLDER` writes them there.

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


def tensor(name, datatype, shape):
    return helper.make_tensor_value_info(name, datatype, shape)


def write(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    save(model, Path(sys.argv[1]) / f"{name}.onnx")


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


# The model that TensorFlow Serving's documentation explains its REST interface with.
write(
    "half-plus-two",
    [node("Mul", ["x", "half"], ["halved"]), node("Add", ["halved", "two"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["batch"])],
    [tensor("y", TensorProto.FLOAT, ["batch"])],
    [
        numpy_helper.from_array(np.float32(0.5), "half"),
        numpy_helper.from_array(np.float32(2), "two"),
    ],
)

# One input and output of every datatype and of several ranks: mistakes in the order of tensors show.
EVERY = [
    ("bool", TensorProto.BOOL, ["a"]),
    ("uint8", TensorProto.UINT8, ["b", 3]),
    ("uint16", TensorProto.UINT16, []),
    ("uint32", TensorProto.UINT32, [2]),
    ("uint64", TensorProto.UINT64, ["c", "d"]),
    ("int8", TensorProto.INT8, [1, "e", 1]),
    ("int16", TensorProto.INT16, ["f"]),
    ("int32", TensorProto.INT32, ["g", 2, 2]),
    ("int64", TensorProto.INT64, []),
    ("fp16", TensorProto.FLOAT16, ["h"]),
    ("fp32", TensorProto.FLOAT, ["i", 3]),
    ("fp64", TensorProto.DOUBLE, ["j"]),
    ("bytes", TensorProto.STRING, ["k", 2]),
]
write(
    "every-datatype",
    [node("Identity", [f"in_{label}"], [f"out_{label}"]) for label, _, _ in EVERY],
    [tensor(f"in_{label}", datatype, shape) for label, datatype, shape in EVERY],
    [tensor(f"out_{label}", datatype, shape) for label, datatype, shape in EVERY],
)

# A perceptron whose weights cost far more to read than a row costs to compute: requests are worth joining.
WIDTH, HIDDEN = 32, 2048
random = np.random.default_rng(20)
write(
    "perceptron",
    [
        node("MatMul", ["x", "w1"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("MatMul", ["b", "w2"], ["c"]),
        node("Tanh", ["c"], ["d"]),
        node("MatMul", ["d", "w3"], ["y"]),
    ],
    [tensor("x", TensorProto.FLOAT, ["batch", WIDTH])],
    [tensor("y", TensorProto.FLOAT, ["batch", WIDTH])],
    [
        numpy_helper.from_array(random.standard_normal(shape, dtype=np.float32) / 16, name)
        for name, shape in [("w1", (WIDTH, HIDDEN)), ("w2", (HIDDEN, HIDDEN)), ("w3", (HIDDEN, WIDTH))]
    ],
)
