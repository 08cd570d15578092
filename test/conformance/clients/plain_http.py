# The V2 protocol as spoken by hand with a common HTTP library: exact texts, headers, requests that are wrong.

import gzip
import json
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import requests

from cases import case, cases_for, main
from tensors import VALUES, assert_close, assert_same, reference, rows

PATIENCE_SECONDS = 30
LENGTH = "Inference-Header-Content-Length"


def url(server, rest=""):
    return f"http://{server.http}/v2/models/{requests.utils.quote(server.model_name, safe='')}{rest}"


def get(address):
    return requests.get(address, timeout=PATIENCE_SECONDS)


def infer(server, body, **headers):
    """`body`: bytes as they are, anything else as JSON. Header names with underscores."""
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(url(server, "/infer"), data=data, headers=sent, timeout=PATIENCE_SECONDS)


def float_input(data=(1.0, 2.0), **fields):
    return {"name": "x", "shape": [len(data)], "datatype": "FP32", "data": list(data), **fields}


def with_binary(head, binary):
    text = json.dumps(head).encode()
    return text + binary, {LENGTH.replace("-", "_"): str(len(text))}


def binary_input(size, shape):
    return {"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": size}}


@case("health as JSON, metadata of the server with and without a slash")
def _(servers):
    address = f"http://{servers['add-sub'].http}/v2"
    assert get(f"{address}/health/live").json() == {"live": True}
    assert get(f"{address}/health/ready").json() == {"ready": True}
    assert get(address).json() == get(f"{address}/").json()
    assert set(get(address).json()) >= {"name", "version", "extensions"}
    assert get(url(servers["add-sub"], "/ready")).json() == {"name": servers["add-sub"].model_name, "ready": True}
    assert get(f"{address}/models").json() == {"models": [servers["add-sub"].model_name]}


@case("while the model loads: live, not ready, and the body says so")
def _(servers):
    address = f"http://{servers['loading'].http}/v2/health"
    assert get(f"{address}/live").status_code == 200
    answer = get(f"{address}/ready")
    assert answer.status_code == 503 and answer.json()["ready"] is False, answer.text


@cases_for("{} with the wrong verb: 405", ["/infer", "/ready", "/config", "/stats"])
def _(servers, rest):
    method = requests.get if rest == "/infer" else requests.post
    answer = method(url(servers["add-sub"], rest), timeout=PATIENCE_SECONDS)
    assert answer.status_code == 405 and answer.json() == {"error": "Method Not Allowed"}, answer.text
    assert answer.headers["allow"]


@case("an unknown path: 404")
def _(servers):
    answer = get(f"http://{servers['add-sub'].http}/v2/nothing")
    assert answer.status_code == 404 and answer.json() == {"error": "Not Found"}, answer.text


@case("an answer has name, id, outputs with shape, datatype and flat data")
def _(servers):
    server = servers["identity-fp32"]
    answer = infer(server, {"inputs": [float_input()]})
    body = answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert LENGTH not in answer.headers
    assert body.pop("id")
    assert body == {
        "model_name": server.model_name,
        "model_version": "1",
        "outputs": [{"name": "y", "shape": [2], "datatype": "FP32", "data": [1, 2]}],
    }, body


@case("nested data")
def _(servers):
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [[1, 2, 3], [4, 5, 6]]}
    answer = infer(servers["identity-rows"], {"inputs": [tensor]})
    assert answer.json()["outputs"][0]["data"] == [1, 2, 3, 4, 5, 6], answer.text


@cases_for("{}: integers beyond 2^53 to the last digit", ["INT64", "UINT64"])
def _(servers, datatype):
    values = VALUES[datatype].tolist()
    tensor = {"name": "x", "shape": [len(values)], "datatype": datatype, "data": values}
    answer = infer(servers[f"identity-{datatype.lower()}"], {"inputs": [tensor]})
    # Python reads integers of any size exactly.
    assert answer.json()["outputs"][0]["data"] == values, answer.text


@case("a raw request: the body is the tensor, all outputs come as binary")
def _(servers):
    array = VALUES["FP32"]
    answer = infer(servers["identity-fp32"], array.tobytes(), Inference_Header_Content_Length="0")
    assert answer.status_code == 200, answer.text
    length = int(answer.headers[LENGTH])
    head = json.loads(answer.content[:length])
    assert head["outputs"][0]["shape"] == [len(array)]
    assert head["outputs"][0]["parameters"]["binary_data_size"] == array.nbytes
    assert answer.content[length:] == array.tobytes()


@case("a raw request of one text")
def _(servers):
    text = "Ünïcode".encode()
    answer = infer(servers["identity-bytes"], text, Inference_Header_Content_Length="0")
    assert answer.status_code == 200, answer.text
    length = int(answer.headers[LENGTH])
    assert answer.content[length:] == len(text).to_bytes(4, "little") + text


@case("the header in small letters, as KServe's client sends it")
def _(servers):
    array = VALUES["FP32"]
    body, headers = with_binary({"inputs": [binary_input(array.nbytes, [len(array)])]}, array.tobytes())
    headers = {name.lower(): value for name, value in headers.items()}
    answer = infer(servers["identity-fp32"], body, content_type="application/octet-stream", **headers)
    assert answer.status_code == 200, answer.text
    assert_same(np.array(answer.json()["outputs"][0]["data"], dtype=np.float32), array)


@case("a chunked request")
def _(servers):
    text = json.dumps({"inputs": [float_input()]}).encode()
    answer = requests.post(
        url(servers["identity-fp32"], "/infer"),
        data=(text[index : index + 7] for index in range(0, len(text), 7)),
        timeout=PATIENCE_SECONDS,
    )
    assert answer.json()["outputs"][0]["data"] == [1, 2], answer.text


