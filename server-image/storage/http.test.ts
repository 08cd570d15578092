// Downloads from a real HTTP server that stalls, breaks off, refuses, redirects and recovers.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { recordingLog } from "../test-server.ts";
import { type DownloadOptions, download } from "./http.ts";

vi.setConfig({ testTimeout: 30_000 });

const BODY = Buffer.alloc(300_000, "model");
let folder: string;
let server: Server;
let requests: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-http-test-"));
  requests = [];
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await rm(folder, { recursive: true });
});

/** Serves and returns the address. */
async function serve(listener: RequestListener): Promise<string> {
  server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function optionsWith(limits: Partial<DownloadOptions["limits"]> = {}): DownloadOptions {
  return {
    modelDirectory: path.join(folder, "model"),
    limits: { totalTimeoutMs: 20_000, stallTimeoutMs: 5000, firstWaitMs: 1, maxBytes: 1_000_000, ...limits },
    signal: new AbortController().signal,
    random: () => 0,
    log: recordingLog().log,
  };
}

test("the file is there, complete, and nothing else", async () => {
  const origin = await serve((_request, response) => response.end(BODY));
  const file = await download(`${origin}/m.onnx`, optionsWith());
  expect(await readFile(file)).toEqual(BODY);
  expect(await readdir(path.dirname(file))).toEqual(["model.onnx"]);
  expect(requests).toEqual(["/m.onnx"]);
});

test("a body without announced length", async () => {
  const origin = await serve((_request, response) => {
    response.write(BODY.subarray(0, 1000));
    response.end(BODY.subarray(1000));
  });
  expect(await readFile(await download(origin, optionsWith()))).toEqual(BODY);
});

describe("tried again until it works", () => {
  const FAULTS: Record<string, RequestListener> = {
    "503": (_request, response) => response.writeHead(503).end("busy"),
    "429": (_request, response) => response.writeHead(429).end(),
    "a connection reset before the answer": (request) => request.socket.resetAndDestroy(),
    "a connection that breaks off at half": (_request, response) => {
      response.writeHead(200, { "content-length": BODY.length });
      response.write(BODY.subarray(0, BODY.length / 2), () => response.destroy());
    },
    "chunks that break off": (_request, response) => {
      response.write(BODY.subarray(0, BODY.length / 2), () => response.destroy());
    },
  };
  test.each(Object.entries(FAULTS))("%s", async (_name, fault) => {
    const origin = await serve((request, response) => {
      if (requests.length <= 2) {
        fault(request, response);
      } else {
        response.end(BODY);
      }
    });
    const file = await download(`${origin}/m.onnx`, optionsWith());
    expect(await readFile(file)).toEqual(BODY);
    expect(requests).toHaveLength(3);
  });

  const STALLS: Record<string, RequestListener> = {
    "a stall before the answer": () => undefined,
    "a stall at half": (_request, response) => {
      response.writeHead(200, { "content-length": BODY.length });
      response.write(BODY.subarray(0, BODY.length / 2));
    },
  };
  test.each(Object.entries(STALLS))("%s", async (_name, stall) => {
    const origin = await serve((request, response) => {
      if (requests.length === 1) {
        stall(request, response);
      } else {
        response.end(BODY);
      }
    });
    const file = await download(`${origin}/m.onnx`, optionsWith({ stallTimeoutMs: 500 }));
    expect(await readFile(file)).toEqual(BODY);
  });
});

describe("given up with a reason", () => {
  interface Refusal {
    answer: RequestListener;
    code: string;
    message: RegExp;
    requests: number;
    limits?: Partial<DownloadOptions["limits"]>;
  }
  const CASES: Record<string, Refusal> = {
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
      limits: { stallTimeoutMs: 200 },
    },
    "too large, announced": {
      answer: (_request, response) => response.end(BODY),
      code: "MODEL_TOO_LARGE",
      message: /larger than 1000 bytes \(--max-model-bytes\)/,
      requests: 1,
      limits: { maxBytes: 1000 },
    },
    "too large, found out": {
      answer: (_request, response) => {
        response.write(BODY);
        response.end(BODY);
      },
      code: "MODEL_TOO_LARGE",
      message: /larger than 400000 bytes/,
      requests: 1,
      limits: { maxBytes: 400_000 },
    },
    "a drip that never stalls, by the total time": {
      answer: (_request, response) => {
        const timer = setInterval(() => response.write("x"), 10);
        response.on("close", () => clearInterval(timer));
      },
      code: "DOWNLOAD_TIMEOUT",
      message: /not complete after 0.3 s \(--download-timeout-seconds\)/,
      requests: 1,
      limits: { totalTimeoutMs: 300 },
    },
    "a redirect to another host": {
      answer: (_request, response) => response.writeHead(302, { location: "http://169.254.169.254/secrets?x=1" }).end(),
      code: "INVALID_STORAGE_URI",
      message: /redirects to http:\/\/169.254.169.254\/secrets; other hosts are not followed, give the final address/,
      requests: 1,
    },
    "a redirect without address": {
      answer: (_request, response) => response.writeHead(302).end(),
      code: "STORAGE_UNAVAILABLE",
      message: /a redirect without a valid address/,
      requests: 1,
    },
    "redirects in a circle": {
      answer: (request, response) => response.writeHead(307, { location: `${request.url}x` }).end(),
      code: "STORAGE_UNAVAILABLE",
      message: /more than 5 redirects/,
      requests: 6,
    },
  };
  test.each(Object.entries(CASES))("%s", async (_name, { answer, code, message, limits, ...expected }) => {
    const origin = await serve(answer);
    const failing = download(`${origin}/m.onnx`, optionsWith(limits));
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code, phase: "download" });
    expect(requests).toHaveLength(expected.requests);
    expect(await readdir(path.join(folder, "model"))).toEqual([]);
  });
});

test("a redirect on the same host is followed", async () => {
  const origin = await serve((request, response) => {
    if (request.url === "/latest") {
      response.writeHead(301, { location: "/7/m.onnx" }).end();
    } else {
      response.end(BODY);
    }
  });
  expect(await readFile(await download(`${origin}/latest`, optionsWith()))).toEqual(BODY);
  expect(requests).toEqual(["/latest", "/7/m.onnx"]);
});

test("secrets in the address reach no message", async () => {
  const origin = await serve((_request, response) => response.writeHead(404).end());
  const failing = download(`${origin.replace("//", "//user:hunter2@")}/m.onnx?signature=s3cr3t`, optionsWith());
  await expect(failing).rejects.toThrow("HTTP 404");
  await expect(failing).rejects.not.toThrow(/hunter2|s3cr3t/);
});

test("nobody listens: the reason is named", async () => {
  const origin = await serve(() => undefined);
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await expect(download(origin, optionsWith())).rejects.toThrow(/ECONNREFUSED.*; given up after 5 attempts/);
});

test("an abort ends it at once, and with its reason", async () => {
  const stop = new AbortController();
  const origin = await serve((_request, response) => {
    response.write("x");
    stop.abort();
  });
  const failing = download(origin, { ...optionsWith(), signal: stop.signal });
  await expect(failing).rejects.toMatchObject({ name: "AbortError" });
});

test("a folder that cannot be made is a clear error", async () => {
  const origin = await serve((_request, response) => response.end(BODY));
  await writeFile(path.join(folder, "file"), "");
  const failing = download(origin, { ...optionsWith(), modelDirectory: path.join(folder, "file/model") });
  await expect(failing).rejects.toThrow(/^the model cannot be written to .*\/file\/model: .*ENOTDIR/);
  await expect(failing).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
});
