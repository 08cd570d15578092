// The Hub's resolve endpoint as it behaves: a redirect to another host for large files, its own error codes, and tokens.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { FetchOptions } from "./fetch-model.ts";
import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { testFetch } from "./testing/fetch.ts";
import { sendFile, startHttpServer, type TestHttpServer } from "./testing/http-server.ts";
import { modelOfSize, modelWithExternalData } from "./testing/onnx.ts";

const MODEL = modelOfSize(200_000);
const TOKEN = "hf_s3cr3t";
let folder: string;
let hub: TestHttpServer;
let store: TestHttpServer;
/** Answers of the store that break off. */
let breaks: number;

/** By the path below resolve, revision included. */
const FILES: Record<string, Buffer> = {
  "main/model.onnx": MODEL,
  "v1.0/onnx/model.onnx": MODEL,
  "refs%2Fpr%2F7/model.onnx": MODEL,
  "main/external/model.onnx": modelWithExternalData("model.onnx_data"),
  "main/external/model.onnx_data": Buffer.from("weights"),
};

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-hf-test-"));
  breaks = 0;
  store = await startHttpServer((request, response, count) => {
    const body = FILES[request.url?.slice(1).split("?")[0] ?? ""] ?? Buffer.from("");
    if (count <= breaks) {
      response.writeHead(200, { "content-length": body.length, etag: '"1"' });
      response.write(body.subarray(0, 100_000), () => request.socket.destroySoon());
      return;
    }
    sendFile(request, response, { body, etag: '"1"' });
  }, "127.0.0.2");
  hub = await startHttpServer((request, response) => {
    const [, owner, repository, resolve, ...rest] = (request.url ?? "").split("/");
    const file = rest.join("/");
    if (
      owner !== "team" ||
      resolve !== "resolve" ||
      (repository === "private" && request.headers.authorization === undefined)
    ) {
      response.writeHead(401, { "x-error-code": "RepoNotFound" }).end();
    } else if (repository === "gated") {
      response.writeHead(403, { "x-error-code": "GatedRepo" }).end();
    } else if (!file.startsWith("main/") && FILES[file] === undefined) {
      response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end();
    } else if (FILES[file] === undefined) {
      response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    } else {
      response.writeHead(302, { location: `${store.origin}/${file}?signature=s1gned` }).end();
    }
  });
});

afterEach(async () => {
  await hub.stop();
  await store.stop();
  await rm(folder, { recursive: true });
});

function fetchFrom(
  storageUri: string,
  config: Partial<StorageConfig> = {},
  environment: FetchOptions["environment"] = {},
): Promise<FetchedModel> {
  return testFetch({
    config: { storageUri, modelDirectory: path.join(folder, "model"), ...config },
    options: { environment: { HF_ENDPOINT: hub.origin, ...environment } },
  });
}

describe("found", () => {
  test.each([
    ["a file", "hf://team/model/model.onnx"],
    ["a file in a folder, of a revision", "hf://team/model@v1.0/onnx/model.onnx"],
    ["a file of a revision with slashes", "hf://team/model@refs%2Fpr%2F7/model.onnx"],
  ])("%s", async (_name, storageUri) => {
    expect((await readFile((await fetchFrom(storageUri)).path)).equals(MODEL)).toBe(true);
  });

  test("a file and the external data beside it", async () => {
    const model = await fetchFrom("hf://team/model/external/model.onnx");
    expect((await readdir(path.dirname(model.path))).toSorted()).toEqual(["model.onnx", "model.onnx_data"]);
  });

  test("through a mirror with a path of its own", async () => {
    const mirror = await startHttpServer((request, response) => {
      response.end(request.url === "/hub/team/model/resolve/main/model.onnx" ? MODEL : "");
    });
    const model = await fetchFrom("hf://team/model/model.onnx", {}, { HF_ENDPOINT: `${mirror.origin}/hub/` });
    await mirror.stop();
    expect((await readFile(model.path)).equals(MODEL)).toBe(true);
  });

  test("in spite of breaks: what is there already is not asked for again", async () => {
    breaks = 1;
    const model = await fetchFrom("hf://team/model/model.onnx", {}, { HF_TOKEN: TOKEN });
    expect((await readFile(model.path)).equals(MODEL)).toBe(true);
    expect(store.requests[1]?.headers).toMatchObject({ range: expect.stringMatching(/^bytes=/), "if-range": '"1"' });
  });
});

describe("the token", () => {
  test("goes to the Hub, and not to the store that it redirects to", async () => {
    await fetchFrom("hf://team/private/model.onnx", {}, { HF_TOKEN: TOKEN });
    expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${TOKEN}`]);
    expect(store.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test("of a mounted Secret wins over the environment's", async () => {
    await writeFile(path.join(folder, "HF_TOKEN"), `${TOKEN}\n`);
    await fetchFrom("hf://team/private/model.onnx", { storageCredentialsDirectory: folder }, { HF_TOKEN: "other" });
    expect(hub.requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });
});

test("an endpoint of a mounted Secret does not get the token of the environment", async () => {
  await writeFile(path.join(folder, "HF_ENDPOINT"), hub.origin);
  const mounted = { storageCredentialsDirectory: folder };
  const failing = fetchFrom("hf://team/private/model.onnx", mounted, { HF_TOKEN: TOKEN });
  await expect(failing).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  expect(hub.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  await writeFile(path.join(folder, "HF_TOKEN"), TOKEN);
  await expect(fetchFrom("hf://team/private/model.onnx", mounted)).resolves.toBeDefined();
});

describe("refused", () => {
  const REFUSED: readonly [string, string, string, RegExp][] = [
    [
      "a repository that is private or none",
      "hf://team/private/model.onnx",
      "ACCESS_DENIED",
      /^hf:\/\/team\/private\/model.onnx: HTTP 401; it is private or does not exist; give HF_TOKEN/,
    ],
    ["a gated repository", "hf://team/gated/model.onnx", "ACCESS_DENIED", /its owner must grant access; give HF_TOKEN/],
    ["no such file", "hf://team/model/none.onnx", "MODEL_NOT_FOUND", /HTTP 404; there is no such file$/],
    ["no such revision", "hf://team/model@v9/model.onnx", "MODEL_NOT_FOUND", /HTTP 404; there is no such revision$/],
    [
      "a revision with broken signs",
      "hf://team/model@%/model.onnx",
      "INVALID_STORAGE_URI",
      /write a slash in it as %2F/,
    ],
    ["a folder", "hf://team/model/onnx/", "INVALID_STORAGE_URI", /give hf:\/\/OWNER\/REPO\/FILE/],
  ];
  test.each(REFUSED)("%s", async (_name, storageUri, code, message) => {
    const failing = fetchFrom(storageUri);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
  });

  test("an endpoint that is no address", async () => {
    const failing = fetchFrom("hf://team/model/model.onnx", {}, { HF_ENDPOINT: "hub" });
    await expect(failing).rejects.toThrow("HF_ENDPOINT must be https://HOST or http://HOST");
  });

  test("a store on a host that is not configured", async () => {
    const failing = fetchFrom("hf://team/model/model.onnx", { storageAllowedNetworks: ["127.0.0.1/32"] });
    await expect(failing).rejects.toThrow("the address 127.0.0.2 is not allowed");
    await expect(failing).rejects.not.toThrow("s1gned");
  });
});
