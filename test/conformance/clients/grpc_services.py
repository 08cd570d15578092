# The services beside inference on the gRPC port: health as Kubernetes asks for it, reflection as tools use it.

import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tritonclient.grpc import service_pb2

from cases import case, cases_for, main

PATIENCE_SECONDS = 30
SERVICE = "inference.GRPCInferenceService"


def health(server):
    return health_pb2_grpc.HealthStub(grpc.insecure_channel(server.grpc))


def check_health(server, name):
    return health(server).Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_SECONDS).status


@cases_for("health of {}", [("the server", ""), ("the inference service", SERVICE)])
def _(servers, _name, service):
    assert check_health(servers["add-sub"], service) == health_pb2.HealthCheckResponse.SERVING
    assert check_health(servers["loading"], service) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert check_health(servers["draining"], service) == health_pb2.HealthCheckResponse.NOT_SERVING


@case("health of a service that the server does not have: NOT_FOUND")
def _(servers):
    try:
        check_health(servers["add-sub"], "another.Service")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        return
    raise AssertionError("there was an answer")


@case("health can be watched")
def _(servers):
    watched = health(servers["add-sub"]).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    watched.cancel()


def reflected(server):
    database = ProtoReflectionDescriptorDatabase(grpc.insecure_channel(server.grpc))
    return database, descriptor_pool.DescriptorPool(database)


@case("reflection lists the services")
def _(servers):
    database, _pool = reflected(servers["add-sub"])
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())


def describe_field(field):
    kind = field.type
    name = field.message_type.full_name if kind == FieldDescriptor.TYPE_MESSAGE else None
    oneof = field.containing_oneof.name if field.containing_oneof else None
    return field.name, field.number, kind, name, field.is_repeated, oneof


@case("every method and message is, field by field, that of the proto that clients were made from")
def _(servers):
    _database, pool = reflected(servers["add-sub"])
    public = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    ours = pool.FindServiceByName(SERVICE)
    names = {method.name for method in ours.methods}
    for method in ["ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer"]:
        assert method in names, method
    for method in ["ModelStreamInfer", "ModelConfig", "ModelStatistics", "RepositoryIndex"]:
        assert method in names, method
    seen = set()

    def compare(message, published):
        if message.full_name in seen:
            return
        seen.add(message.full_name)
        fields = {field.number: field for field in published.fields}
        for field in message.fields:
            assert field.number in fields, f"{message.full_name}.{field.name} is not in the published proto"
            # As the published proto grows, a server may lack fields, but may not have other ones.
            assert describe_field(field) == describe_field(fields[field.number]), field.full_name
            if field.message_type is not None:
                compare(field.message_type, fields[field.number].message_type)

    for method in ours.methods:
        published = public.methods_by_name[method.name]
        assert method.client_streaming == published.client_streaming, method.name
        assert method.server_streaming == published.server_streaming, method.name
        compare(method.input_type, published.input_type)
        compare(method.output_type, published.output_type)
    assert len(seen) >= 20, f"only {len(seen)} messages were compared"


def fill_add_sub(server, request_type):
    request = request_type(model_name=server.model_name)
    for name, value in [("INPUT0", 3), ("INPUT1", 7)]:
        tensor = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        tensor.contents.int_contents.extend([value] * 16)
    return request


def first_element(response):
    if response.raw_output_contents:
        return np.frombuffer(response.raw_output_contents[0], dtype=np.int32)[0]
    return response.outputs[0].contents.int_contents[0]


@case("a client that knows nothing but reflection can infer")
def _(servers):
    server = servers["add-sub"]
    _database, pool = reflected(server)
    method = pool.FindServiceByName(SERVICE).methods_by_name["ModelInfer"]
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    call = grpc.insecure_channel(server.grpc).unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    assert first_element(call(fill_add_sub(server, request_type), timeout=PATIENCE_SECONDS)) == 10


def reflected_files(pool):
    """The file of the service and all that it imports, imports first."""
    files = {}

    def add(file):
        for dependency in file.dependencies:
            add(dependency)
        made = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(made)
        files[file.name] = made

    add(pool.FindServiceByName(SERVICE).file)
    return files


@case("stubs that grpcio-tools generates from what reflection tells can call the server")
def _(servers):
    server = servers["add-sub"]
    _database, pool = reflected(server)
    files = reflected_files(pool)
    # Names without folders, which are names of modules as well.
    renamed = {name: f"generated_{index}.proto" for index, name in enumerate(files)}
    described = descriptor_pb2.FileDescriptorSet()
    for name, file in files.items():
        file.name = renamed[name]
        file.dependency[:] = [renamed[dependency] for dependency in file.dependency]
        described.file.append(file)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "all.binpb").write_bytes(described.SerializeToString())
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={folder}/all.binpb"]
            + [f"--python_out={folder}", f"--grpc_python_out={folder}", *renamed.values()],
            check=True,
        )
        script = Path(folder, "infer.py")
        main_module = Path(renamed[list(files)[-1]]).stem
        script.write_text(
            f"import grpc, {main_module}_pb2 as messages, {main_module}_pb2_grpc as services\n"
            f"stub = services.GRPCInferenceServiceStub(grpc.insecure_channel({server.grpc!r}))\n"
            f"assert stub.ServerLive(messages.ServerLiveRequest(), timeout={PATIENCE_SECONDS}).live\n"
            f"request = messages.ModelMetadataRequest(name={server.model_name!r})\n"
            f"print(stub.ModelMetadata(request, timeout={PATIENCE_SECONDS}).inputs[0].name)\n"
        )
        said = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "INPUT0", said


main()
