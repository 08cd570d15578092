// Downloads from a real HTTP server that stalls, breaks off, lies about lengths, refuses and recovers.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { recordingLog } from "../test-server.ts";
import type { FetchOptions } from "./fetch-model.ts";
import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { recordProgress, testFetch } from "./testing/fetch.ts";
import { type Listener, sendFile, startHttpServer, type TestHttpServer } from "./testing/http-server.ts";
import { modelOfSize } from "./testing/onnx.ts";

vi.setConfig({ testTimeout: 30_000 });

/** A small disk of its own takes the rights of root. */
const canMount = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

const BODY = modelOfSize(300_000);
const HALF = Math.floor(BODY.length / 2);
let folder: string;
let server: TestHttpServer;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-http-test-"));
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

async function serve(listener: Listener): Promise<void> {
  server = await startHttpServer(listener);
}

function fetchIt(config: Partial<StorageConfig> = {}, options: Partial<FetchOptions> = {}): Promise<FetchedModel> {
  return testFetch({ config: { storageUri: `${server.origin}/m.onnx`, modelDirectory: folder, ...config }, options });
}

/** Everything below the folder. */
async function left(): Promise<string[]> {
  return readdir(folder, { recursive: true });
}

test("the file is there, complete, and nothing else", async () => {
  await serve((_request, response) => response.end(BODY));
  const model = await fetchIt();
  expect(await readFile(model.path)).toEqual(BODY);
  expect(model).toMatchObject({ version: "1", temporaryPath: path.join(folder, "plimsoll-model") });
  expect(await left()).toEqual(["plimsoll-model", "plimsoll-model/model.onnx"]);
  expect(server.requests.map(({ url }) => url)).toEqual(["/m.onnx"]);
});

test("without a model directory, a temporary folder is made, to be removed by its temporaryPath", async () => {
  await serve((_request, response) => response.end(BODY));
  const model = await fetchIt({ modelDirectory: undefined });
  expect(await readFile(model.path)).toEqual(BODY);
  expect(path.dirname(model.temporaryPath ?? "")).toBe(tmpdir());
  await rm(model.temporaryPath ?? "", { recursive: true });
  await expect(readFile(model.path)).rejects.toThrow("ENOENT");
});

test("a body without announced length", async () => {
  await serve((_request, response) => {
    response.write(BODY.subarray(0, 1000));
    response.end(BODY.subarray(1000));
  });
  const { onProgress, told } = recordProgress();
  expect(await readFile((await fetchIt({}, { onProgress })).path)).toEqual(BODY);
  expect(told.slice(0, -1).every(({ totalBytes }) => totalBytes === undefined)).toBe(true);
  expect(told.at(-1)).toEqual({ bytes: BODY.length, totalBytes: BODY.length });
});

const FAULTS: Record<string, Listener> = {
  "503": (_request, response) => response.writeHead(503).end("busy"),
  "429": (_request, response) => response.writeHead(429, { "retry-after": "0" }).end(),
  "a reset before the answer": (request) => request.socket.resetAndDestroy(),
  "a connection that ends at half": (_request, response) => {
    response.writeHead(200, { "content-length": BODY.length });
    response.write(BODY.subarray(0, HALF), () => response.destroy());
  },
  "a reset at half": (request, response) => {
    response.writeHead(200, { "content-length": BODY.length });
    response.write(BODY.subarray(0, HALF), () => request.socket.resetAndDestroy());
  },
  "chunks that break off": (_request, response) => {
    response.write(BODY.subarray(0, HALF), () => response.destroy());
  },
};

describe("tried again until it works", () => {
  test.each(Object.entries(FAULTS))("%s", async (_name, fault) => {
    await serve((request, response, count) => {
      if (count <= 2) {
        fault(request, response, count);
      } else {
        response.end(BODY);
      }
    });
    expect(await readFile((await fetchIt()).path)).toEqual(BODY);
    expect(server.requests).toHaveLength(3);
  });

  const STALLS: Record<string, Listener> = {
    "a stall before the answer": () => undefined,
    "a stall at half": (_request, response) => {
      response.writeHead(200, { "content-length": BODY.length });
      response.write(BODY.subarray(0, HALF));
    },
  };
  test.each(Object.entries(STALLS))("%s", async (_name, stall) => {
    await serve((request, response, count) => (count === 1 ? stall(request, response, count) : response.end(BODY)));
    expect(await readFile((await fetchIt({}, { stallTimeoutMs: 500 })).path)).toEqual(BODY);
    expect(server.requests).toHaveLength(2);
  });
});

