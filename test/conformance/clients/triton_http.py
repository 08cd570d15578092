# Triton's Python client over HTTP: every call that fits a server of one model, JSON and binary, many at once.

import asyncio

import numpy as np
import requests
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from cases import case, cases_for, main
from tensors import (
    DATATYPES,
    JSON_DATATYPES,
    VALUES,
    assert_close,
    assert_same,
    assert_same_bits,
    identity,
    reference,
    rows,
    to_bytes_elements,
)

AT_ONCE = 32


def connect(server, **options):
    return triton.InferenceServerClient(server.http, **options)


def make_input(name, array, datatype, binary=True):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(to_bytes_elements(array) if datatype == "BYTES" else array, binary_data=binary)
    return made


def ask(server, arrays, outputs=None, binary=True, **options):
    """`arrays`: by input name, the array and its datatype."""
    inputs = [make_input(name, array, datatype, binary) for name, (array, datatype) in arrays.items()]
    with connect(server) as client:
        return client.infer(server.model_name, inputs, outputs=outputs, **options)


def refusal(server, arrays, **options):
    """The status with which the server refuses; the client must have understood the answer."""
    try:
        ask(server, arrays, **options)
    except InferenceServerException as error:
        assert error.message() and "an exception occurred in the client" not in error.message(), error
        return error.status(), error.message()
    raise AssertionError("the server did not refuse")


def check_identity(servers, datatype, array, binary_in, binary_out):
    server = identity(servers, datatype)
    outputs = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = ask(server, {"x": (array, datatype)}, outputs, binary_in)
    expected = reference(server, {"x": array})["y"]
    (assert_same_bits if binary_in and binary_out else assert_same)(result.as_numpy("y"), expected)


cases_for("{}, binary in and out", DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d], True, True))
cases_for("{}, JSON in and out", JSON_DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d], False, False))
cases_for("{}, binary in, JSON out", JSON_DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d], True, False))
cases_for("{}, JSON in, binary out", JSON_DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d], False, True))
cases_for("{}, no element, binary", DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d][:0], True, True))
cases_for("{}, no element, JSON", JSON_DATATYPES)(lambda s, d: check_identity(s, d, VALUES[d][:0], False, False))


@cases_for("{}: no outputs named, so the client asks for all as binary", JSON_DATATYPES)
def _(servers, datatype):
    server = identity(servers, datatype)
    result = ask(server, {"x": (VALUES[datatype], datatype)}, binary=False)
    assert_same(result.as_numpy("y"), reference(server, {"x": VALUES[datatype]})["y"])
    assert "binary_data_size" in result.get_output("y")["parameters"]


@cases_for("FP16 {} as JSON is refused with 400", [("sent", False, True), ("asked for", True, False)])
def _(servers, _name, binary_in, binary_out):
    outputs = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    arrays = {"x": (VALUES["FP16"], "FP16")}
    status, message = refusal(identity(servers, "FP16"), arrays, outputs=outputs, binary=binary_in)
    assert status == "400" and "FP16" in message, (status, message)


@cases_for("a scalar, {}", [("binary", True), ("JSON", False)])
def _(servers, _name, binary):
    array = np.array(1.5, dtype=np.float32)
    outputs = [triton.InferRequestedOutput("square", binary_data=binary)]
    result = ask(servers["scalar"], {"x": (array, "FP32")}, outputs, binary)
    assert_same(result.as_numpy("square"), reference(servers["scalar"], {"x": array})["square"])


@cases_for("NaN and infinities that the model makes, {}", [("binary", True), ("JSON", False)])
def _(servers, _name, binary):
    arrays = {"a": np.array([0, 1, -1, 3], dtype=np.float32), "b": np.array([0, 0, 0, 2], dtype=np.float32)}
    outputs = [triton.InferRequestedOutput("quotient", binary_data=binary)]
    result = ask(servers["divide"], {name: (array, "FP32") for name, array in arrays.items()}, outputs, binary)
    assert_same(result.as_numpy("quotient"), reference(servers["divide"], arrays)["quotient"])


def every_datatype():
    shapes = {
        "BOOL": (4,),
        "UINT8": (2, 3),
        "UINT16": (),
        "UINT32": (2,),
        "UINT64": (2, 2),
        "INT8": (1, 5, 1),
        "INT16": (0,),
        "INT32": (1, 2, 2),
        "INT64": (),
        "FP16": (12,),
        "FP32": (4, 3),
        "FP64": (5,),
        "BYTES": (3, 2),
    }
    return {
        datatype: VALUES[datatype][: int(np.prod(shape))].reshape(shape) for datatype, shape in shapes.items()
    }


