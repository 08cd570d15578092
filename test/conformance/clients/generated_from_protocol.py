# Clients generated from what the protocol publishes: REST from its OpenAPI document, gRPC stubs from its proto.

import grpc
import numpy as np
from open_inference.grpc import protocol, service
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.errors.bad_request_error import BadRequestError
from open_inference.openapi.errors.not_found_error import NotFoundError
from open_inference.openapi.errors.service_unavailable_error import ServiceUnavailableError
from open_inference.openapi.types.inference_request import InferenceRequest
from open_inference.openapi.types.request_input import RequestInput
from open_inference.openapi.types.request_output import RequestOutput
from open_inference.openapi.types.tensor_data import TensorData

from cases import case, cases_for, main
from tensors import DATATYPES, JSON_DATATYPES, VALUES, assert_same, identity, reference, to_bytes_elements

PATIENCE_SECONDS = 30

# The typed field of each datatype in the protocol's InferTensorContents.
FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def rest(server):
    return OpenInferenceClient(base_url=f"http://{server.http}")


def rest_request(array, datatype, **fields):
    tensor = RequestInput(
        name="x", shape=list(array.shape), datatype=datatype, data=TensorData(__root__=array.ravel().tolist())
    )
    return InferenceRequest(inputs=[tensor], **fields)


# This client reads every number as a double, so integers beyond 2^53 are not for it.
@cases_for("REST: {}", ["FP32", "FP64", "BYTES", "INT32", "UINT8"])
def _(servers, datatype):
    server = identity(servers, datatype)
    array = VALUES[datatype]
    if np.issubdtype(array.dtype, np.floating):
        array = array[np.isfinite(array)]
    response = rest(server).model_infer(server.model_name, request=rest_request(array, datatype, id="seven"))
    assert response.id == "seven" and response.model_name == server.model_name
    (output,) = response.outputs
    assert (output.name, output.datatype, output.shape) == ("y", datatype, list(array.shape))
    assert_same(np.array(output.data.__root__).astype(array.dtype), reference(server, {"x": array})["y"])


@case("REST: a version in the path, outputs by name")
def _(servers):
    server = servers["identity-fp32"]
    request = rest_request(np.ones(2, np.float32), "FP32", outputs=[RequestOutput(name="y")])
    response = rest(server).model_version_infer(server.model_name, "1", request=request)
    assert response.model_version == "1" and response.outputs[0].data.__root__ == [1, 1]


@case("REST: live, ready, metadata")
def _(servers):
    server = servers["every-datatype"]
    client = rest(server)
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness(server.model_name)
    client.check_model_version_readiness(server.model_name, "1")
    metadata = client.read_server_metadata()
    assert metadata.name and metadata.version
    for model in [
        client.read_model_metadata(server.model_name),
        client.read_model_version_metadata(server.model_name, "1"),
    ]:
        assert (model.name, model.versions, model.platform) == (server.model_name, ["1"], "onnx_onnxv1")
        assert [tensor.datatype for tensor in model.inputs] == DATATYPES


def raises(kind, call):
    try:
        call()
    except kind as error:
        assert error.body["error"], error.body
        return
    raise AssertionError("the server did not refuse")


@case("REST: the errors that the document lists")
def _(servers):
    server = servers["identity-fp32"]
    bad = rest_request(np.ones(2, np.float64), "FP64")
    raises(BadRequestError, lambda: rest(server).model_infer(server.model_name, request=bad))
    raises(NotFoundError, lambda: rest(server).check_model_readiness("another"))
    raises(ServiceUnavailableError, lambda: rest(servers["loading"]).check_server_readiness())


def stub(server):
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    return service.GRPCInferenceServiceStub(grpc.insecure_channel(server.grpc, options=options))


def infer_request(server, name="x", **fields):
    """A request with one input; `fields` are those of the input but for its name."""
    tensor = protocol.ModelInferRequest.InferInputTensor(name=name, **fields)
    return protocol.ModelInferRequest(model_name=server.model_name, inputs=[tensor])


def typed_request(server, array, datatype):
    elements = (to_bytes_elements(array) if datatype == "BYTES" else array).ravel().tolist()
    contents = protocol.InferTensorContents(**{FIELDS[datatype]: elements})
    return infer_request(server, datatype=datatype, shape=array.shape, contents=contents)


def raw_bytes(array, datatype):
    if datatype != "BYTES":
        return array.tobytes()
    return b"".join(len(text).to_bytes(4, "little") + text for text in to_bytes_elements(array).ravel())


def raw_request(server, array, datatype):
    request = infer_request(server, datatype=datatype, shape=array.shape)
    request.raw_input_contents.append(raw_bytes(array, datatype))
    return request


