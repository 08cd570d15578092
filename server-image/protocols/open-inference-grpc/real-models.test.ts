// gRPC against the whole server with real models: all datatypes, a full queue, places that become free, large messages, the end.

import { type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test, vi } from "vitest";

import type { Config } from "../../config.ts";
import { startTestServer, type TestServer, testModel } from "../../test-server.ts";
import { type Message, makeTestClient, methodOf, SERVICE, type TestClient } from "./test-client.ts";

vi.setConfig({ testTimeout: 30_000 });

const DEADLINE = { timeout: 15_000, interval: 10 };

const running: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((stop) => stop()));
});

async function start(
  model: string,
  settings: Partial<Config> = {},
): Promise<{ server: TestServer; client: TestClient; metric: (name: string) => Promise<number> }> {
  const server = await startTestServer(testModel(model), settings);
  const client = makeTestClient(`127.0.0.1:${server.grpcPort}`);
  running.push(async () => {
    await server.stop();
    client.close();
  });
  await server.loaded;
  const metric = async (name: string) => {
    const { text } = await server.get("/metrics");
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
    return Number(line?.slice(name.length));
  };
  return { server, client, metric };
}

const busy = (iterations: number) => ({
  model_name: "m",
  inputs: [{ name: "iterations", datatype: "INT64", shape: [], contents: { int64_contents: [iterations] } }],
});

const hex = (text: string) => Buffer.from(text, "hex");

describe("every datatype, typed and raw", () => {
  const cases: [model: string, datatype: string, typed: Message | undefined, raw: Buffer][] = [
    ["bool", "BOOL", { bool_contents: [true, false] }, hex("0100")],
    ["int8", "INT8", { int_contents: [-1, 127] }, hex("ff7f")],
    ["int16", "INT16", { int_contents: [-2, 300] }, hex("feff2c01")],
    ["int32", "INT32", { int_contents: [-3, 2 ** 31 - 1] }, hex("fdffffffffffff7f")],
    ["int64", "INT64", { int64_contents: ["-4", "9007199254740993"] }, hex("fcffffffffffffff0100000000002000")],
    ["uint8", "UINT8", { uint_contents: [1, 255] }, hex("01ff")],
    ["uint16", "UINT16", { uint_contents: [1, 65535] }, hex("0100ffff")],
    ["uint32", "UINT32", { uint_contents: [1, 2 ** 32 - 1] }, hex("01000000ffffffff")],
    ["uint64", "UINT64", { uint64_contents: ["1", "18446744073709551615"] }, hex("0100000000000000ffffffffffffffff")],
    ["fp16", "FP16", undefined, hex("003c00fc")],
    ["fp32", "FP32", { fp32_contents: [1, Number.NaN] }, hex("0000803f0000c07f")],
    ["fp64", "FP64", { fp64_contents: [-0.5, Infinity] }, hex("000000000000e0bf000000000000f07f")],
    ["bytes", "BYTES", { bytes_contents: [Buffer.from("ab"), Buffer.from("ä")] }, hex("02000000616202000000c3a4")],
  ];
  test.each(cases)("%s", async (model, datatype, typed, raw) => {
    const { client } = await start(`identity-${model}`);
    const input = { name: "x", datatype, shape: [2] };
    const answer = await client.infer({ model_name: "m", inputs: [input], raw_input_contents: [raw] });
    expect(answer).toMatchObject({ outputs: [{ datatype, shape: [2] }], raw_output_contents: [raw] });
    if (typed !== undefined) {
      expect(await client.infer({ model_name: "m", inputs: [{ ...input, contents: typed }] })).toEqual(answer);
    }
  });
});

test("a message of more than the 4 MiB that gRPC libraries allow by default", async () => {
  const { client } = await start("identity-fp32", { maxBodyBytes: 64 * 1024 ** 2 });
  const raw = Buffer.alloc(5 * 1024 ** 2, 1);
  const input = { name: "x", datatype: "FP32", shape: [raw.length / 4] };
  const answer = await client.infer({ model_name: "m", inputs: [input], raw_input_contents: [raw] });
  expect((answer["raw_output_contents"] as Buffer[])[0]?.equals(raw)).toBe(true);
});

