# Triton's Python client over gRPC: every call that fits a server of one model, streams, deadlines, many at once.

import asyncio
import queue
import time

import numpy as np
import requests
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from cases import case, cases_for, main
from tensors import (
    DATATYPES,
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
PATIENCE_SECONDS = 30
FLOATS = {"x": (VALUES["FP32"], "FP32")}


def connect(server):
    return triton.InferenceServerClient(server.grpc)


def make_input(name, array, datatype):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(to_bytes_elements(array) if datatype == "BYTES" else array)
    return made


def ask(server, arrays, **options):
    """`arrays`: by input name, the array and its datatype."""
    inputs = [make_input(name, array, datatype) for name, (array, datatype) in arrays.items()]
    with connect(server) as client:
        return client.infer(server.model_name, inputs, **{"client_timeout": PATIENCE_SECONDS, **options})


def status_of(call):
    """The status with which a call fails."""
    try:
        call()
    except InferenceServerException as error:
        assert error.message(), "no message"
        return error.status()
    raise AssertionError("the server did not refuse")


@cases_for("{}", DATATYPES)
def _(servers, datatype):
    server = identity(servers, datatype)
    result = ask(server, {"x": (VALUES[datatype], datatype)})
    assert_same_bits(result.as_numpy("y"), reference(server, {"x": VALUES[datatype]})["y"])


@cases_for("{}, no element", DATATYPES)
def _(servers, datatype):
    server = identity(servers, datatype)
    array = VALUES[datatype][:0]
    assert_same(ask(server, {"x": (array, datatype)}).as_numpy("y"), reference(server, {"x": array})["y"])


@case("a scalar")
def _(servers):
    array = np.array(1.5, dtype=np.float32)
    result = ask(servers["scalar"], {"x": (array, "FP32")})
    assert_same(result.as_numpy("square"), reference(servers["scalar"], {"x": array})["square"])


def add_sub_inputs(second=7):
    return {
        "INPUT0": (np.arange(16, dtype=np.int32).reshape(1, 16), "INT32"),
        "INPUT1": (np.full((1, 16), second, dtype=np.int32), "INT32"),
    }


@case("two inputs and outputs; of two outputs one asked for")
def _(servers):
    server = servers["add-sub"]
    expected = reference(server, {name: array for name, (array, _) in add_sub_inputs().items()})
    result = ask(server, add_sub_inputs())
    for name, array in expected.items():
        assert_same(result.as_numpy(name), array)
    result = ask(server, add_sub_inputs(), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert_same(result.as_numpy("OUTPUT1"), expected["OUTPUT1"])
    assert result.as_numpy("OUTPUT0") is None


@case("13 inputs of all datatypes, in another order than the model's")
def _(servers):
    server = servers["every-datatype"]
    shapes = [(4,), (2, 3), (), (2,), (2, 2), (1, 5, 1), (0,), (1, 2, 2), (), (12,), (4, 3), (5,), (3, 2)]
    arrays = {}
    for datatype, shape in zip(DATATYPES, shapes):
        array = VALUES[datatype][: int(np.prod(shape))].reshape(shape)
        arrays[f"in_{datatype.lower()}"] = (array, datatype)
    result = ask(server, dict(reversed(arrays.items())))
    for name, expected in reference(server, {name: array for name, (array, _) in arrays.items()}).items():
        assert_same(result.as_numpy(name), expected)


@cases_for("compression {}", ["gzip", "deflate"])
def _(servers, algorithm):
    array = np.tile(VALUES["FP32"], 5000)
    result = ask(servers["identity-fp32"], {"x": (array, "FP32")}, compression_algorithm=algorithm)
    assert_same_bits(result.as_numpy("y"), array)


@case("20 MB in one tensor each way")
def _(servers):
    array = rows(1, 5_000_000, seed=1)[0]
    assert_same_bits(ask(servers["identity-fp32"], {"x": (array, "FP32")}).as_numpy("y"), array)


@case("more than the limit in one message: RESOURCE_EXHAUSTED, and the next request is answered")
def _(servers):
    server = servers["identity-fp32"]
    code = status_of(lambda: ask(server, {"x": (np.zeros(18_000_000, np.float32), "FP32")}))
    assert code == "StatusCode.RESOURCE_EXHAUSTED", code
    assert_same(ask(server, FLOATS).as_numpy("y"), VALUES["FP32"])


@case("id, model name and version come back; priority, timeout and parameters of one's own are taken")
def _(servers):
    options = {"priority": 2, "timeout": 30_000_000, "parameters": {"mine": "x", "n": 1, "f": 0.5}}
    result = ask(servers["add-sub"], add_sub_inputs(), request_id="seven", model_version="1", **options)
    response = result.get_response()
    assert response.id == "seven"
    assert response.model_name == servers["add-sub"].model_name and response.model_version == "1"


@case("live and ready")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is True
        assert client.is_model_ready(server.model_name) is True
        assert client.is_model_ready(server.model_name, "1") is True


@case("live but not ready while the model loads; inference is UNAVAILABLE")
def _(servers):
    server = servers["loading"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is False
        assert client.is_model_ready(server.model_name) is False
    assert status_of(lambda: ask(server, add_sub_inputs())) == "StatusCode.UNAVAILABLE"


@case("live, not ready, still answering while the server drains")
def _(servers):
    server = servers["draining"]
    with connect(server) as client:
        assert client.is_server_live() is True
        assert client.is_server_ready() is False
        inputs = [make_input(name, array, datatype) for name, (array, datatype) in add_sub_inputs().items()]
        # Each answer ends the connection; the client opens another.
        for _index in range(5):
            result = client.infer(server.model_name, inputs, client_timeout=PATIENCE_SECONDS)
            assert result.as_numpy("OUTPUT0")[0, 3] == 10


@case("metadata of the server")
def _(servers):
    with connect(servers["add-sub"]) as client:
        metadata = client.get_server_metadata(as_json=True)
    assert metadata["name"] and metadata["version"]
    assert {"model_configuration", "statistics"} <= set(metadata["extensions"])


@case("metadata of the model")
def _(servers):
    server = servers["every-datatype"]
    with connect(server) as client:
        metadata = client.get_model_metadata(server.model_name)
        assert metadata == client.get_model_metadata(server.model_name, "1")
    assert list(metadata.versions) == ["1"] and metadata.platform == "onnx_onnxv1"
    inputs = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs}
    assert inputs["in_int32"] == ("INT32", [-1, 2, 2])
    assert inputs["in_uint16"] == ("UINT16", [])
    assert [tensor.datatype for tensor in metadata.outputs] == DATATYPES


@case("configuration of the model")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        config = client.get_model_config(server.model_name).config
    assert config.name == server.model_name
    data_type = config.DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_name["TYPE_INT32"].number
    assert [(tensor.name, tensor.data_type) for tensor in config.input] == [
        ("INPUT0", data_type),
        ("INPUT1", data_type),
    ]


@case("repository index")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        (entry,) = client.get_model_repository_index().models
    assert (entry.name, entry.version, entry.state) == (server.model_name, "1", "READY")


@case("statistics count what was asked")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:

        def successes():
            (statistics,) = client.get_inference_statistics(server.model_name).model_stats
            assert (statistics.name, statistics.version) == (server.model_name, "1")
            return statistics.inference_stats.success.count, statistics.inference_count

        before = successes()
        for _index in range(5):
            ask(server, add_sub_inputs())
        assert successes() == (before[0] + 5, before[1] + 5)
        assert client.get_inference_statistics().model_stats[0].name == server.model_name


@cases_for(
    "refused: {}",
    [
        ("another model", "NOT_FOUND", FLOATS, {"model_name": "another"}),
        ("another version", "NOT_FOUND", FLOATS, {"model_version": "2"}),
        ("the wrong datatype", "INVALID_ARGUMENT", {"x": (VALUES["FP64"], "FP64")}, {}),
        ("the wrong rank", "INVALID_ARGUMENT", {"x": (np.zeros((3, 1), np.float32), "FP32")}, {}),
        ("an unknown input", "INVALID_ARGUMENT", {"z": (VALUES["FP32"], "FP32")}, {}),
        ("no input", "INVALID_ARGUMENT", {}, {}),
        ("an unknown output", "INVALID_ARGUMENT", FLOATS, {"outputs": [triton.InferRequestedOutput("z")]}),
    ],
)
def _(servers, _name, code, arrays, options):
    server = servers["identity-fp32"]
    inputs = [make_input(name, array, datatype) for name, (array, datatype) in arrays.items()]
    with connect(server) as client:
        call = {"model_name": server.model_name, "inputs": inputs, "client_timeout": PATIENCE_SECONDS, **options}
        assert status_of(lambda: client.infer(**call)) == f"StatusCode.{code}"


@cases_for(
    "BYTES that onnxruntime cannot take whole are refused, not cut: {}", [("NUL", b"a\0b"), ("not UTF-8", b"\xff\xfe")]
)
def _(servers, _name, element):
    server = servers["identity-bytes"]
    made = triton.InferInput("x", [1], "BYTES")
    made.set_data_from_numpy(np.array([element], dtype=np.object_))
    with connect(server) as client:
        code = status_of(lambda: client.infer(server.model_name, [made], client_timeout=PATIENCE_SECONDS))
    assert code == "StatusCode.INVALID_ARGUMENT", code


@cases_for(
    "calls for what a server of one model does not have fail with a message: {}",
    [
        ("load", lambda client, name: client.load_model(name)),
        ("unload", lambda client, name: client.unload_model(name)),
        ("trace settings", lambda client, name: client.get_trace_settings()),
        ("shared memory", lambda client, name: client.get_system_shared_memory_status()),
    ],
)
def _(servers, _name, call):
    server = servers["add-sub"]
    with connect(server) as client:
        assert status_of(lambda: call(client, server.model_name)) == "StatusCode.UNIMPLEMENTED"


def runs_of(server):
    with connect(server) as client:
        (statistics,) = client.get_inference_statistics(server.model_name).model_stats
        return statistics.inference_count, statistics.execution_count


@case(f"{AT_ONCE} requests at once are joined, and each gets the answer to its own rows")
def _(servers):
    server = servers["perceptron"]
    before = runs_of(server)
    total = 0
    with connect(server) as client:
        for turn in range(8):
            asked = [rows(1 + (index + turn) % 3, 32, seed=turn * AT_ONCE + index) for index in range(AT_ONCE)]
            total += sum(len(array) for array in asked)
            answers = queue.Queue()
            for index, array in enumerate(asked):

                def answered(result, error, index=index):
                    answers.put((index, result, error))

                client.async_infer(server.model_name, [make_input("x", array, "FP32")], answered)
            for _index in asked:
                index, result, error = answers.get(timeout=PATIENCE_SECONDS)
                assert error is None, error
                assert_close(result.as_numpy("y"), reference(server, {"x": asked[index]})["y"])
    rows_run, runs = (after - earlier for after, earlier in zip(runs_of(server), before))
    assert rows_run == total, f"{rows_run} rows in statistics, {total} asked"
    # Else this case would show nothing.
    assert runs < 8 * AT_ONCE, f"{runs} runs: no requests were joined"


@case("a stream: an answer for each request, also after one that was refused; the end is clean")
def _(servers):
    server = servers["add-sub"]
    answers = queue.Queue()
    with connect(server) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for index in range(AT_ONCE):
            inputs = [make_input(name, array, kind) for name, (array, kind) in add_sub_inputs(index).items()]
            client.async_stream_infer(server.model_name, inputs[: 1 if index == 5 else 2], request_id=str(index))
        client.stop_stream()
    seen = [answers.get_nowait() for _index in range(AT_ONCE)]
    assert answers.empty(), "more answers than requests"
    assert [bool(error) for _result, error in seen].count(True) == 1
    results = {int(result.get_response().id): result for result, error in seen if error is None}
    assert sorted(results) == [index for index in range(AT_ONCE) if index != 5]
    for index, result in results.items():
        assert result.as_numpy("OUTPUT0")[0, 3] == 3 + index


@case("a stream that the client cancels leaves the server well")
def _(servers):
    server = servers["add-sub"]
    with connect(server) as client:
        client.start_stream(lambda result, error: None)
        for _index in range(AT_ONCE):
            inputs = [make_input(name, array, kind) for name, (array, kind) in add_sub_inputs().items()]
            client.async_stream_infer(server.model_name, inputs)
        client.stop_stream(cancel_requests=True)
    assert ask(server, add_sub_inputs()).as_numpy("OUTPUT0")[0, 3] == 10


@case("a stream through the asyncio client, and requests at once")
def _(servers):
    server = servers["perceptron"]
    asked = [rows(1, 32, seed=9000 + index) for index in range(AT_ONCE)]

    async def stream():
        for index, array in enumerate(asked):
            inputs = [make_input("x", array, "FP32")]
            yield {"model_name": server.model_name, "inputs": inputs, "request_id": str(index)}

    async def ask_all():
        async with triton_aio.InferenceServerClient(server.grpc) as client:
            inputs = [make_input("x", array, "FP32") for array in asked]
            plain = await asyncio.gather(*(client.infer(server.model_name, [each]) for each in inputs))
            streamed = {}
            async for result, error in client.stream_infer(stream()):
                assert error is None, error
                streamed[int(result.get_response().id)] = result
            return plain, streamed

    plain, streamed = asyncio.run(ask_all())
    for index, array in enumerate(asked):
        expected = reference(server, {"x": array})["y"]
        assert_close(plain[index].as_numpy("y"), expected)
        assert_close(streamed[index].as_numpy("y"), expected)


def busy_input(iterations):
    return {"iterations": (np.array(iterations, dtype=np.int64), "INT64")}


def pending(server):
    """How many requests wait, and how many have no answer yet."""
    text = requests.get(f"http://{server.http}/metrics", timeout=PATIENCE_SECONDS).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return float(lines["plimsoll_queue_depth"]), float(lines["plimsoll_requests_in_flight"])


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)


@case("a deadline that passes and a call that is cancelled free their places in the queue")
def _(servers):
    server = servers["busy"]
    with connect(server) as client:
        inputs = [make_input("iterations", *busy_input(3000)["iterations"])]

        def ignore(result, error):
            pass

        running = [client.async_infer(server.model_name, inputs, ignore) for _index in range(2)]
        wait_until(lambda: pending(server)[1] >= 2, "two requests in flight")
        waiting = [client.async_infer(server.model_name, inputs, ignore) for _index in range(3)]
        late = status_of(lambda: client.infer(server.model_name, inputs, client_timeout=0.2))
        assert late == "StatusCode.DEADLINE_EXCEEDED", late
        for call in waiting + running:
            call.cancel()
        wait_until(lambda: pending(server)[0] == 0, "an empty queue")
        # The run that has begun cannot be stopped, and the machine may be slow.
        result = ask(server, busy_input(1), client_timeout=2 * PATIENCE_SECONDS)
    assert_close(result.as_numpy("trace"), np.float32(256))


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
    result = ask(server, {"x": (image, "FP32")})
    for name, array in reference(server, {"x": image}).items():
        assert_close(result.as_numpy(name), array)


main()
