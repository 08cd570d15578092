// The calibration's gRPC client against this server's own listener: what it counts is what was answered.

import { expect, test, vi } from "vitest";

import { InferenceError } from "../inference-error.ts";
import { startTestListener, type TestListener } from "../protocols/open-inference-grpc/test-listener.ts";
import { bytesOf } from "../tensors/datatypes.ts";
import { openGrpc } from "./grpc-probe.ts";
import { makeProbeRequests } from "./probe-requests.ts";
import { ProbeTally } from "./probe-tally.ts";

vi.setConfig({ testTimeout: 30_000 });

const CONNECTIONS = 4;
const inputs = [{ name: "x", datatype: "FP32", shape: [1, 3], data: bytesOf(new Float32Array([1, 2, 3])) }] as const;
const message = makeProbeRequests("m", { inputs, outputNames: ["y"] })["v2-grpc"] ?? Buffer.alloc(0);

async function report(server: TestListener, milliseconds = 50) {
  const tally = new ProbeTally({ warmUpMs: 0, milliseconds, clock: () => performance.now(), cpuSeconds: () => 0 });
  const probe = await openGrpc(server.port, CONNECTIONS);
  await probe.keepBusy(message, tally);
  probe.end();
  return tally.report();
}

test("calls that were answered", async () => {
  const server = await startTestListener();
  const { answered, failed } = await report(server);
  expect(failed).toBe(0);
  expect(answered).toBe(server.received());
  expect(new Set(server.ended)).toEqual(new Set([200]));
  await server.close();
});

test("calls that were refused have failed, and each connection ends with its first", async () => {
  const server = await startTestListener();
  server.model.infer = () => Promise.reject(new InferenceError("UNAVAILABLE", "no"));
  expect(await report(server)).toMatchObject({ answered: CONNECTIONS, failed: CONNECTIONS });
  await server.close();
});

test("without any time, one call on each connection", async () => {
  const server = await startTestListener();
  expect(await report(server, -1)).toMatchObject({ answered: CONNECTIONS, failed: 0 });
  await server.close();
});