def read_output(response, index=0):
    """An output in either form: the protocol leaves the choice to the server."""
    output = response.outputs[index]
    kind = VALUES[output.datatype].dtype
    if not response.raw_output_contents:
        array = np.array(list(getattr(output.contents, FIELDS[output.datatype])), dtype=kind)
        return array.reshape(tuple(output.shape))
    assert not output.HasField("contents"), "both forms at once"
    assert len(response.raw_output_contents) == len(response.outputs)
    raw = response.raw_output_contents[index]
    if output.datatype != "BYTES":
        return np.frombuffer(raw, dtype=kind).reshape(tuple(output.shape))
    texts = []
    while raw:
        length = int.from_bytes(raw[:4], "little")
        texts.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    return np.array(texts, dtype=np.object_).reshape(tuple(output.shape))


def check_grpc(servers, datatype, array, make):
    server = identity(servers, datatype)
    response = stub(server).ModelInfer(make(server, array, datatype), timeout=PATIENCE_SECONDS)
    assert (response.outputs[0].name, response.outputs[0].datatype) == ("y", datatype)
    assert_same(read_output(response), reference(server, {"x": array})["y"])


cases_for("gRPC: {}, typed", JSON_DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d], typed_request))
cases_for("gRPC: {}, raw", DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d], raw_request))
cases_for("gRPC: {}, no element, typed", JSON_DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d][:0], typed_request))
cases_for("gRPC: {}, no element, raw", DATATYPES)(lambda s, d: check_grpc(s, d, VALUES[d][:0], raw_request))


@case("gRPC: an input of no element without contents")
def _(servers):
    server = servers["identity-fp32"]
    response = stub(server).ModelInfer(infer_request(server, datatype="FP32", shape=[0]), timeout=PATIENCE_SECONDS)
    assert_same(read_output(response), np.zeros(0, np.float32))


@case("gRPC: live, ready, metadata")
def _(servers):
    server = servers["every-datatype"]
    client = stub(server)
    assert client.ServerLive(protocol.ServerLiveRequest()).live
    assert client.ServerReady(protocol.ServerReadyRequest()).ready
    assert client.ModelReady(protocol.ModelReadyRequest(name=server.model_name)).ready
    # The published proto marks the version as optional: an empty one is none.
    assert client.ModelReady(protocol.ModelReadyRequest(name=server.model_name, version="")).ready
    assert client.ServerMetadata(protocol.ServerMetadataRequest()).version
    metadata = client.ModelMetadata(protocol.ModelMetadataRequest(name=server.model_name))
    assert (metadata.name, list(metadata.versions), metadata.platform) == (server.model_name, ["1"], "onnx_onnxv1")
    assert [tensor.datatype for tensor in metadata.inputs] == DATATYPES


def with_raw(request, *contents):
    request.raw_input_contents.extend(contents)
    return request


TWO = VALUES["FP32"][:2]


def refuses(server, request):
    try:
        stub(server).ModelInfer(request, timeout=PATIENCE_SECONDS)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        assert error.details(), "no message"
        return
    raise AssertionError("the server did not refuse")


def floats(shape, *values, name="x", datatype="FP32"):
    """Makes a request whose typed contents need not fit the rest."""
    return lambda server: infer_request(
        server, name, datatype=datatype, shape=shape, contents={"fp32_contents": values} if values else None
    )


def raw(shape, *contents):
    return lambda server: with_raw(infer_request(server, datatype="FP32", shape=shape), *contents)


def as_doubles(server):
    return infer_request(server, datatype="FP32", shape=[1], contents={"fp64_contents": [1]})


@cases_for(
    "gRPC: INVALID_ARGUMENT for {}",
    [
        ("raw and typed contents at once", lambda server: with_raw(floats([2], 1, 2)(server), TWO.tobytes())),
        ("more raw contents than inputs", raw([2], TWO.tobytes(), TWO.tobytes())),
        ("raw contents that are too short", raw([2], b"1234567")),
        ("raw contents that are too long", raw([2], b"123456789012")),
        ("too few typed elements", floats([3], 1, 2)),
        ("no contents", floats([2])),
        ("the typed field of another datatype", as_doubles),
        ("a negative dimension", floats([-1], 1)),
        ("a shape that overflows", floats([2**62], 1)),
        ("an input of another name", floats([1], 1, name="z")),
        ("the wrong datatype", lambda server: typed_request(server, VALUES["FP64"], "FP64")),
        ("an unknown datatype", floats([1], 1, datatype="BF16")),
    ],
)
def _(servers, _name, make):
    refuses(servers["identity-fp32"], make(servers["identity-fp32"]))


@cases_for(
    "gRPC: INVALID_ARGUMENT for {}",
    [
        ("300 as UINT8", "UINT8", {"uint_contents": [300]}),
        ("-200 as INT8", "INT8", {"int_contents": [-200]}),
        ("70000 as UINT16", "UINT16", {"uint_contents": [70000]}),
        ("typed contents for FP16", "FP16", {"fp32_contents": [1]}),
    ],
)
def _(servers, _name, datatype, contents):
    server = identity(servers, datatype)
    refuses(server, infer_request(server, datatype=datatype, shape=[1], contents=contents))


main()
