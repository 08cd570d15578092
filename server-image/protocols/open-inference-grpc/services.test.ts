// The services beside inference: metadata, configuration, statistics, index, health and reflection, by their official definitions.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

import { Client, type ClientReadableStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { generatedProtos } from "./generate-protos.ts";
import { type Message, SERVICE } from "./test-client.ts";
import { startTestListener, type TestListener } from "./test-listener.ts";

const DEADLINE = { timeout: 10_000, interval: 10 };

let server: TestListener;

beforeEach(async () => {
  server = await startTestListener();
});

afterEach(async () => {
  await server.close();
});

const call = (method: string, request: Message = {}) => server.client.call(method, request);
const NOT_FOUND = { code: status.NOT_FOUND, details: 'model "n" is not found; this server has "m"' };

describe("the server and its model", () => {
  const answers: [string, string, Message, Message][] = [
    ["is live", "ServerLive", {}, { live: true }],
    ["is ready", "ServerReady", {}, { ready: true }],
    ["has a model that is ready", "ModelReady", { name: "m" }, { ready: true }],
    ["has a version that is ready", "ModelReady", { name: "m", version: "1" }, { ready: true }],
    ["has no other version", "ModelReady", { name: "m", version: "2" }, { ready: false }],
    ["has no other model", "ModelReady", { name: "n" }, { ready: false }],
    [
      "says what it is",
      "ServerMetadata",
      {},
      {
        name: "plimsoll-server",
        version: "0.0.0",
        extensions: expect.arrayContaining(["binary_tensor_data", "statistics"]) as unknown,
      },
    ],
    [
      "describes its model",
      "ModelMetadata",
      { name: "m" },
      {
        name: "m",
        versions: ["1"],
        platform: "onnx_onnxv1",
        inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
        outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
      },
    ],
    ["lists its model", "RepositoryIndex", {}, { models: [{ name: "m", version: "1", state: "READY", reason: "" }] }],
  ];
  test.each(answers)("%s", async (_name, method, request, answer) => {
    expect(await call(method, request)).toEqual(answer);
  });

  test("says how the model is run", async () => {
    expect(await call("ModelConfig", { name: "m", version: "1" })).toMatchObject({
      config: {
        name: "m",
        backend: "onnxruntime",
        max_batch_size: 8,
        input: [{ name: "x", data_type: "TYPE_FP32", dims: [3] }],
        output: [{ name: "y", data_type: "TYPE_FP32", dims: [3] }],
        instance_group: [{ count: 2, kind: "KIND_CPU" }],
        dynamic_batching: { preferred_batch_size: [8], max_queue_delay_microseconds: 0 },
        parameters: { execution_provider: { string_value: "cpu" } },
      },
    });
  });

  test.each([["m"], [""]])("counts (model %j)", async (name) => {
    const { recorder } = server.model;
    recorder.ran({ inputMs: 1, inferMs: 2, outputMs: 3, rows: 4, requests: 2, wallClockMs: 5000 });
    recorder.queued(0.5);
    recorder.succeeded(7);
    expect(await call("ModelStatistics", { name })).toMatchObject({
      model_stats: [
        {
          name: "m",
          version: "1",
          last_inference: 5000,
          inference_count: 4,
          execution_count: 1,
          inference_stats: {
            success: { count: 1, ns: 7e6 },
            queue: { count: 1, ns: 5e5 },
            compute_infer: { count: 2, ns: 4e6 },
            cache_hit: { count: 0, ns: 0 },
          },
          batch_stats: [{ batch_size: 4, compute_output: { count: 1, ns: 3e6 } }],
        },
      ],
    });
  });

  test.each(["ModelMetadata", "ModelConfig", "ModelStatistics"])("%s of another model", async (method) => {
    await expect(call(method, { name: "n" })).rejects.toMatchObject(NOT_FOUND);
  });

  test("an index of a repository by name", async () => {
    await expect(call("RepositoryIndex", { repository_name: "r" })).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
      details: /"repository_name" is not supported/,
    });
  });

  test("a method that is not served", async () => {
    const bytes = (message: Buffer) => message;
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const load = `/${SERVICE}/RepositoryModelLoad`;
    server.client.client.makeUnaryRequest(load, bytes, bytes, Buffer.alloc(0), (error) => resolve(error));
    expect(await promise).toMatchObject({ code: status.UNIMPLEMENTED });
  });

  test("while the model is starting", async () => {
    server.model.readiness = { ready: false, reason: "model is starting: load" };
    expect(await call("ServerLive")).toEqual({ live: true });
    expect(await call("ServerReady")).toEqual({ ready: false });
    expect(await call("ModelReady", { name: "m" })).toEqual({ ready: false });
    expect(await call("RepositoryIndex", {})).toMatchObject({
      models: [{ name: "m", version: "", state: "UNAVAILABLE", reason: "model is starting: load" }],
    });
    expect(await call("RepositoryIndex", { ready: true })).toEqual({ models: [] });
  });
});

