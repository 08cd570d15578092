# Makes the small ONNX models that the tests use: `pip install onnx numpy && python generate.py` writes them beside this file.
# The results are committed; run it again only when a test needs a new model.

import struct
from pathlib import Path

from onnx import TensorProto, checker, helper, save

HERE = Path(__file__).parent

DATATYPES = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "fp16": TensorProto.FLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bytes": TensorProto.STRING,
}


def tensor(name, datatype, shape):
    return helper.make_tensor_value_info(name, datatype, shape)


def ints(name, values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def write(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model, full_check=True)
    save(model, HERE / f"{name}.onnx")


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


# y = x for one datatype, any length: what goes in must come out.
for label, datatype in DATATYPES.items():
    write(
        f"identity-{label}",
        [node("Identity", ["x"], ["y"])],
        [tensor("x", datatype, ["n"])],
        [tensor("y", datatype, ["n"])],
    )

# A fixed second dimension, for shape checks and nested data.
write(
    "identity-rows",
    [node("Identity", ["x"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["n", 3])],
    [tensor("y", TensorProto.FLOAT, ["n", 3])],
)

# Two inputs, two outputs, as in Triton's "simple" example.
write(
    "add-sub",
    [node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]), node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])],
    [tensor("INPUT0", TensorProto.INT32, [1, 16]), tensor("INPUT1", TensorProto.INT32, [1, 16])],
    [tensor("OUTPUT0", TensorProto.INT32, [1, 16]), tensor("OUTPUT1", TensorProto.INT32, [1, 16])],
)

# Rank 0 in and out.
write(
    "scalar",
    [node("Mul", ["x", "x"], ["square"])],
    [tensor("x", TensorProto.FLOAT, [])],
    [tensor("square", TensorProto.FLOAT, [])],
)

# 0/0 and 1/0: NaN and infinities in outputs.
write(
    "divide",
    [node("Div", ["a", "b"], ["quotient"])],
    [tensor("a", TensorProto.FLOAT, ["n"]), tensor("b", TensorProto.FLOAT, ["n"])],
    [tensor("quotient", TensorProto.FLOAT, ["n"])],
)

# Names that are awkward in JSON, in JavaScript objects and in messages.
write(
    "odd-names",
    [node("Identity", ["__proto__"], ['{"1": "a/b c"}'])],
    [tensor("__proto__", TensorProto.FLOAT, ["n"])],
    [tensor('{"1": "a/b c"}', TensorProto.FLOAT, ["n"])],
)

# Takes exactly 77 elements, which its shape does not say: other lengths fail inside the run.
write(
    "needs-77",
    [node("Reshape", ["x", "shape"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["n"])],
    [tensor("y", TensorProto.FLOAT, [7, 11])],
    [ints("shape", [7, 11])],
)

# No inputs at all.
write(
    "constant",
    [node("Identity", ["seven"], ["y"])],
    [],
    [tensor("y", TensorProto.INT64, [1])],
    [ints("seven", [7])],
)

# An output that is no tensor: cannot be served.
write(
    "sequence-output",
    [node("SequenceConstruct", ["x"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["n"])],
    [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, ["n"])],
)

# Several requests as one batch: two inputs and two outputs, row by row.
write(
    "scale-rows",
    [node("Mul", ["rows", "factor"], ["scaled"]), node("Neg", ["factor"], ["opposite"])],
    [tensor("rows", TensorProto.FLOAT, ["n", 2]), tensor("factor", TensorProto.FLOAT, ["n", 1])],
    [tensor("scaled", TensorProto.FLOAT, ["n", 2]), tensor("opposite", TensorProto.FLOAT, ["n", 1])],
)

# Row by row too, but fails where a number is none of 0 to 9.
write(
    "lookup",
    [node("Gather", ["table", "x"], ["y"])],
    [tensor("x", TensorProto.INT64, ["n"])],
    [tensor("y", TensorProto.INT64, ["n"])],
    [ints("table", [number * number for number in range(10)])],
)

# Takes any number of rows, but each row's result depends on all of them.
write(
    "mean-rows",
    [node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1), node("Sub", ["x", "mean"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["n", 3])],
    [tensor("y", TensorProto.FLOAT, ["n", 3])],
)

# The first axis is time, the second the batch: sums over time.
write(
    "running-sum",
    [node("CumSum", ["x", "axis"], ["y"])],
    [tensor("x", TensorProto.FLOAT, ["time", "n", 2])],
    [tensor("y", TensorProto.FLOAT, ["time", "n", 2])],
    [helper.make_tensor("axis", TensorProto.INT64, [], [0])],
)

# Gives two rows for each that goes in.
write(
    "doubled-rows",
    [node("Concat", ["x", "x"], ["y"], axis=0)],
    [tensor("x", TensorProto.FLOAT, ["n", 3])],
    [tensor("y", TensorProto.FLOAT, ["m", 3])],
)

# Weights in files of their own, one of them named only inside a branch.
(HERE / "external-data").mkdir(exist_ok=True)


def weights(name, *values):
    return helper.make_tensor(name, TensorProto.FLOAT, [len(values)], struct.pack(f"<{len(values)}f", *values), raw=True)


def branch(name, values):
    output = [tensor(f"{name}_out", TensorProto.FLOAT, [2])]
    return helper.make_graph([node("Identity", [values.name], [f"{name}_out"])], name, [], output, [values])


save(
    helper.make_model(
        helper.make_graph(
            [
                node(
                    "If",
                    ["yes"],
                    ["added"],
                    then_branch=branch("then", weights("w1", 1, 2)),
                    else_branch=branch("else", weights("w2", 3, 4)),
                ),
                node("Add", ["x", "added"], ["sum"]),
                node("Mul", ["sum", "w3"], ["y"]),
            ],
            "external-data",
            [tensor("x", TensorProto.FLOAT, [2]), tensor("yes", TensorProto.BOOL, [])],
            [tensor("y", TensorProto.FLOAT, [2])],
            [weights("w3", 10, 100)],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    ),
    HERE / "external-data" / "model.onnx",
    save_as_external_data=True,
    all_tensors_to_one_file=False,
    size_threshold=0,
)

# Runs as long as it is told to: `iterations` products of 256 x 256 matrices, one after the other.
size = 256
body = helper.make_graph(
    [node("MatMul", ["matrix_in", "identity"], ["matrix_out"]), node("Identity", ["go_in"], ["go_out"])],
    "body",
    [
        tensor("iteration", TensorProto.INT64, []),
        tensor("go_in", TensorProto.BOOL, []),
        tensor("matrix_in", TensorProto.FLOAT, [size, size]),
    ],
    [tensor("go_out", TensorProto.BOOL, []), tensor("matrix_out", TensorProto.FLOAT, [size, size])],
)
write(
    "busy",
    [
        node("ConstantOfShape", ["side"], ["square"]),
        node("EyeLike", ["square"], ["identity"], dtype=TensorProto.FLOAT),
        node("Loop", ["iterations", "go", "identity"], ["last"], body=body),
        node("ReduceSum", ["last"], ["trace"], keepdims=0),
    ],
    [tensor("iterations", TensorProto.INT64, [])],
    [tensor("trace", TensorProto.FLOAT, [])],
    [ints("side", [size, size]), helper.make_tensor("go", TensorProto.BOOL, [], [True])],
)