describe("resumed", () => {
  const etag = '"1"';

  /** The first answer breaks off at half; the rest is up to the server. */
  async function serveInTwo(first: string | undefined, second: Listener): Promise<void> {
    await serve((request, response, count) => {
      if (count > 1) {
        second(request, response, count);
        return;
      }
      response.writeHead(200, { "content-length": BODY.length, ...(first === undefined ? {} : { etag: first }) });
      response.write(BODY.subarray(0, HALF), () => request.socket.destroySoon());
    });
  }

  test("where it broke off, under the condition that the file is the same", async () => {
    await serveInTwo(etag, (request, response) => sendFile(request, response, { body: BODY, etag }));
    const { onProgress, told } = recordProgress();
    expect(await readFile((await fetchIt({}, { onProgress })).path)).toEqual(BODY);
    // How much of the first half counts is up to timing: what a broken connection had not delivered is lost.
    expect(server.requests[1]?.headers).toMatchObject({
      range: expect.stringMatching(/^bytes=[1-9]\d*-$/),
      "if-range": etag,
    });
    const counts = told.map(({ bytes }) => bytes);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(told.every(({ totalBytes }) => totalBytes === BODY.length)).toBe(true);
  });

  const OTHER = modelOfSize(200_000);
  const BEGINNINGS: Record<string, [string | undefined, Listener, Buffer]> = {
    "the file has changed": [
      etag,
      (request, response) => sendFile(request, response, { body: OTHER, etag: '"2"' }),
      OTHER,
    ],
    "the file has become shorter than what is there": [
      etag,
      (request, response, count) =>
        count === 2 ? response.writeHead(416).end() : sendFile(request, response, { body: OTHER, etag: '"2"' }),
      OTHER,
    ],
    "the server knows no ranges": [etag, (_request, response) => response.end(BODY), BODY],
    "the ETag is weak": ["W/1", (request, response) => sendFile(request, response, { body: BODY, etag }), BODY],
    "there was no ETag": [undefined, (request, response) => sendFile(request, response, { body: BODY, etag }), BODY],
    "the part is of another file": [
      etag,
      (request, response, count) => sendFile(request, response, { body: BODY, etag: count === 2 ? etag : '"3"' }),
      BODY,
    ],
    "the part begins somewhere else": [
      etag,
      (request, response, count) => {
        if (count === 2) {
          response.writeHead(206, { "content-range": `bytes 1000-${BODY.length - 1}/${BODY.length}`, etag });
          response.end(BODY.subarray(1000));
        } else {
          sendFile(request, response, { body: BODY, etag });
        }
      },
      BODY,
    ],
  };
  test.each(Object.entries(BEGINNINGS))("from the start where %s", async (_name, [first, second, expected]) => {
    await serveInTwo(first, second);
    expect(await readFile((await fetchIt()).path)).toEqual(expected);
  });

  test("as often as there is progress: more breaks than attempts", async () => {
    const body = modelOfSize(900_000);
    await serve((request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
      const range = `bytes ${start}-${body.length - 1}/${body.length}`;
      response.writeHead(start === 0 ? 200 : 206, {
        etag,
        "content-length": body.length - start,
        ...(start === 0 ? {} : { "content-range": range }),
      });
      response.write(body.subarray(start, start + 100_000), () => request.socket.destroySoon());
    });
    expect(await readFile((await fetchIt()).path)).toEqual(body);
    expect(server.requests.length).toBeGreaterThan(9);
  });
});

interface Refusal {
  answer: Listener;
  code: string;
  message: RegExp;
  requests: number | { atLeast: number };
  config?: Partial<StorageConfig>;
  options?: Partial<FetchOptions>;
}