describe("health, by the definition of grpc-health-check", () => {
  const SERVING = { status: "SERVING" };
  const NOT_SERVING = { status: "NOT_SERVING" };

  async function check(service: string): Promise<unknown> {
    const { Check } = healthService as unknown as Record<"Check", HealthMethod>;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const done = (error: ServiceError | null, answer: unknown) => (error === null ? resolve(answer) : reject(error));
    const { path: method, requestSerialize, responseDeserialize } = Check;
    server.client.client.makeUnaryRequest(method, requestSerialize, responseDeserialize, { service }, done);
    return promise;
  }

  interface HealthMethod {
    readonly path: string;
    readonly requestSerialize: (value: object) => Buffer;
    readonly responseDeserialize: (bytes: Buffer) => unknown;
  }

  function watch(service: string): { call: ClientReadableStream<unknown>; seen: unknown[]; end: Promise<status> } {
    const { Watch } = healthService as unknown as Record<"Watch", HealthMethod>;
    const { path: method, requestSerialize, responseDeserialize } = Watch;
    const stream = server.client.client.makeServerStreamRequest(method, requestSerialize, responseDeserialize, {
      service,
    });
    const seen: unknown[] = [];
    const end = Promise.withResolvers<status>();
    stream.on("data", (answer) => seen.push(answer));
    stream.on("error", () => undefined);
    stream.on("status", ({ code }) => end.resolve(code));
    return { call: stream, seen, end: end.promise };
  }

  test.each(["", SERVICE])("of %j follows the readiness", async (service) => {
    expect(await check(service)).toEqual(SERVING);
    server.model.readiness = { ready: false, reason: "no worker has the model loaded" };
    expect(await check(service)).toEqual(NOT_SERVING);
  });

  test("of another service", async () => {
    await expect(check("x")).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  test("of all", async () => {
    expect(await call("grpc.health.v1.Health/List")).toEqual({ statuses: { "": SERVING, [SERVICE]: SERVING } });
  });

  test("while the server drains", async () => {
    server.startStopping();
    expect(await check("")).toEqual(NOT_SERVING);
  });

  test("watched", async () => {
    const { seen, end } = watch(SERVICE);
    await vi.waitFor(() => expect(seen).toEqual([SERVING]), DEADLINE);
    server.model.readiness = { ready: false, reason: "no worker has the model loaded" };
    await vi.waitFor(() => expect(seen).toEqual([SERVING, NOT_SERVING]), DEADLINE);
    server.model.readiness = { ready: true };
    await vi.waitFor(() => expect(seen).toEqual([SERVING, NOT_SERVING, SERVING]), DEADLINE);
    server.startStopping();
    await vi.waitFor(() => expect(seen).toEqual([SERVING, NOT_SERVING, SERVING, NOT_SERVING]), DEADLINE);
    await server.listener.close(0);
    expect(await end).toBe(status.UNAVAILABLE);
  });

  test("of another service, watched", async () => {
    const { call: stream, seen } = watch("x");
    await vi.waitFor(() => expect(seen).toEqual([{ status: "SERVICE_UNKNOWN" }]), DEADLINE);
    stream.cancel();
  });
});

describe.each(["v1", "v1alpha"])("reflection %s, by the definition of @grpc/reflection", (version) => {
  async function ask(...requests: Message[]): Promise<Message[]> {
    const folder = path.dirname(createRequire(import.meta.url).resolve("@grpc/reflection"));
    const file = path.join(folder, `../proto/grpc/reflection/${version}/reflection.proto`);
    const { root } = protobuf.parse(await readFile(file, "utf8"), { keepCase: true });
    const request = root.lookupType(`grpc.reflection.${version}.ServerReflectionRequest`);
    const response = root.lookupType(`grpc.reflection.${version}.ServerReflectionResponse`);
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const stream = client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      (message: Message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
      (bytes: Buffer): Message => response.toObject(response.decode(bytes)),
    );
    for (const message of requests) {
      stream.write(message);
    }
    stream.end();
    const answers = await Array.fromAsync(stream as AsyncIterable<Message>);
    client.close();
    return answers;
  }

  function fileNames(answer: Message): unknown[] {
    const { file_descriptor_proto: files } = answer["file_descriptor_response"] as {
      file_descriptor_proto: Uint8Array[];
    };
    return files.map((bytes) => descriptor.FileDescriptorProto.decode(bytes).toJSON()["name"]);
  }

  test("lists the services", async () => {
    const [answer] = await ask({ host: "h", list_services: "" });
    expect(answer).toMatchObject({
      valid_host: "h",
      original_request: { host: "h" },
      list_services_response: {
        service: [
          { name: SERVICE },
          { name: "grpc.health.v1.Health" },
          { name: "grpc.reflection.v1.ServerReflection" },
          { name: "grpc.reflection.v1alpha.ServerReflection" },
        ],
      },
    });
  });

  test("gives files by name and by what is in them", async () => {
    const answers = await ask(
      { file_by_filename: "inference.proto" },
      { file_containing_symbol: SERVICE },
      { file_containing_symbol: "inference.ModelInferRequest.InferInputTensor" },
      { file_containing_symbol: `${SERVICE}.ModelInfer` },
      { file_containing_symbol: "grpc.health.v1.Health" },
      { file_containing_symbol: "grpc.reflection.v1alpha.ErrorResponse" },
    );
    expect(answers.map(fileNames)).toEqual([
      ["inference.proto"],
      ["inference.proto"],
      ["inference.proto"],
      ["inference.proto"],
      ["grpc/health/v1/health.proto"],
      ["grpc/reflection/v1alpha/reflection.proto"],
    ]);
  });

  test("refuses what there is not", async () => {
    const answers = await ask(
      { file_by_filename: "x.proto" },
      { file_containing_symbol: "ModelInferRequest" },
      { file_containing_symbol: "inference.Nothing" },
      { file_containing_extension: { containing_type: SERVICE, extension_number: 1 } },
      { all_extension_numbers_of_type: SERVICE },
      {},
    );
    expect(answers.map((answer) => (answer["error_response"] as Message)["error_code"])).toEqual([
      ...Array.from({ length: 5 }).fill(status.NOT_FOUND),
      status.INVALID_ARGUMENT,
    ]);
  });
});

test("the generated definitions are current", async () => {
  const committed = await readFile(path.join(import.meta.dirname, "protos.ts"), "utf8");
  expect(committed, "run `make generate` and commit the result").toBe(await generatedProtos());
});
