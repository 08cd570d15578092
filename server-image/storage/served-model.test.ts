// A model from storage to answers: external data that onnxruntime finds, progress as metrics, and what a kill leaves.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { startTestServer, type TestServer, testModel } from "../test-server.ts";
import { type Listener, startHttpServer, type TestHttpServer } from "./testing/http-server.ts";
import { modelOfSize } from "./testing/onnx.ts";

vi.setConfig({ testTimeout: 60_000 });

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const DEADLINE = { timeout: 30_000, interval: 20 };

let folder: string;
let storage: TestHttpServer;
let server: TestServer | undefined;
let program: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-served-test-"));
});

afterEach(async () => {
  await server?.stop();
  server = undefined;
  program?.kill("SIGKILL");
  program = undefined;
  await storage.stop();
  await rm(folder, { recursive: true });
});

const sendTestdata: Listener = (request, response) => {
  const file = path.join(path.dirname(testModel("external-data/model")), path.basename(request.url ?? ""));
  readFile(file).then(
    (bytes) => response.end(bytes),
    () => response.writeHead(404).end(),
  );
};

test("a model whose weights are beside it answers, and its folder goes with the server", async () => {
  storage = await startHttpServer(sendTestdata);
  server = await startTestServer(`${storage.origin}/model.onnx`, { modelDirectory: folder });
  await server.loaded;
  const answer = await server.infer({
    inputs: [
      { name: "x", datatype: "FP32", shape: [2], data: [1, 1] },
      { name: "yes", datatype: "BOOL", shape: [], data: [false] },
    ],
  });
  // In the other branch: (1 + 3) * 10 and (1 + 4) * 100.
  expect(answer.json).toMatchObject({ outputs: [{ data: [40, 500] }] });
  expect(new Set(storage.requests.map(({ url }) => url))).toEqual(new Set(["/model.onnx", "/w1", "/w2", "/w3"]));
  const { text } = await server.get("/metrics");
  const { length } = await readFile(testModel("external-data/model"));
  expect(text).toContain(`\nplimsoll_model_download_bytes ${length + 24}\n`);
  expect(text).toContain(`\nplimsoll_model_download_size_bytes ${length + 24}\n`);
  await server.stop();
  server = undefined;
  expect(await readdir(folder)).toEqual([]);
});

describe("the metrics of a download", () => {
  test("are there while it goes on", async () => {
    storage = await startHttpServer((_request, response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write(Buffer.alloc(250));
    });
    const waiting = await startTestServer(`${storage.origin}/m.onnx`, { modelDirectory: folder });
    server = waiting;
    await vi.waitFor(async () => {
      const { text } = await waiting.get("/metrics");
      expect(text).toMatch(/^plimsoll_model_download_bytes 250$/m);
      expect(text).toMatch(/^plimsoll_model_download_size_bytes 1000$/m);
    }, DEADLINE);
  });

  test("are absent without one: nothing is not 0 bytes", async () => {
    storage = await startHttpServer(sendTestdata);
    server = await startTestServer(testModel("add-sub"));
    await server.loaded;
    expect((await server.get("/metrics")).text).not.toMatch(/^plimsoll_model_download_\w+ /m);
  });
});

test("a process that is killed in the middle leaves nothing that is ever loaded", async () => {
  const body = modelOfSize(1_000_000);
  storage = await startHttpServer((_request, response) => {
    response.writeHead(200, { "content-length": body.length });
    response.write(body.subarray(0, 500_000));
  });
  const argv = ["--model-name", "m", "--http-port", "0", "--storage-uri", `${storage.origin}/m.onnx`];
  const flags = ["--model-directory", folder, "--storage-allowed-networks", "127.0.0.0/8"];
  const killed = spawn(process.execPath, [MAIN, ...argv, ...flags], { stdio: "ignore" });
  program = killed;
  await vi.waitFor(async () => {
    expect((await readFile(path.join(folder, "plimsoll-partial/downloads/file"))).length).toBeGreaterThan(0);
  }, DEADLINE);
  killed.kill("SIGKILL");
  await once(killed, "exit");
  expect(await readdir(folder)).toEqual(["plimsoll-partial"]);

  // The next process has another model, and begins with a clean folder.
  await storage.stop();
  storage = await startHttpServer(sendTestdata);
  server = await startTestServer(`${storage.origin}/model.onnx`, { modelDirectory: folder });
  await server.loaded;
  expect((await readdir(folder, { recursive: true })).toSorted()).toEqual([
    "plimsoll-model",
    "plimsoll-model/model.onnx",
    "plimsoll-model/w1",
    "plimsoll-model/w2",
    "plimsoll-model/w3",
  ]);
});