@cases_for(
    "13 inputs of all datatypes and ranks, {}",
    [
        ("all binary", lambda index: True, lambda index: True),
        ("every second one JSON", lambda index: index % 2 == 1, lambda index: index % 2 == 1),
        ("JSON in where binary out", lambda index: index % 3 == 0, lambda index: index % 3 != 1),
    ],
)
def _(servers, _name, binary_in, binary_out):
    server = servers["every-datatype"]
    arrays = every_datatype()
    inputs, outputs, feeds = [], [], {}
    for index, (datatype, array) in enumerate(arrays.items()):
        only_binary = datatype == "FP16"
        label = datatype.lower()
        feeds[f"in_{label}"] = array
        inputs.append(make_input(f"in_{label}", array, datatype, only_binary or binary_in(index)))
        outputs.append(triton.InferRequestedOutput(f"out_{label}", binary_data=only_binary or binary_out(index)))
    # Neither the order of inputs nor that of outputs is the model's.
    with connect(server) as client:
        result = client.infer(server.model_name, inputs[::-1], outputs=outputs[5:] + outputs[:5])
    for name, expected in reference(server, feeds).items():
        assert_same(result.as_numpy(name), expected)
    asked = [output.name() for output in outputs[5:] + outputs[:5]]
    assert [output["name"] for output in result.get_response()["outputs"]] == asked


def add_sub_inputs():
    return {
        "INPUT0": (np.arange(16, dtype=np.int32).reshape(1, 16), "INT32"),
        "INPUT1": (np.full((1, 16), 7, dtype=np.int32), "INT32"),
    }


@case("one of two outputs asked for: only that one comes")
def _(servers):
    server = servers["add-sub"]
    result = ask(server, add_sub_inputs(), [triton.InferRequestedOutput("OUTPUT1")])
    expected = reference(server, {name: array for name, (array, _) in add_sub_inputs().items()})
    assert_same(result.as_numpy("OUTPUT1"), expected["OUTPUT1"])
    assert result.as_numpy("OUTPUT0") is None


@cases_for(
    "compression {}",
    [
        ("gzip both ways", "gzip", "gzip"),
        ("deflate both ways", "deflate", "deflate"),
        ("gzip of the request only", "gzip", None),
        ("deflate of the answer only", None, "deflate"),
    ],
)
def _(servers, _name, of_request, of_answer):
    server = servers["identity-fp32"]
    array = np.tile(VALUES["FP32"], 5000)
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
        options = {"request_compression_algorithm": of_request, "response_compression_algorithm": of_answer}
        result = ask(server, {"x": (array, "FP32")}, outputs, binary, **options)
        assert_same(result.as_numpy("y"), array)


@case("20 MB in one tensor each way")
def _(servers):
    array = rows(1, 5_000_000, seed=1)[0]
    result = ask(servers["identity-fp32"], {"x": (array, "FP32")})
    assert_same_bits(result.as_numpy("y"), array)


@case("more than the limit in one request: 413 with the server's words, and the next request is answered")
def _(servers):
    server = servers["identity-fp32"]
    status, message = refusal(server, {"x": (np.zeros(18_000_000, np.float32), "FP32")})
    assert status == "413" and "67108864" in message, (status, message)
    assert_same(ask(server, {"x": (VALUES["FP32"], "FP32")}).as_numpy("y"), VALUES["FP32"])


@case("the id comes back, and there is one where none was given")
def _(servers):
    assert ask(servers["add-sub"], add_sub_inputs(), request_id="seven").get_response()["id"] == "seven"
    assert ask(servers["add-sub"], add_sub_inputs()).get_response()["id"]


@case("model name and version are in the answer; the version may be in the path")
def _(servers):
    response = ask(servers["add-sub"], add_sub_inputs(), model_version="1").get_response()
    assert response["model_name"] == servers["add-sub"].model_name
    assert response["model_version"] == "1"


@case("priority, timeout and parameters of one's own are taken")
def _(servers):
    result = ask(servers["add-sub"], add_sub_inputs(), priority=2, timeout=30_000_000, parameters={"mine": "x", "n": 1})
    assert result.as_numpy("OUTPUT0")[0, 3] == 10


