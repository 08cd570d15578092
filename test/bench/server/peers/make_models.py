# Makes the models that the server is measured with: `python make_models.py FOLDER`. Seeded, so every machine gets the same files.

import os
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, checker, helper, numpy_helper, save

MLP_INPUT = 512
MLP_WIDTH = 2048
# With this many the weights are 88 MB, which one thread reads in about 3.4 ms: at batch 1 the time is all memory, and
# a batch of 32 rows reads them once for all.
MLP_HIDDEN_LAYERS = 6
MLP_OUTPUT = 16


def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def write(path, graph, opset):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    # A file that is there is whole, even where two runs make it at the same time.
    unfinished = path.with_suffix(f".{os.getpid()}")
    save(model, unfinished)
    unfinished.rename(path)


def make_tiny(path):
    constants = [
        numpy_helper.from_array(numpy.float32(2), "two"),
        numpy_helper.from_array(numpy.arange(16, dtype=numpy.float32), "steps"),
    ]
    nodes = [helper.make_node("Mul", ["x", "two"], ["doubled"]), helper.make_node("Add", ["doubled", "steps"], ["y"])]
    write(path, helper.make_graph(nodes, "tiny", [tensor("x", ["n", 16])], [tensor("y", ["n", 16])], constants), 17)


def make_mlp(path):
    random = numpy.random.default_rng(2048)
    widths = [MLP_INPUT, *[MLP_WIDTH] * MLP_HIDDEN_LAYERS, MLP_OUTPUT]
    nodes, constants = [], []
    value = "x"
    for layer, (rows, columns) in enumerate(zip(widths, widths[1:])):
        # Scaled so that values keep their size from layer to layer: numbers too small for a float are slow to compute.
        weights = random.standard_normal((rows, columns), dtype=numpy.float32) * numpy.float32((2 / rows) ** 0.5)
        constants.append(numpy_helper.from_array(weights, f"weights{layer}"))
        constants.append(numpy_helper.from_array(numpy.zeros(columns, dtype=numpy.float32), f"bias{layer}"))
        last = layer == len(widths) - 2
        product = "y" if last else f"product{layer}"
        nodes.append(helper.make_node("Gemm", [value, f"weights{layer}", f"bias{layer}"], [product]))
        if not last:
            value = f"hidden{layer}"
            nodes.append(helper.make_node("Relu", [product], [value]))
    inputs, outputs = [tensor("x", ["n", MLP_INPUT])], [tensor("y", ["n", MLP_OUTPUT])]
    write(path, helper.make_graph(nodes, "mlp", inputs, outputs, constants), 17)


def make_resnet(path):
    """ResNet-50's graph as the onnx package ships it, with weights of its sizes in place of constants, and any batch."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    light = onnx.load(folder / "light_resnet50.onnx").graph
    random = numpy.random.default_rng(50)
    shapes = {constant.name: numpy_helper.to_array(constant) for constant in light.initializer}
    reshape = next(node for node in light.node if node.op_type == "Reshape")
    features = shapes[reshape.input[1]][-1]
    constants = {reshape.input[1]: numpy.array([-1, features])}
    for name, value in shapes.items():
        if not name.endswith("__SHAPE") and name != reshape.input[1]:
            constants[name] = make_weights(name, value.shape, random)
    nodes = []
    for node in light.node:
        if node.op_type == "ConstantOfShape":
            constants[node.output[0]] = make_weights(node.output[0], shapes[node.input[0]], random)
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    data, result = nodes[0].input[0], nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "resnet50",
        [tensor(data, ["n", 3, 224, 224])],
        [tensor(result, ["n", 1000])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    write(path, graph, 9)


def make_weights(name, shape, random):
    """Such that values keep their size: variance 1 and mean 0 in normalisation, sums of branches dominated by one."""
    if len(shape) == 1:
        value = 1 if name.endswith(("_s_0", "_riv_0")) else 0
        return numpy.full(shape, 0.2 if name.endswith("_branch2c_bn_s_0") else value, dtype=numpy.float32)
    inputs = numpy.prod(shape[1:])
    return random.standard_normal(shape, dtype=numpy.float32) * numpy.float32((2 / inputs) ** 0.5)


MAKERS = {"tiny": make_tiny, "mlp": make_mlp, "resnet": make_resnet}

if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        if not (target / f"{name}.onnx").exists():
            make(target / f"{name}.onnx")
