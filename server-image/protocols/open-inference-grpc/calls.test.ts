// Calls over real HTTP/2: every outcome with its code, deadlines, clients that leave, limits, streams.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

import { type CallOptions, compressionAlgorithms, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Cancellation } from "../../cancellation.ts";
import { InferenceError, type InferenceErrorCode } from "../../inference-error.ts";
import type { InferenceRequest, InferenceResult } from "../../models/served-model.ts";
import { type Message, makeTestClient, methodOf, SERVICE, type TestClient } from "./test-client.ts";
import { startTestListener, type TestListener } from "./test-listener.ts";

const DEADLINE = { timeout: 10_000, interval: 10 };
const ROW = { name: "x", datatype: "FP32", shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } };
const REQUEST = { model_name: "m", id: "i", inputs: [ROW] };
const BYTES = Buffer.from(Float32Array.of(1, 2, 3).buffer);

let server: TestListener;

beforeEach(async () => {
  server = await startTestListener();
});

afterEach(async () => {
  await server.close();
});

/** The model holds requests until they are released or cancelled. */
function holdRequests() {
  const held: { request: InferenceRequest; cancellation: Cancellation; release: () => void }[] = [];
  server.model.infer = async (request, cancellation) => {
    const { promise, resolve, reject } = Promise.withResolvers<InferenceResult>();
    const outputs = request.inputs.map((input) => ({ ...input, name: "y" }));
    cancellation.listen(() => reject(new InferenceError("CANCELLED", "the client went away")));
    held.push({ request, cancellation, release: () => resolve({ outputs }) });
    return promise;
  };
  return held;
}

async function until(check: () => unknown): Promise<void> {
  await vi.waitFor(() => expect(check()).toBeTruthy(), DEADLINE);
}

async function failureOf(call: Promise<unknown>): Promise<Pick<ServiceError, "code" | "details">> {
  const error = await call.then(
    () => new Error("the call succeeded"),
    (reason: ServiceError) => reason,
  );
  return { code: (error as ServiceError).code, details: (error as ServiceError).details };
}