@case("body and answer made and read apart from the call")
def _(servers):
    server = servers["add-sub"]
    inputs = [make_input(name, array, datatype) for name, (array, datatype) in add_sub_inputs().items()]
    body, header_length = triton.InferenceServerClient.generate_request_body(inputs)
    answer = requests.post(
        f"http://{server.http}/v2/models/{server.model_name}/infer",
        data=body,
        headers={"Inference-Header-Content-Length": str(header_length)},
        timeout=30,
    )
    length = int(answer.headers["Inference-Header-Content-Length"])
    result = triton.InferenceServerClient.parse_response_body(answer.content, header_length=length)
    assert result.as_numpy("OUTPUT1")[0, 3] == -4


@case("a model whose name, inputs and outputs need quoting")
def _(servers):
    server = servers["odd-names"]
    array = np.array([1, 2], dtype=np.float32)
    with connect(server) as client:
        assert client.is_model_ready(server.model_name)
        assert client.get_model_metadata(server.model_name)["name"] == server.model_name
    result = ask(server, {"__proto__": (array, "FP32")})
    assert result.get_response()["model_name"] == server.model_name
    assert_same(result.as_numpy('{"1": "a/b c"}'), array)


@case("live and ready")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is True
        assert client.is_model_ready(server.model_name) is True
        assert client.is_model_ready(server.model_name, "1") is True
        assert client.is_model_ready(server.model_name, "2") is False
        assert client.is_model_ready("another") is False


@case("live but not ready while the model loads")
def _(servers):
    server = servers["loading"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is False
        assert client.is_model_ready(server.model_name) is False
    assert refusal(server, add_sub_inputs())[0] == "503"


@case("live, not ready, still answering while the server drains")
def _(servers):
    server = servers["draining"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is False
        assert client.is_model_ready(server.model_name) is False
        inputs = [make_input(name, array, datatype) for name, (array, datatype) in add_sub_inputs().items()]
        # Each answer ends the connection; the client opens another.
        for _index in range(5):
            assert client.infer(server.model_name, inputs).as_numpy("OUTPUT0")[0, 3] == 10


@case("metadata of the server")
def _(servers):
    with connect(servers["add-sub"]) as client:
        metadata = client.get_server_metadata()
    assert isinstance(metadata["name"], str) and isinstance(metadata["version"], str)
    assert {"binary_tensor_data", "model_configuration", "statistics"} <= set(metadata["extensions"])


@case("metadata of the model")
def _(servers):
    server = servers["every-datatype"]
    with connect(server) as client:
        metadata = client.get_model_metadata(server.model_name)
        assert metadata == client.get_model_metadata(server.model_name, "1")
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] == "onnx_onnxv1"
    inputs = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["inputs"]}
    assert inputs["in_int32"] == ("INT32", [-1, 2, 2])
    assert inputs["in_uint16"] == ("UINT16", [])
    assert inputs["in_bytes"] == ("BYTES", [-1, 2])
    assert [tensor["datatype"] for tensor in metadata["outputs"]] == DATATYPES


@case("configuration of the model")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        config = client.get_model_config(server.model_name)
    assert config["name"] == server.model_name
    assert [(tensor["name"], tensor["data_type"]) for tensor in config["input"]] == [
        ("INPUT0", "TYPE_INT32"),
        ("INPUT1", "TYPE_INT32"),
    ]
    assert isinstance(config["max_batch_size"], int)


@case("repository index")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        (entry,) = client.get_model_repository_index()
    assert entry["name"] == server.model_name and entry["version"] == "1" and entry["state"] == "READY"


@case("statistics count what was asked")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:

        def successes():
            (statistics,) = client.get_inference_statistics(server.model_name)["model_stats"]
            assert statistics["name"] == server.model_name and statistics["version"] == "1"
            return int(statistics["inference_stats"]["success"]["count"]), int(statistics["inference_count"])

        before = successes()
        for _index in range(5):
            ask(server, add_sub_inputs())
        assert successes() == (before[0] + 5, before[1] + 5)
        assert client.get_inference_statistics()["model_stats"][0]["name"] == server.model_name


@cases_for("another {} is not found", [("model", "another", ""), ("version", None, "2")])
def _(servers, _name, model, version):
    server = servers["identity-fp32"]
    made = make_input("x", VALUES["FP32"], "FP32")
    with connect(server) as client:
        try:
            client.infer(model or server.model_name, [made], model_version=version)
        except InferenceServerException as error:
            assert error.status() == "404", error
            return
    raise AssertionError("the server did not refuse")