@cases_for("{}: the answer is compressed, and its header counts bytes before compression", ["gzip", "deflate"])
def _(servers, encoding):
    array = np.tile(VALUES["FP32"], 2000)
    body, headers = with_binary(
        {"inputs": [binary_input(array.nbytes, [len(array)])], "parameters": {"binary_data_output": True}},
        array.tobytes(),
    )
    compressed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    server = servers["identity-fp32"]
    answer = infer(server, compressed, content_encoding=encoding, accept_encoding=encoding, **headers)
    assert answer.headers["content-encoding"] == encoding, answer.headers
    length = int(answer.headers[LENGTH])
    # The library has decompressed the body.
    assert json.loads(answer.content[:length])["outputs"][0]["shape"] == [len(array)]
    assert answer.content[length:] == array.tobytes()
    assert int(answer.headers["content-length"]) < array.nbytes


@case("no compression where none was asked for")
def _(servers):
    array = np.tile(VALUES["FP32"][:3], 2000)
    answer = infer(servers["identity-fp32"], {"inputs": [float_input(array.tolist())]}, accept_encoding="identity")
    assert "content-encoding" not in answer.headers


TWO_FLOATS = np.array([1, 2], dtype=np.float32).tobytes()
GOOD = {"inputs": [binary_input(8, [2])]}


def wrong_header(value):
    return lambda: (json.dumps(GOOD).encode() + TWO_FLOATS, {"Inference_Header_Content_Length": value})


def json_body(body):
    return lambda: (body if isinstance(body, (bytes, str)) else json.dumps(body), {})


@cases_for(
    "400, and the server stays well: {}",
    [
        ("header beyond the body", wrong_header("5000")),
        ("negative header", wrong_header("-3")),
        ("header that is no number", wrong_header("eight")),
        ("header of 99999999999", wrong_header("99999999999")),
        ("header inside the JSON text", wrong_header("20")),
        ("bytes after the last input", lambda: with_binary(GOOD, TWO_FLOATS + b"x")),
        ("too few bytes", lambda: with_binary(GOOD, TWO_FLOATS[:-1])),
        ("size that is not the shape's", lambda: with_binary({"inputs": [binary_input(4, [2])]}, TWO_FLOATS[:4])),
        (
            "data and binary_data_size at once",
            lambda: with_binary({"inputs": [{**binary_input(8, [2]), "data": [1, 2]}]}, TWO_FLOATS),
        ),
        ("neither data nor binary_data_size", json_body({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]})),
        ("no JSON", json_body("{inputs")),
        ("no inputs", json_body({})),
        ("a shape whose product overflows", json_body({"inputs": [float_input(shape=[2**32, 2**32])]})),
        ("a negative dimension", json_body({"inputs": [float_input(shape=[-1])]})),
        ("an output twice", json_body({"inputs": [float_input()], "outputs": [{"name": "y"}, {"name": "y"}]})),
        ("an unknown output", json_body({"inputs": [float_input()], "outputs": [{"name": "z"}]})),
        ("an unknown input", json_body({"inputs": [float_input(), float_input(name="z")]})),
        ("JSON 250,000 levels deep", json_body("[" * 250_000)),
        ("a text for a number", json_body({"inputs": [float_input(["1", "2"])]})),
        ("a broken gzip body", lambda: (b"\x1f\x8b\x08\x00broken", {"content_encoding": "gzip"})),
    ],
)
def _(servers, _name, make):
    server = servers["identity-fp32"]
    body, headers = make()
    answer = infer(server, body, **headers)
    assert answer.status_code == 400, (answer.status_code, answer.text)
    assert isinstance(answer.json()["error"], str) and answer.json()["error"], answer.text
    assert infer(server, {"inputs": [float_input()]}).status_code == 200


@case("a small body that decompresses to more than the limit: 413")
def _(servers):
    bomb = gzip.compress(b" " * 200 * 1024 * 1024)
    answer = infer(servers["identity-fp32"], bomb, content_encoding="gzip")
    assert answer.status_code == 413 and answer.json()["error"], answer.text


@case("BYTES whose length prefix is cut")
def _(servers):
    head = {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 2}}]}
    body, headers = with_binary(head, b"\x01\x00")
    assert infer(servers["identity-bytes"], body, **headers).status_code == 400


def ask_json(server, array):
    tensor = {"name": "x", "shape": list(array.shape), "datatype": "FP32", "data": array.tolist()}
    return infer(server, {"inputs": [tensor]}).json()["outputs"][0]["data"]


def ask_binary(server, array):
    body, headers = with_binary({"inputs": [binary_input(array.nbytes, list(array.shape))]}, array.tobytes())
    return infer(server, body, **headers).json()["outputs"][0]["data"]


def ask_rows(server, array):
    address = f"http://{server.http}/v1/models/{server.model_name}:predict"
    return requests.post(address, json={"instances": array.tolist()}, timeout=PATIENCE_SECONDS).json()["predictions"]


@case("requests of three protocols at once, joined or not: each gets the answer to its own rows")
def _(servers):
    server = servers["perceptron"]
    asked = [rows(1 + index % 3, 32, seed=index) for index in range(96)]
    ways = [ask_json, ask_binary, ask_rows]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda index: ways[index % 3](server, asked[index]), range(len(asked))))
    for array, answer in zip(asked, answers):
        got = np.array(answer, dtype=np.float32).reshape(array.shape)
        assert_close(got, reference(server, {"x": array})["y"])


main()