describe("ModelInfer", () => {
  test("answers raw, with the id of the request", async () => {
    expect(await server.client.infer(REQUEST)).toMatchObject({
      model_name: "m",
      model_version: "1",
      id: "i",
      outputs: [{ name: "y", datatype: "FP32", shape: [1, 3] }],
      raw_output_contents: [BYTES],
    });
    await until(() => server.ended.length);
    expect(server.ended).toEqual([200]);
    expect(server.received()).toBe(1);
  });

  const errors: [InferenceErrorCode, status, number][] = [
    ["INVALID_ARGUMENT", status.INVALID_ARGUMENT, 400],
    ["NOT_FOUND", status.NOT_FOUND, 404],
    ["CANCELLED", status.CANCELLED, 499],
    ["INTERNAL", status.INTERNAL, 500],
    ["UNSUPPORTED", status.UNIMPLEMENTED, 501],
    ["UNAVAILABLE", status.UNAVAILABLE, 503],
  ];
  test.each(errors)("%s has its code", async (code, grpcCode, httpCode) => {
    server.model.infer = () => Promise.reject(new InferenceError(code, "why"));
    expect(await failureOf(server.client.infer(REQUEST))).toEqual({ code: grpcCode, details: "why" });
    await until(() => server.ended.length);
    expect(server.ended).toEqual([httpCode]);
  });

  test("a fault of the server stays inside, and in the log", async () => {
    server.model.infer = () => Promise.reject(new Error("secret"));
    expect(await failureOf(server.client.infer(REQUEST))).toEqual({ code: status.INTERNAL, details: "internal error" });
    expect(server.logged()).toBe(1);
  });

  const refused: [string, Message, status, string][] = [
    ["another model", { ...REQUEST, model_name: "n" }, status.NOT_FOUND, 'model "n" is not found; this server has "m"'],
    ["no model", { ...REQUEST, model_name: "" }, status.NOT_FOUND, 'model "" is not found; this server has "m"'],
    [
      "another version",
      { ...REQUEST, model_version: "2" },
      status.NOT_FOUND,
      'version "2" of model "m" is not found; this server has "1"',
    ],
    [
      "a wrong request",
      { ...REQUEST, inputs: [] },
      status.INVALID_ARGUMENT,
      'missing "x" (FP32 [-1, 3]); the model takes "x" (FP32 [-1, 3])',
    ],
  ];
  test.each(refused)("%s is refused", async (_name, request, code, details) => {
    expect(await failureOf(server.client.infer(request))).toEqual({ code, details });
  });

  test("the model's version may be named", async () => {
    expect(await server.client.infer({ ...REQUEST, model_version: "1" })).toMatchObject({ id: "i" });
  });

  test("a name as long as it likes is shortened in the answer, and may be no ASCII", async () => {
    const name = "ä\u{1F600}".repeat(30_000);
    const failure = await failureOf(server.client.infer({ ...REQUEST, model_name: name }));
    expect(failure.code).toBe(status.NOT_FOUND);
    expect(failure.details).toMatch(/^model "[ä\u{1F600}\ufffd]{500,800}\.\.\.$/u);
  });

  test("is refused before its message is read while nothing is taken", async () => {
    server.model.admit = () => {
      throw new InferenceError("UNAVAILABLE", "Exceeds maximum queue size");
    };
    const infer = vi.spyOn(server.model, "infer");
    const failure = await failureOf(server.client.infer(REQUEST));
    expect(failure).toEqual({ code: status.UNAVAILABLE, details: "Exceeds maximum queue size" });
    expect(infer).not.toHaveBeenCalled();
    await until(() => server.ended.length);
    expect(server.ended).toEqual([503]);
  });

  test.each([
    ["no message", []],
    ["two messages", [REQUEST, REQUEST]],
  ])("%s", async (_name, messages) => {
    const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelInfer`);
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const call = server.client.client.makeClientStreamRequest(path, serialize, deserialize, (error) => resolve(error));
    holdRequests();
    for (const message of messages) {
      call.write(message);
    }
    call.end();
    expect(await promise).toMatchObject({ code: status.UNIMPLEMENTED, details: /one request message/ });
  });

  test("bytes that are no request", async () => {
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    const same = (bytes: Buffer) => bytes;
    server.client.client.makeUnaryRequest(`/${SERVICE}/ModelInfer`, same, same, Buffer.from("garbage"), (error) =>
      resolve(error),
    );
    expect(await promise).toMatchObject({ code: status.INVALID_ARGUMENT, details: /not a valid protobuf message/ });
  });

  test.each([compressionAlgorithms.gzip, compressionAlgorithms.deflate])("compressed (%s)", async (algorithm) => {
    const client = server.connect({ "grpc.default_compression_algorithm": algorithm });
    const answers = await Promise.all(Array.from({ length: 12 }, () => client.infer(REQUEST)));
    expect(answers).toHaveLength(12);
    expect(answers[11]).toMatchObject({ raw_output_contents: [BYTES] });
  });
});

describe("deadlines and clients that leave", () => {
  test("the lesser of deadline and timeout is what the queue is told", async () => {
    const held = holdRequests();
    const soon = server.client.infer(REQUEST, { deadline: Date.now() + 60_000 });
    await until(() => held.length === 1);
    const both = server.client.infer(
      { ...REQUEST, parameters: { timeout: { int64_param: 5_000_000 }, priority: { uint64_param: 3 } } },
      { deadline: Date.now() + 60_000 },
    );
    const none = server.client.infer(REQUEST);
    await until(() => held.length === 3);
    expect(held[0]?.request.timeoutMs).toBeGreaterThan(30_000);
    expect(held[0]?.request.timeoutMs).toBeLessThanOrEqual(60_000);
    expect(held[1]?.request).toMatchObject({ timeoutMs: 5000, priority: 3 });
    expect(held[2]?.request.timeoutMs).toBeUndefined();
    for (const { release } of held) {
      release();
    }
    await Promise.all([soon, both, none]);
  });

  test("at its deadline a request leaves", async () => {
    const held = holdRequests();
    const failure = failureOf(server.client.infer(REQUEST, { deadline: Date.now() + 300 }));
    await until(() => held.length === 1);
    expect((await failure).code).toBe(status.DEADLINE_EXCEEDED);
    await until(() => server.ended.length);
    expect(held[0]?.cancellation.cancelled).toBe(true);
    expect(server.ended[0]).toBeOneOf([499, 504]);
  });

  test("the server answers at the deadline even where the client forgets it", async () => {
    holdRequests();
    const metadata = new Metadata();
    metadata.set("grpc-timeout", "200m");
    const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelInfer`);
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    server.client.client.makeUnaryRequest(path, serialize, deserialize, REQUEST, metadata, (error) => resolve(error));
    expect(await promise).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await until(() => server.ended.length);
    expect(server.ended).toEqual([504]);
  });

  test("a client that cancels frees the place of its request", async () => {
    const held = holdRequests();
    const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelInfer`);
    const call = server.client.client.makeUnaryRequest(path, serialize, deserialize, REQUEST, () => undefined);
    await until(() => held.length === 1);
    call.cancel();
    await until(() => held[0]?.cancellation.cancelled);
    await until(() => server.ended.length);
    expect(server.ended).toEqual([499]);
    expect((await server.client.call("ServerLive"))["live"]).toBe(true);
  });

  test("a client whose connection breaks frees the place of its request", async () => {
    const held = holdRequests();
    const sockets: Socket[] = [];
    const proxy = createServer((socket) => {
      const onward = connect(server.port, "127.0.0.1");
      sockets.push(socket, onward);
      socket.pipe(onward).pipe(socket);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const client = makeTestClient(`127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    const failure = failureOf(client.infer(REQUEST));
    await until(() => held.length === 1);
    proxy.close();
    for (const socket of sockets) {
      socket.destroy();
    }
    expect((await failure).code).toBe(status.UNAVAILABLE);
    client.close();
    await until(() => held[0]?.cancellation.cancelled);
    await until(() => server.ended.length);
    expect(server.ended).toEqual([499]);
  });
});