test("a full queue is unavailable at once, and nothing that was accepted is lost", async () => {
  const { client, metric } = await start("busy", { maxQueueLength: 2 });
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => client.infer(busy(200))));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) {
    expect(reason).toMatchObject({ code: status.UNAVAILABLE, details: /Exceeds maximum queue size/ });
  }
  expect(await metric('plimsoll_requests_received_total{protocol="v2-grpc"}')).toBe(12);
  expect(await metric('plimsoll_requests_total{protocol="v2-grpc",code="503"}')).toBe(refused.length);
  expect(await metric('plimsoll_requests_total{protocol="v2-grpc",code="200"}')).toBe(12 - refused.length);
});

describe("while the model is busy", () => {
  const { path, serialize, deserialize } = methodOf(`${SERVICE}/ModelInfer`);

  test("a client that cancels leaves the queue", async () => {
    const { client, metric } = await start("busy");
    const first = client.infer(busy(2000));
    await vi.waitFor(async () => expect(await metric("plimsoll_requests_in_flight")).toBe(1), DEADLINE);
    const call = client.client.makeUnaryRequest(path, serialize, deserialize, busy(1), () => undefined);
    await vi.waitFor(async () => expect(await metric("plimsoll_queue_depth")).toBe(1), DEADLINE);
    call.cancel();
    await vi.waitFor(async () => expect(await metric("plimsoll_queue_depth")).toBe(0), DEADLINE);
    expect(await first).toMatchObject({ model_name: "m" });
    expect(await metric('plimsoll_requests_total{protocol="v2-grpc",code="499"}')).toBe(1);
  });

  test("a request leaves the queue at its deadline", async () => {
    const { client, metric } = await start("busy");
    const first = client.infer(busy(3000));
    await vi.waitFor(async () => expect(await metric("plimsoll_requests_in_flight")).toBe(1), DEADLINE);
    const late = client.infer(busy(1), { deadline: Date.now() + 200 });
    const error = await late.then(
      () => undefined,
      (reason: ServiceError) => reason,
    );
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    await vi.waitFor(async () => expect(await metric("plimsoll_queue_depth")).toBe(0), DEADLINE);
    expect(await first).toMatchObject({ model_name: "m" });
  });

  test("a request whose timeout passes in the queue is unavailable", async () => {
    const { client, metric } = await start("busy");
    const first = client.infer(busy(3000));
    await vi.waitFor(async () => expect(await metric("plimsoll_requests_in_flight")).toBe(1), DEADLINE);
    const late = client.infer({ ...busy(1), parameters: { timeout: { int64_param: 50_000 } } });
    await expect(late).rejects.toMatchObject({ code: status.UNAVAILABLE });
    expect(await first).toMatchObject({ model_name: "m" });
  });
});

test("while the model loads, and when it could not be loaded", async () => {
  const server = await startTestServer("/nonexistent.onnx");
  const client = makeTestClient(`127.0.0.1:${server.grpcPort}`);
  await expect(server.loaded).rejects.toThrow();
  expect(await client.call("ServerLive")).toEqual({ live: true });
  expect(await client.call("ServerReady")).toEqual({ ready: false });
  expect(await client.call("grpc.health.v1.Health/Check")).toEqual({ status: "NOT_SERVING" });
  for (const method of ["ModelMetadata", "ModelConfig", "ModelStatistics"]) {
    await expect(client.call(method, { name: "m" })).rejects.toMatchObject({ code: status.UNAVAILABLE });
  }
  await expect(client.infer(busy(1))).rejects.toMatchObject({ code: status.UNAVAILABLE });
  await server.stop();
  client.close();
});

test("stopping: not ready at once, and what arrives is still answered", async () => {
  const server = await startTestServer(testModel("scalar"), { drainDelaySeconds: 3600 });
  await server.loaded;
  const client = makeTestClient(`127.0.0.1:${server.grpcPort}`);
  expect(await client.call("grpc.health.v1.Health/Check")).toEqual({ status: "SERVING" });
  const stopped = server.stop();
  expect(await client.call("ServerReady")).toEqual({ ready: false });
  expect(await client.call("ServerLive")).toEqual({ live: true });
  expect(await client.call("grpc.health.v1.Health/Check")).toEqual({ status: "NOT_SERVING" });
  const request = { model_name: "m", inputs: [{ name: "x", datatype: "FP32", contents: { fp32_contents: [3] } }] };
  expect(await client.infer(request)).toMatchObject({ model_name: "m" });
  server.skipDrainDelay();
  await stopped;
  await expect(client.call("ServerLive")).rejects.toMatchObject({ code: status.UNAVAILABLE });
  client.close();
});