const REFUSALS: Record<string, Refusal> = {
  "404 at once": {
    answer: (_request, response) => response.writeHead(404).end(),
    code: "MODEL_NOT_FOUND",
    message: /^http:\/\/127.0.0.1:\d+\/m.onnx: HTTP 404; check the path of the storage URI$/,
    requests: 1,
  },
  "403 at once": {
    answer: (_request, response) => response.writeHead(403).end(),
    code: "ACCESS_DENIED",
    message: /HTTP 403; the storage wants credentials or refuses them/,
    requests: 1,
  },
  "204, which is no model": {
    answer: (_request, response) => response.writeHead(204).end(),
    code: "STORAGE_UNAVAILABLE",
    message: /HTTP 204; a plain GET of the storage URI must answer 200/,
    requests: 1,
  },
  "an empty body": {
    answer: (_request, response) => response.end(),
    code: "MODEL_INVALID",
    message: /the answer was empty/,
    requests: 1,
  },
  "a page of HTML instead of a model": {
    answer: (_request, response) => response.end("<html>Log in first</html>"),
    code: "MODEL_INVALID",
    message: /m.onnx: this is no ONNX model/,
    requests: 1,
  },
  "500 after five attempts": {
    answer: (_request, response) => response.writeHead(500).end(),
    code: "STORAGE_UNAVAILABLE",
    message: /HTTP 500; given up after 5 attempts/,
    requests: 5,
  },
  "a stall after five attempts": {
    answer: (_request, response) => response.write("x"),
    code: "STORAGE_UNAVAILABLE",
    message: /no data for 0.2 s; given up after 5 attempts/,
    requests: 5,
    options: { stallTimeoutMs: 200 },
  },
  "a body that is always cut at the same place": {
    answer: FAULTS["a reset at half"]!,
    code: "STORAGE_UNAVAILABLE",
    message: /given up after 5 attempts/,
    // Each time that a little more comes, the count begins anew.
    requests: { atLeast: 5 },
  },
  "a part that nobody asked for": {
    answer: (_request, response) => response.writeHead(206, { "content-range": "bytes 0-9/10" }).end("0123456789"),
    code: "STORAGE_UNAVAILABLE",
    message: /a part that was not asked for; given up after 5 attempts/,
    requests: 5,
  },
  "too large, announced": {
    answer: (_request, response) => response.end(BODY),
    code: "MODEL_TOO_LARGE",
    message: /larger than 1000 bytes \(--max-model-bytes\)/,
    requests: 1,
    config: { maxModelBytes: 1000 },
  },
  "too large, found out": {
    answer: (_request, response) => {
      response.write(BODY);
      response.end(BODY);
    },
    code: "MODEL_TOO_LARGE",
    message: /larger than 400000 bytes/,
    requests: 1,
    config: { maxModelBytes: 400_000 },
  },
  "a drip that never stalls, by the total time": {
    answer: (_request, response) => {
      const timer = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(timer));
    },
    code: "DOWNLOAD_TIMEOUT",
    message: /^http:\/\/127.0.0.1:\d+\/m.onnx: not complete after 0.3 s \(--download-timeout-seconds\)$/,
    requests: 1,
    config: { downloadTimeoutSeconds: 0.3 },
  },
  "failures without end, by the total time": {
    answer: (_request, response) => response.writeHead(503).end(),
    code: "DOWNLOAD_TIMEOUT",
    message: /not complete after 0.3 s \(--download-timeout-seconds\); the last attempt failed: HTTP 503$/,
    requests: 1,
    config: { downloadTimeoutSeconds: 0.3 },
    options: { firstWaitMs: 60_000 },
  },
};

describe("given up with a reason, and nothing left behind", () => {
  test.each(Object.entries(REFUSALS))("%s", async (_name, { answer, code, message, config, options, ...expected }) => {
    await serve(answer);
    const failing = fetchIt(config, options);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
    const { length } = server.requests;
    expect(typeof expected.requests === "number" ? length : Math.min(length, expected.requests.atLeast)).toBe(
      typeof expected.requests === "number" ? expected.requests : expected.requests.atLeast,
    );
    expect(await left()).toEqual([]);
  });
});