describe("limits", () => {
  const rows = (count: number) => ({
    model_name: "m",
    inputs: [{ name: "x", datatype: "FP32", shape: [count, 3] }],
    raw_input_contents: [Buffer.alloc(12 * count)],
  });

  test("a message above the limit is refused by what it announces, and the connection lives", async () => {
    const failure = await failureOf(server.client.infer(rows(100_000)));
    expect(failure.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(failure.details).toMatch(/larger than max \(1200\d\d\d vs 1048576\)/);
    await until(() => server.ended.length);
    expect(server.ended).toEqual([413]);
    expect(await server.client.infer(rows(80_000))).toMatchObject({ outputs: [{ shape: [80_000, 3] }] });
  });

  test("a message that is larger once it is decompressed is refused", async () => {
    const client = server.connect({ "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
    expect(await failureOf(client.infer(rows(100_000)))).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    await until(() => server.ended.length);
    expect(server.ended).toEqual([413]);
  });

  test("many large messages at once: some are told to come later, none is lost or kept", async () => {
    const held = holdRequests();
    const calls = Array.from({ length: 6 }, () => server.client.infer(rows(60_000)));
    const outcomes = Promise.allSettled(calls);
    await until(() => held.length + server.ended.length === 6);
    expect(held.length).toBeGreaterThan(0);
    expect(new Set(server.ended)).toEqual(new Set([503]));
    for (const { release } of held) {
      release();
    }
    const answered = (await outcomes).filter((outcome) => outcome.status === "fulfilled");
    expect(answered).toHaveLength(held.length);
    expect(await server.client.call("ServerLive")).toEqual({ live: true });
    server.model.infer = async ({ inputs }) => ({ outputs: inputs });
    expect(await server.client.infer(rows(60_000))).toMatchObject({ model_name: "m" });
  });

  test("messages that are being decompressed wait for each other", async () => {
    const client = server.connect({ "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.infer(rows(20_000))));
    expect(answers).toHaveLength(10);
  });
});

describe("ModelStreamInfer", () => {
  const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelStreamInfer`);

  function openStream(client: TestClient = server.client, options: CallOptions = {}) {
    const stream = client.client.makeBidiStreamRequest(path, serialize, deserialize, options);
    const messages: Message[] = [];
    const end = Promise.withResolvers<{ code: status; details: string }>();
    stream.on("data", (message: Message) => messages.push(message));
    stream.on("error", () => undefined);
    stream.on("status", ({ code, details }) => end.resolve({ code, details }));
    return { stream, messages, end: end.promise };
  }

  test("answers in the order of the requests, whichever is done first", async () => {
    const held = holdRequests();
    const { stream, messages, end } = openStream();
    for (const id of ["a", "b", "c"]) {
      stream.write({ ...REQUEST, id });
    }
    stream.end();
    await until(() => held.length === 3);
    for (const { release } of held.toReversed()) {
      release();
    }
    expect(await end).toEqual({ code: status.OK, details: "OK" });
    expect(messages).toMatchObject(
      ["a", "b", "c"].map((id) => ({ error_message: "", infer_response: { id, raw_output_contents: [BYTES] } })),
    );
    expect(server.ended).toEqual([200, 200, 200]);
  });

  test("an error is the answer to one request and ends nothing", async () => {
    const { stream, messages, end } = openStream();
    stream.write({ ...REQUEST, id: "a", model_name: "n" });
    stream.write({ ...REQUEST, id: "b", inputs: [] });
    stream.write({ ...REQUEST, id: "c" });
    stream.end();
    expect((await end).code).toBe(status.OK);
    expect(messages).toMatchObject([
      { error_message: 'model "n" is not found; this server has "m"', infer_response: { id: "a", outputs: [] } },
      { error_message: expect.stringMatching(/^missing "x"/) as unknown, infer_response: { id: "b" } },
      { error_message: "", infer_response: { id: "c", outputs: [{ name: "y" }] } },
    ]);
    expect(server.ended).toEqual([404, 400, 200]);
  });

  test("many more requests than are read ahead", async () => {
    const { stream, messages, end } = openStream();
    for (let id = 0; id < 500; id += 1) {
      stream.write({ ...REQUEST, id: String(id) });
    }
    stream.end();
    expect((await end).code).toBe(status.OK);
    expect(messages.map(({ infer_response: response }) => (response as Message)["id"])).toEqual(
      Array.from({ length: 500 }, (_, id) => String(id)),
    );
  });

  test("no more than 64 requests are held at once", async () => {
    const held = holdRequests();
    const { stream, end } = openStream();
    for (let id = 0; id < 100; id += 1) {
      stream.write({ ...REQUEST, id: String(id) });
    }
    stream.end();
    await until(() => held.length === 64);
    held[0]?.release();
    await until(() => held.length === 65);
    expect(server.received()).toBe(65);
    const released = setInterval(() => {
      for (const { release } of held) {
        release();
      }
    }, 5);
    expect((await end).code).toBe(status.OK);
    clearInterval(released);
  });

  test("a client that cancels frees the places of all its requests", async () => {
    const held = holdRequests();
    const { stream, end } = openStream();
    stream.write(REQUEST);
    stream.write(REQUEST);
    await until(() => held.length === 2);
    stream.cancel();
    await end;
    await until(() => server.ended.length === 2);
    expect(held.map(({ cancellation }) => cancellation.cancelled)).toEqual([true, true]);
    expect(server.ended).toEqual([499, 499]);
  });

  test("a stream without requests ends well", async () => {
    const { stream, end } = openStream();
    stream.end();
    expect(await end).toEqual({ code: status.OK, details: "OK" });
  });

  test("only few compressed streams at once", async () => {
    const client = server.connect({ "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
    const streams = Array.from({ length: 4 }, () => openStream(client));
    for (const { stream } of streams) {
      stream.write(REQUEST);
    }
    await until(() => streams.every(({ messages }) => messages.length === 1));
    const further = openStream(client);
    further.stream.write(REQUEST);
    expect(await further.end).toMatchObject({ code: status.UNAVAILABLE });
    streams[0]?.stream.end();
    await streams[0]?.end;
    const later = openStream(client);
    later.stream.write(REQUEST);
    await until(() => later.messages.length === 1);
    for (const { stream } of [...streams, later]) {
      stream.end();
    }
  });
});
