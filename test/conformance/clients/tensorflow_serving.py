# TensorFlow Serving's REST interface: its documentation's examples by hand, and OpenVINO's client for it.

import base64
import json

import numpy as np
import requests
from ovmsclient import make_http_client
from ovmsclient.tfs_compat.base.errors import InvalidInputError, ModelNotFoundError

from cases import case, cases_for, main
from tensors import VALUES, assert_close, assert_same, identity, reference, rows

PATIENCE_SECONDS = 30


def url(server, rest=""):
    return f"http://{server.http}/v1/models/{requests.utils.quote(server.model_name, safe='')}{rest}"


def post(server, rest, body):
    """Python's json writes NaN and infinities as TensorFlow Serving reads them."""
    return requests.post(url(server, rest), data=json.dumps(body), timeout=PATIENCE_SECONDS)


def predict(server, body, rest=":predict"):
    answer = post(server, rest, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@case("documentation: predict by rows")
def _(servers):
    assert predict(servers["half-plus-two"], {"instances": [1.0, 2.0, 5.0]}) == {"predictions": [2.5, 3.0, 4.5]}


@case("documentation: predict by columns")
def _(servers):
    server = servers["half-plus-two"]
    assert predict(server, {"inputs": [1.0, 2.0, 5.0]}) == {"outputs": [2.5, 3.0, 4.5]}
    assert predict(server, {"inputs": {"x": [1.0, 2.0]}}) == {"outputs": [2.5, 3.0]}


@case("whole numbers of floats keep their point, so that typed readers see floats")
def _(servers):
    text = post(servers["half-plus-two"], ":predict", {"instances": [2]}).text
    assert "3.0" in text, text


@cases_for("signature {}", ["serving_default", ""])
def _(servers, signature):
    body = {"signature_name": signature, "instances": [1.0]}
    assert predict(servers["half-plus-two"], body) == {"predictions": [2.5]}


@case("an unknown signature is refused with 400")
def _(servers):
    answer = post(servers["half-plus-two"], ":predict", {"signature_name": "another", "instances": [1.0]})
    assert answer.status_code == 400 and "another" in answer.json()["error"], answer.text


@case("a version in the path")
def _(servers):
    server = servers["half-plus-two"]
    assert predict(server, {"instances": [1.0]}, "/versions/1:predict") == {"predictions": [2.5]}
    assert post(server, "/versions/2:predict", {"instances": [1.0]}).status_code == 404


@case("documentation: rows of several named inputs")
def _(servers):
    server = servers["add-sub"]
    row = {"INPUT0": list(range(16)), "INPUT1": [7] * 16}
    answer = predict(server, {"instances": [row]})
    assert answer == {
        "predictions": [{"OUTPUT0": [n + 7 for n in range(16)], "OUTPUT1": [n - 7 for n in range(16)]}]
    }, answer


@case("documentation: columns of several named inputs")
def _(servers):
    server = servers["add-sub"]
    answer = predict(server, {"inputs": {"INPUT0": [list(range(16))], "INPUT1": [[7] * 16]}})
    assert answer == {
        "outputs": {"OUTPUT0": [[n + 7 for n in range(16)]], "OUTPUT1": [[n - 7 for n in range(16)]]}
    }, answer


def b64(text):
    return {"b64": base64.b64encode(text.encode()).decode()}


@case("documentation: texts plain and in base64")
def _(servers):
    server = servers["identity-bytes"]
    texts = ["", "plain", "Ünïcode 🚢"]
    assert predict(server, {"instances": texts}) == {"predictions": texts}
    assert predict(server, {"instances": [b64(text) for text in texts]}) == {"predictions": texts}
    assert predict(server, {"inputs": [b64(text) for text in texts]}) == {"outputs": texts}


# TensorFlow Serving has no form for these two; texts are a case of their own.
WITHOUT_FORM = ["FP16", "UINT16"]
TYPES = [datatype for datatype in VALUES if datatype not in (*WITHOUT_FORM, "BYTES")]


@cases_for("{} equals onnxruntime, rows and columns", TYPES)
def _(servers, datatype):
    server = identity(servers, datatype)
    array = VALUES[datatype]
    expected = reference(server, {"x": array})["y"]
    for asked, answered in [("instances", "predictions"), ("inputs", "outputs")]:
        values = predict(server, {asked: array.tolist()})[answered]
        if datatype == "BOOL":
            assert all(isinstance(value, bool) for value in values), values
        assert_same(np.array(values, dtype=array.dtype), expected)


@case("two-dimensional rows equal onnxruntime")
def _(servers):
    server = servers["perceptron"]
    array = rows(5, 32, seed=3)
    values = predict(server, {"instances": array.tolist()})["predictions"]
    assert_close(np.array(values, dtype=np.float32), reference(server, {"x": array})["y"])


@case("documentation: regress")
def _(servers):
    answer = predict(servers["half-plus-two"], {"examples": [{"x": 1.0}, {"x": 2.0}]}, ":regress")
    assert answer == {"results": [2.5, 3.0]}, answer


@case("documentation: status of the model")
def _(servers):
    expected = {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    for rest in ["", "/versions/1"]:
        answer = requests.get(url(servers["half-plus-two"], rest), timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200 and answer.json() == expected, answer.text


@case("status while the model loads, when its version is not known yet, and while the server drains")
def _(servers):
    answer = requests.get(url(servers["loading"]), timeout=PATIENCE_SECONDS)
    assert answer.status_code == 503 and answer.json()["error"], answer.text
    answer = requests.get(url(servers["draining"]), timeout=PATIENCE_SECONDS)
    assert answer.json()["model_version_status"][0]["state"] == "UNLOADING", answer.text


@case("documentation: metadata of the model")
def _(servers):
    server = servers["half-plus-two"]
    answer = requests.get(url(server, "/metadata"), timeout=PATIENCE_SECONDS).json()
    assert answer["model_spec"]["name"] == server.model_name and answer["model_spec"]["version"] == "1", answer
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["inputs"]["x"]["tensor_shape"]["dim"][0]["size"] == "-1"
    assert signature["outputs"]["y"]["dtype"] == "DT_FLOAT"
    assert signature["method_name"] == "tensorflow/serving/predict"


@cases_for(
    "refused: {}",
    [
        ("both rows and columns", 400, {"instances": [1.0], "inputs": [1.0]}),
        ("neither rows nor columns", 400, {}),
        ("no row", 400, {"instances": []}),
        ("a text for a number", 400, {"instances": ["one"]}),
        ("ragged rows", 400, {"instances": [[1.0], [1.0, 2.0]]}),
        ("rows of two kinds", 400, {"instances": [1.0, {"x": 1.0}]}),
        ("an unknown input in a row", 400, {"instances": [{"x": 1.0, "z": 1.0}]}),
        ("a missing input in a column", 400, {"inputs": {"z": [1.0]}}),
        ("base64 for a number", 400, {"instances": [{"b64": "AAAA"}]}),
    ],
)
def _(servers, _name, status, body):
    answer = post(servers["half-plus-two"], ":predict", body)
    assert answer.status_code == status and answer.json()["error"], answer.text


@case("1.0 is no integer: refused with 400")
def _(servers):
    assert post(servers["identity-int32"], ":predict", {"instances": [1.0]}).status_code == 400


@case("neither the missing key nor the unknown model has other words than TensorFlow Serving's")
def _(servers):
    server = servers["half-plus-two"]
    assert "Missing 'inputs' or 'instances' key" in post(server, ":predict", {}).json()["error"]
    for rest in ["", "/metadata"]:
        answer = requests.get(f"http://{server.http}/v1/models/another{rest}", timeout=PATIENCE_SECONDS)
        assert answer.status_code == 404, answer.text
    answer = requests.post(
        f"http://{server.http}/v1/models/another:predict", data='{"instances": [1]}', timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 404, answer.text
    assert "Servable not found for request: Latest(another)" in answer.json()["error"], answer.text


@cases_for("{} has no form in TensorFlow Serving: 400 in rows, 501 in columns, as there", WITHOUT_FORM)
def _(servers, datatype):
    server = identity(servers, datatype)
    for key, status in [("instances", 400), ("inputs", 501)]:
        answer = post(server, ":predict", {key: [1]})
        assert answer.status_code == status, answer.text
        assert "Conversion of JSON Value: 1 to type: " in answer.json()["error"], answer.text


@cases_for("OpenVINO's client: {}", TYPES)
def _(servers, datatype):
    server = identity(servers, datatype)
    array = VALUES[datatype]
    if datatype == "UINT64":
        # This client makes doubles of a list with both small and large ones.
        array = array[array < 2**53]
    client = make_http_client(server.http)
    got = client.predict({"x": array}, server.model_name, 1, PATIENCE_SECONDS)
    assert_same(np.array(got, dtype=array.dtype), reference(server, {"x": array})["y"])


@case("OpenVINO's client: texts, several inputs")
def _(servers):
    server = servers["identity-bytes"]
    client = make_http_client(server.http)
    assert list(client.predict({"x": ["a", "Ünïcode"]}, server.model_name, 1)) == ["a", "Ünïcode"]
    assert list(client.predict({"x": np.array([b"a", b"bc"])}, server.model_name, 1)) == ["a", "bc"]
    server = servers["add-sub"]
    arrays = {"INPUT0": np.arange(16, dtype=np.int32).reshape(1, 16), "INPUT1": np.ones((1, 16), dtype=np.int32)}
    got = make_http_client(server.http).predict(arrays, server.model_name, 1)
    for name, expected in reference(server, arrays).items():
        assert_same(got[name].astype(np.int32), expected)


@case("OpenVINO's client: status and errors")
def _(servers):
    server = servers["half-plus-two"]
    client = make_http_client(server.http)
    assert client.get_model_status(server.model_name, 1) == {
        1: {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
    }
    for kind, call in [
        (ModelNotFoundError, lambda: client.predict({"x": [1.0]}, "another", 1)),
        (ModelNotFoundError, lambda: client.get_model_status("another", 1)),
        (InvalidInputError, lambda: client.predict({"z": [1.0]}, server.model_name, 1)),
    ]:
        try:
            call()
        except kind:
            continue
        raise AssertionError("the server did not refuse")


main()
