# KServe's Python clients, REST and gRPC, as its documentation uses them.

import asyncio

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from cases import case, cases_for, main
from tensors import (
    DATATYPES,
    JSON_DATATYPES,
    VALUES,
    assert_same,
    identity,
    reference,
    to_bytes_elements,
)

# orjson, which this client reads answers with, has no NaN and no infinities.
FINITE = {
    datatype: array[np.isfinite(array)] if np.issubdtype(array.dtype, np.floating) else array
    for datatype, array in VALUES.items()
}


def make_request(server, arrays, binary, **options):
    """`arrays`: by input name, the array and its datatype."""
    inputs = []
    for name, (array, datatype) in arrays.items():
        made = InferInput(name, list(array.shape), datatype)
        made.set_data_from_numpy(to_bytes_elements(array) if datatype == "BYTES" else array, binary_data=binary)
        inputs.append(made)
    return InferRequest(model_name=server.model_name, infer_inputs=inputs, **options)


def over_rest(server, call, protocol="v2"):
    """Runs `call` with a REST client and the server's base address."""

    async def run():
        async with InferenceRESTClient(RESTConfig(protocol=protocol)) as client:
            return await call(client, f"http://{server.http}")

    return asyncio.run(run())


def ask_rest(server, arrays, binary, **options):
    request = make_request(server, arrays, binary, **options)
    return over_rest(server, lambda client, url: client.infer(url, request, model_name=server.model_name))


def over_grpc(server, call):
    async def run():
        async with InferenceGRPCClient(server.grpc) as client:
            return await call(client)

    return asyncio.run(run())


def ask_grpc(server, arrays, binary, **options):
    request = make_request(server, arrays, binary, **options)
    return over_grpc(server, lambda client: client.infer(request))


def check_rest(servers, datatype, array, binary, **options):
    server = identity(servers, datatype)
    response = ask_rest(server, {"x": (array, datatype)}, binary, **options)
    assert response.id and response.model_name == server.model_name
    assert_same(response.outputs[0].as_numpy(), reference(server, {"x": array})["y"])


cases_for("REST: {}, JSON", JSON_DATATYPES)(lambda s, d: check_rest(s, d, FINITE[d], False))
cases_for("REST: {}, binary in, JSON out", JSON_DATATYPES)(lambda s, d: check_rest(s, d, FINITE[d], True))
cases_for("REST: {}, no element, JSON", JSON_DATATYPES)(lambda s, d: check_rest(s, d, VALUES[d][:0], False))
# Such an input has "data": null beside "binary_data_size": 0, and no header.
cases_for("REST: {}, no element, binary", JSON_DATATYPES)(lambda s, d: check_rest(s, d, VALUES[d][:0], True))


@cases_for("REST: {}, binary in and out", DATATYPES)
def _(servers, datatype):
    check_rest(servers, datatype, VALUES[datatype], True, parameters={"binary_data_output": True})
    outputs = [RequestedOutput("y", {"binary_data": True})]
    check_rest(servers, datatype, VALUES[datatype], True, request_outputs=outputs)


@case("REST: the id comes back")
def _(servers):
    array = VALUES["FP32"][:3]
    assert ask_rest(servers["identity-fp32"], {"x": (array, "FP32")}, True, request_id="seven").id == "seven"


@case("REST: live and ready")
def _(servers):
    server = servers["add-sub"]
    assert over_rest(server, lambda client, url: client.is_server_live(url)) is True
    assert over_rest(server, lambda client, url: client.is_server_ready(url)) is True
    assert over_rest(server, lambda client, url: client.is_model_ready(url, server.model_name)) is True
    assert over_rest(server, lambda client, url: client.is_model_ready(url, "another")) is False


@case("REST: live but not ready while the model loads")
def _(servers):
    server = servers["loading"]
    assert over_rest(server, lambda client, url: client.is_server_live(url)) is True
    assert over_rest(server, lambda client, url: client.is_model_ready(url, server.model_name)) is False
    try:
        over_rest(server, lambda client, url: client.is_server_ready(url))
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 503
        return
    raise AssertionError("the server says that it is ready")


@case("REST: refusals carry the server's words")
def _(servers):
    for arrays, status, words in [
        ({"z": (np.zeros(3, np.float32), "FP32")}, 400, '"z"'),
        ({"x": (np.zeros(3, np.float64), "FP64")}, 400, "FP64"),
    ]:
        for binary in (True, False):
            try:
                ask_rest(servers["identity-fp32"], arrays, binary)
            except httpx.HTTPStatusError as error:
                assert error.response.status_code == status, error
                assert words in str(error), error
                continue
            raise AssertionError("the server did not refuse")


@case("REST, protocol V1: predict by rows")
def _(servers):
    server = servers["half-plus-two"]
    data = {"instances": [1.0, 2.0, 5.0]}
    call = lambda client, url: client.infer(url, data, model_name=server.model_name)
    assert over_rest(server, call, protocol="v1") == {"predictions": [2.5, 3.0, 4.5]}


def check_grpc(servers, datatype, array, binary):
    server = identity(servers, datatype)
    response = ask_grpc(server, {"x": (array, datatype)}, binary, request_id="seven")
    assert response.id == "seven" and response.model_name == server.model_name
    assert_same(response.outputs[0].as_numpy(), reference(server, {"x": array})["y"])


cases_for("gRPC: {}, raw", DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d], True))
cases_for("gRPC: {}, typed", JSON_DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d], False))
cases_for("gRPC: {}, no element, raw", DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d][:0], True))
cases_for("gRPC: {}, no element, typed", JSON_DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d][:0], False))


@case("gRPC: live and ready")
def _(servers):
    server = servers["add-sub"]
    assert over_grpc(server, lambda client: client.is_server_live()) is True
    assert over_grpc(server, lambda client: client.is_server_ready()) is True
    assert over_grpc(server, lambda client: client.is_model_ready(server.model_name)) is True


@case("gRPC: live but not ready while the model loads")
def _(servers):
    server = servers["loading"]
    assert over_grpc(server, lambda client: client.is_server_live()) is True
    assert over_grpc(server, lambda client: client.is_server_ready()) is False
    assert over_grpc(server, lambda client: client.is_model_ready(server.model_name)) is False


@case("gRPC: refusals carry the server's words")
def _(servers):
    try:
        ask_grpc(servers["identity-fp32"], {"z": (np.zeros(3, np.float32), "FP32")}, True)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        assert '"z"' in error.details(), error
        return
    raise AssertionError("the server did not refuse")


main()