describe("the checksum", () => {
  const sha256 = "9".repeat(64);

  test("fits", async () => {
    await serve((_request, response) => response.end(BODY));
    const right = createHash("sha256").update(BODY).digest("hex");
    expect(await readFile((await fetchIt({ storageSha256: right })).path)).toEqual(BODY);
  });

  test("does not fit: nothing is kept", async () => {
    await serve((_request, response) => response.end(BODY));
    const failing = fetchIt({ storageSha256: sha256 });
    await expect(failing).rejects.toThrow(/m.onnx: its SHA-256 is [0-9a-f]{64}, not 9{64} \(--storage-sha256\)/);
    await expect(failing).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(await left()).toEqual([]);
  });
});

test("user name and password in the address are refused, and said nowhere", async () => {
  await serve((_request, response) => response.end(BODY));
  const failing = fetchIt({ storageUri: `${server.origin.replace("//", "//user:hunter2@")}/m.onnx?signature=s3cr3t` });
  await expect(failing).rejects.toThrow(/must not contain a user name or password/);
  await expect(failing).rejects.not.toThrow(/hunter2|s3cr3t/);
  expect(server.requests).toEqual([]);
});

test("a signed query is sent, and said nowhere", async () => {
  await serve((_request, response) => response.writeHead(503).end());
  const { log, lines } = recordingLog();
  const failing = fetchIt({ storageUri: `${server.origin}/m.onnx?signature=s3cr3t` }, { log });
  await expect(failing).rejects.toThrow("HTTP 503");
  await expect(failing).rejects.not.toThrow(/s3cr3t/);
  expect(server.requests[0]?.url).toContain("s3cr3t");
  expect(JSON.stringify(lines)).not.toContain("s3cr3t");
});

test("nobody listens: the reason is named", async () => {
  await serve(() => undefined);
  await server.stop();
  await expect(fetchIt()).rejects.toThrow(/ECONNREFUSED.*; given up after 5 attempts/);
});

test("an abort ends it at once, and with its reason", async () => {
  const stop = new AbortController();
  await serve((_request, response) => {
    response.write("x");
    stop.abort();
  });
  await expect(fetchIt({}, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
  expect(await left()).toEqual([]);
});

test("a folder that cannot be made is a clear error, without its path", async () => {
  await serve((_request, response) => response.end(BODY));
  await writeFile(path.join(folder, "file"), "");
  const failing = fetchIt({ modelDirectory: path.join(folder, "file/model") });
  await expect(failing).rejects.toThrow(/^the model cannot be written to its folder \(--model-directory\): ENOTDIR$/);
  await expect(failing).rejects.toMatchObject({ code: "WRITE_FAILED" });
});

test.runIf(canMount)("a full disk is a clear error, and nothing is left on it", async () => {
  await serve((_request, response) => response.end(BODY));
  const disk = path.join(folder, "disk");
  await mkdir(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=100k", "tmpfs", disk]);
  try {
    const failing = fetchIt({ modelDirectory: disk });
    await expect(failing).rejects.toThrow(/^the model cannot be written .*: the disk is full \(ENOSPC\)$/);
    await expect(failing).rejects.toMatchObject({ code: "WRITE_FAILED" });
    expect(server.requests).toHaveLength(1);
    expect(await readdir(disk)).toEqual([]);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("what a killed process left in the model directory is removed; other files are not touched", async () => {
  await serve((_request, response) => response.end(BODY));
  for (const file of ["plimsoll-partial/downloads/file", "plimsoll-model/model.onnx", "mine/model.onnx"]) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), "old");
  }
  expect(await readFile((await fetchIt()).path)).toEqual(BODY);
  expect((await left()).toSorted()).toEqual(["mine", "mine/model.onnx", "plimsoll-model", "plimsoll-model/model.onnx"]);
});

test("progress is logged every five seconds, with what is known", async () => {
  let now = 0;
  await serve((_request, response) => response.end(BODY));
  const { log, lines } = recordingLog();
  await fetchIt({}, { log, clock: () => (now += 3000) });
  const messages = lines.map(({ message }) => message);
  expect(new Set(messages)).toEqual(new Set(["downloading the model", "model downloaded"]));
  expect(lines[0]?.fields).toEqual({ bytes: expect.any(Number), totalBytes: BODY.length, percent: expect.any(Number) });
  expect(lines.at(-1)?.fields).toEqual({ bytes: BODY.length, files: 1, seconds: expect.any(Number) });
});
