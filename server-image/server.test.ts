// The server's life in one process: what it says before, while and after the model is loaded.

import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { ocrModel, startTestServer, testModel } from "./test-server.ts";

vi.setConfig({ testTimeout: 30_000 });

test("alive and not ready until the model is there, then ready with the phases measured; the download is deleted", async () => {
  const go = Promise.withResolvers<void>();
  const storage = createServer((_request, response) => {
    void go.promise.then(() => createReadStream(testModel("scalar")).pipe(response));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => {
    storage.once("listening", resolve);
  });
  const folder = await mkdtemp(path.join(tmpdir(), "plimsoll-server-test-"));
  const uri = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/m.onnx`;
  const server = await startTestServer(uri, { modelDirectory: folder });

  expect((await server.get("/v2/health/live")).status).toBe(200);
  const starting = { error: "model is starting: download" };
  for (const url of ["/v2/health/ready", "/v2/models/m/ready", "/v2/models/m"]) {
    const answer = await server.get(url);
    expect(answer.json).toMatchObject(starting);
    expect(answer.status).toBe(503);
  }
  const early = await server.infer({ inputs: [] });
  expect(early.json).toEqual(starting);
  expect(early.headers.get("retry-after")).toBe("1");
  expect((await server.get("/metrics")).text).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 1');

  go.resolve();
  await server.loaded;
  expect((await server.get("/v2/health/ready")).status).toBe(200);
  const { text } = await server.get("/metrics");
  for (const phase of ["download", "load", "warm-up"]) {
    expect(text).toMatch(new RegExp(`^plimsoll_model_load_seconds\\{phase="${phase}"\\} \\d`, "m"));
  }
  expect(await readdir(folder)).toEqual(["plimsoll-model"]);
  await server.stop();
  expect(await readdir(folder)).toEqual([]);
  storage.close();
  await rm(folder, { recursive: true });
});

describe("without a folder for downloads", () => {
  let temporary: string;

  beforeEach(async () => {
    temporary = await mkdtemp(path.join(tmpdir(), "plimsoll-server-test-"));
    vi.stubEnv("TMPDIR", temporary);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(temporary, { recursive: true });
  });

  async function storageOf(model: string): Promise<{ storage: Server; uri: string }> {
    const storage = createServer((_request, response) => {
      createReadStream(model).pipe(response);
    }).listen(0, "127.0.0.1");
    await once(storage, "listening");
    return { storage, uri: `http://127.0.0.1:${(storage.address() as AddressInfo).port}/m.onnx` };
  }

  test("a new one is made that only its owner may enter, and removed at the end", async () => {
    const { storage, uri } = await storageOf(testModel("scalar"));
    const server = await startTestServer(uri, { modelDirectory: undefined });
    await server.loaded;
    const [folder = "none"] = await readdir(temporary);
    expect(folder).toMatch(/^plimsoll-\w{6}$/);
    expect((await stat(path.join(temporary, folder))).mode & 0o777).toBe(0o700);
    expect(await readdir(path.join(temporary, folder))).toEqual(["plimsoll-model"]);
    await server.stop();
    expect(await readdir(temporary)).toEqual([]);
    storage.close();
  });

  test("it is removed when the download is no model", async () => {
    const { storage, uri } = await storageOf(import.meta.filename);
    const server = await startTestServer(uri, { modelDirectory: undefined });
    await expect(server.loaded).rejects.toMatchObject({ code: "MODEL_INVALID" });
    await server.stop();
    expect(await readdir(temporary)).toEqual([]);
    storage.close();
  });

  test("it is removed when the download fails", async () => {
    const storage = createServer((_request, response) => response.writeHead(404).end()).listen(0, "127.0.0.1");
    await once(storage, "listening");
    const uri = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/m.onnx`;
    const server = await startTestServer(uri, { modelDirectory: undefined });
    await expect(server.loaded).rejects.toMatchObject({ phase: "download" });
    expect(await readdir(temporary)).toEqual([]);
    await server.stop();
    storage.close();
  });

  test("none is made for a local model", async () => {
    const server = await startTestServer(testModel("scalar"), { modelDirectory: undefined });
    await server.loaded;
    expect(await readdir(temporary)).toEqual([]);
    await server.stop();
  });
});

test("a local model is not deleted", async () => {
  const server = await startTestServer(testModel("scalar"));
  await server.loaded;
  await server.stop();
  const again = await startTestServer(testModel("scalar"));
  await again.loaded;
  await again.stop();
});

describe("warm-up", () => {
  test("a trained model that does not take every size is warmed up at one it takes", async () => {
    const server = await startTestServer(ocrModel("ch_PP-OCRv4_det_infer"));
    await server.loaded;
    expect(server.lines.filter(({ level }) => level === "warn")).toEqual([]);
    await server.stop();
  });

  test("a model whose sizes cannot be guessed is ready all the same, and the log says so", async () => {
    const server = await startTestServer(testModel("needs-77"));
    await server.loaded;
    expect((await server.get("/v2/health/ready")).status).toBe(200);
    expect(server.lines).toContainEqual({
      level: "warn",
      message: "no sample inputs fit the model: nothing is measured, and its first requests take longer",
      fields: { reason: expect.stringContaining("requested shape:{7,11}") as unknown },
    });
    await server.stop();
  });
});

test("no line per request", async () => {
  const server = await startTestServer(testModel("scalar"), { workers: 2 });
  await server.loaded;
  const before = server.lines.length;
  const body = { inputs: [{ name: "x", shape: [], datatype: "FP32", data: 3 }] };
  const answers = await Promise.all(Array.from({ length: 20 }, () => server.infer(body)));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(server.lines.length).toBe(before);
  await server.stop();
});

test("stopping: not ready at once, and what arrives is still answered", async () => {
  const server = await startTestServer(testModel("scalar"), { drainDelaySeconds: 3600 });
  await server.loaded;
  const stopped = server.stop();
  const ready = await server.get("/v2/health/ready");
  expect(ready.json).toEqual({ ready: false, error: "server is stopping" });
  expect(ready.headers.get("connection")).toBe("close");
  const body = { inputs: [{ name: "x", shape: [], datatype: "FP32", data: [3] }] };
  expect((await server.infer(body)).status).toBe(200);
  server.skipDrainDelay();
  await stopped;
  await expect(server.get("/v2/health/live")).rejects.toThrow("fetch failed");
});