@cases_for(
    "refused with 400: {}",
    [
        ("the wrong datatype", {"x": (np.zeros(3, np.float64), "FP64")}),
        ("the wrong rank", {"x": (np.zeros((3, 1), np.float32), "FP32")}),
        ("an unknown input", {"z": (np.zeros(3, np.float32), "FP32")}),
        ("no input", {}),
    ],
)
def _(servers, _name, arrays):
    for binary in (True, False):
        assert refusal(servers["identity-fp32"], arrays, binary=binary)[0] == "400"


@cases_for(
    "BYTES that onnxruntime cannot take whole are refused, not cut: {}", [("NUL", b"a\0b"), ("not UTF-8", b"\xff\xfe")]
)
def _(servers, _name, element):
    server = servers["identity-bytes"]
    made = triton.InferInput("x", [1], "BYTES")
    made.set_data_from_numpy(np.array([element], dtype=np.object_))
    with connect(server) as client:
        try:
            client.infer(server.model_name, [made])
        except InferenceServerException as error:
            assert error.status() == "400", error
            return
    raise AssertionError("the server did not refuse")


def classify(client, name):
    inputs = [make_input(name, array, datatype) for name, (array, datatype) in add_sub_inputs().items()]
    client.infer(name, inputs, outputs=[triton.InferRequestedOutput("OUTPUT0", class_count=3)])


@cases_for(
    "calls for what a server of one model does not have fail with a message: {}",
    [
        ("load", lambda client, name: client.load_model(name)),
        ("unload", lambda client, name: client.unload_model(name)),
        ("trace settings", lambda client, name: client.get_trace_settings()),
        ("log settings", lambda client, name: client.get_log_settings()),
        ("shared memory", lambda client, name: client.get_system_shared_memory_status()),
        ("class labels", lambda client, name: classify(client, name)),
    ],
)
def _(servers, _name, call):
    server = servers["add-sub"]
    with connect(server) as client:
        try:
            call(client, server.model_name)
        except InferenceServerException as error:
            assert "an exception occurred in the client" not in error.message(), error
            assert error.status()[0] in "45", error
            return
    raise AssertionError("the call did not fail")


def runs_of(server):
    with connect(server) as client:
        (statistics,) = client.get_inference_statistics(server.model_name)["model_stats"]
        return int(statistics["inference_count"]), int(statistics["execution_count"])


@case(f"{AT_ONCE} requests at once are joined, and each gets the answer to its own rows")
def _(servers):
    server = servers["perceptron"]
    before = runs_of(server)
    total = 0
    with connect(server, concurrency=AT_ONCE) as client:
        for turn in range(8):
            asked = [rows(1 + (index + turn) % 3, 32, seed=turn * AT_ONCE + index) for index in range(AT_ONCE)]
            total += sum(len(array) for array in asked)
            pending = [client.async_infer(server.model_name, [make_input("x", array, "FP32")]) for array in asked]
            for array, request in zip(asked, pending):
                assert_close(request.get_result().as_numpy("y"), reference(server, {"x": array})["y"])
    rows_run, runs = (after - earlier for after, earlier in zip(runs_of(server), before))
    assert rows_run == total, f"{rows_run} rows in statistics, {total} asked"
    # Else this case would show nothing.
    assert runs < 8 * AT_ONCE, f"{runs} runs: no requests were joined"


@case(f"{AT_ONCE} requests at once through the asyncio client")
def _(servers):
    server = servers["perceptron"]
    asked = [rows(1, 32, seed=9000 + index) for index in range(AT_ONCE)]

    async def ask_all():
        async with triton_aio.InferenceServerClient(server.http, conn_limit=AT_ONCE) as client:
            assert await client.is_server_ready()
            inputs = [make_input("x", array, "FP32") for array in asked]
            return await asyncio.gather(*(client.infer(server.model_name, [each]) for each in inputs))

    for array, result in zip(asked, asyncio.run(ask_all())):
        assert_close(result.as_numpy("y"), reference(server, {"x": array})["y"])


@cases_for(
    "a real network: {}",
    [
        ("text direction", "ocr-cls", (2, 3, 48, 192)),
        ("text recognition", "ocr-rec", (1, 3, 48, 160)),
        ("text detection", "ocr-det", (1, 3, 96, 64)),
    ],
)
def _(servers, _name, key, shape):
    server = servers[key]
    image = np.random.default_rng(4).random(shape, dtype=np.float32) * 2 - 1
    expected = reference(server, {"x": image})
    result = ask(server, {"x": (image, "FP32")})
    for name, array in expected.items():
        assert_close(result.as_numpy(name), array)


main()
