// Models in a server that speaks Google Cloud Storage, fake-gcs-server, and the tokens that Google itself would get.

import { generateKeyPairSync, verify } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { findStorageServer } from "../../test/storage-servers.ts";
import { recordingLog } from "../test-server.ts";
import { StorageCredentials } from "./credentials.ts";
import type { FetchOptions } from "./fetch-model.ts";
import { identifyWithGoogle } from "./google-credentials.ts";
import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { testFetch } from "./testing/fetch.ts";
import { startHttpServer } from "./testing/http-server.ts";
import { modelOfSize, modelWithExternalData } from "./testing/onnx.ts";
import { type Fault, type ServerProcess, startFaultyWay, startServerProcess } from "./testing/server-process.ts";
import { zipOf } from "./testing/zip.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const program = await findStorageServer("fake-gcs-server");

const MODEL = modelOfSize(100_000);
const LARGE = modelOfSize(3_000_000);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-gcs-test-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe.skipIf(program === undefined)("Google Cloud Storage (fake-gcs-server)", () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServerProcess(program ?? "", (port) => [
      "-backend=memory",
      "-scheme=http",
      "-host=127.0.0.1",
      `-port=${port}`,
      "-log-level=error",
    ]);
    await post("/storage/v1/b?project=test", JSON.stringify({ name: "models" }));
    await put("single.onnx", MODEL);
    await put("large.onnx", LARGE);
    await put("odd names/ä+b %41.onnx", MODEL);
    await put("versions/2/model.onnx", MODEL);
    await put("versions/11/model.onnx", MODEL);
    await put("versions/11/labels/de.txt", "eins");
    await put("weights/model.onnx", modelWithExternalData("data/weights.bin"));
    await put("weights/data/weights.bin", "weights");
    await put("archive.zip", zipOf([{ name: "model.onnx", content: MODEL }]));
    await put("nothing/readme.txt", "no model");
  });

  afterAll(() => server.stop());

  async function post(target: string, body: string | Buffer<ArrayBuffer>): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${server.port}${target}`, { method: "POST", body });
    expect(response.status, await response.text()).toBe(200);
  }

  async function put(name: string, body: string | Buffer): Promise<void> {
    await post(`/upload/storage/v1/b/models/o?uploadType=media&name=${encodeURIComponent(name)}`, Buffer.from(body));
  }

  function fetchFrom(
    storageUri: string,
    config: Partial<StorageConfig> = {},
    options: Partial<FetchOptions> = {},
  ): Promise<FetchedModel> {
    return testFetch({
      config: { storageUri, modelDirectory: path.join(folder, "model"), ...config },
      options: { environment: { STORAGE_EMULATOR_HOST: `127.0.0.1:${server.port}` }, ...options },
    });
  }

  async function filesOf({ temporaryPath = "" }: FetchedModel): Promise<string[]> {
    const entries = await readdir(temporaryPath, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(temporaryPath, path.join(entry.parentPath, entry.name)))
      .toSorted();
  }

  const FOUND: readonly [string, string, string, string[]][] = [
    ["an object", "gs://models/single.onnx", "1", ["model.onnx"]],
    ["a name that other programs would decode", "gs://models/odd names/ä+b %41.onnx", "1", ["model.onnx"]],
    ["a folder: the latest version", "gs://models/versions", "11", ["11/labels/de.txt", "11/model.onnx"]],
    ["a folder, with a slash", "gs://models/versions/2/", "1", ["model.onnx"]],
    ["a folder with external data", "gs://models/weights", "1", ["data/weights.bin", "model.onnx"]],
    [
      "an object with external data beside it",
      "gs://models/weights/model.onnx",
      "1",
      ["data/weights.bin", "model.onnx"],
    ],
    ["an archive", "gs://models/archive.zip", "1", ["model.onnx"]],
  ];
  test.each(FOUND)("%s is found", async (_name, storageUri, version, files) => {
    const model = await fetchFrom(storageUri);
    expect(model.version).toBe(version);
    expect(await filesOf(model)).toEqual(files);
  });

  const REFUSED: readonly [string, string, Partial<StorageConfig>, string, RegExp][] = [
    [
      "no such object",
      "gs://models/none.onnx",
      {},
      "MODEL_NOT_FOUND",
      /^gs:\/\/models\/none.onnx: there is no such file/,
    ],
    [
      "no such bucket",
      "gs://nobody/a.onnx",
      {},
      "MODEL_NOT_FOUND",
      /^gs:\/\/nobody\/a.onnx\/?: (there is no|HTTP 404)/,
    ],
    ["a folder without a model", "gs://models/nothing", {}, "MODEL_NOT_FOUND", /it holds readme.txt$/],
    [
      "more bytes than allowed",
      "gs://models/large.onnx",
      { maxModelBytes: 1000 },
      "MODEL_TOO_LARGE",
      /--max-model-bytes/,
    ],
    ["a folder of more files", "gs://models/versions", { maxModelFiles: 2 }, "MODEL_TOO_LARGE", /--max-model-files/],
    [
      "a host that is not configured",
      "gs://models/single.onnx",
      { storageAllowedNetworks: [] },
      "ADDRESS_NOT_ALLOWED",
      /127.0.0.1 is not allowed/,
    ],
  ];
  test.each(REFUSED)("%s is refused", async (_name, ...[storageUri, config, code, message]) => {
    const failing = fetchFrom(storageUri, config);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
  });

  async function fetchOver(fault: Fault, storageUri: string, options: Partial<FetchOptions> = {}) {
    const way = await startFaultyWay(server.port, [fault]);
    try {
      const environment = { STORAGE_EMULATOR_HOST: `http://127.0.0.1:${way.port}` };
      const model = await fetchFrom(storageUri, {}, { environment, ...options });
      return { body: await readFile(model.path), requests: way.requests };
    } finally {
      await way.stop();
    }
  }

  test("a reset at a third: the rest is asked for, of the same generation", async () => {
    const { body, requests } = await fetchOver({ afterBytes: 1_000_000, kind: "reset" }, "gs://models/large.onnx");
    expect(body.equals(LARGE)).toBe(true);
    expect(requests).toHaveLength(2);
    expect(requests[1]).toMatch(/^range: bytes=[1-9]\d+-\r$/im);
    expect(requests[1]).toMatch(/^GET .*generation=\d+/);
  });

  test("an object that changes meanwhile is read anew", async () => {
    await put("changing.onnx", LARGE);
    const changed = modelOfSize(2_000_000);
    let putting: Promise<void> | undefined;
    const { body } = await fetchOver({ afterBytes: 1_000_000, kind: "stall" }, "gs://models/changing.onnx", {
      stallTimeoutMs: 1000,
      onProgress: ({ bytes }) => {
        putting ??= bytes > 500_000 ? put("changing.onnx", changed) : undefined;
      },
    });
    expect(body.equals(changed)).toBe(true);
  });
});

describe("a listing", () => {
  test.each([
    ["no JSON", "<html>"],
    ["sizes that are none", JSON.stringify({ items: [{ name: "a", size: "x" }] })],
    ["a body without end", undefined],
  ])("with %s is refused", async (_name, body) => {
    const server = await startHttpServer((_request, response) => {
      if (body !== undefined) {
        response.end(body);
        return;
      }
      const more = () => response.write(Buffer.alloc(100_000), more);
      more();
    });
    const failing = testFetch({
      config: { storageUri: "gs://models/folder/" },
      options: { environment: { STORAGE_EMULATOR_HOST: server.origin } },
    });
    await expect(failing).rejects.toThrow("gs://models/folder/: the answer is no list of objects");
    await server.stop();
  });

  test("goes on page by page, and names that lead out are refused", async () => {
    const server = await startHttpServer((request, response) => {
      const page = new URL(request.url ?? "", "http://x").searchParams.get("pageToken");
      const items = page === null ? [{ name: "f/model.onnx", size: "3" }] : [{ name: "f/../../x", size: "3" }];
      response.end(JSON.stringify({ items, ...(page === null ? { nextPageToken: "2" } : {}) }));
    });
    const failing = testFetch({
      config: { storageUri: "gs://models/f/" },
      options: { environment: { STORAGE_EMULATOR_HOST: server.origin } },
    });
    await expect(failing).rejects.toThrow('gs://models/f/: the folder holds "../../x"; everything must stay');
    await expect(failing).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    expect(server.requests).toHaveLength(2);
    await server.stop();
  });
});

describe("tokens", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = JSON.stringify({
    type: "service_account",
    project_id: "test",
    private_key_id: "1",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: "reader@test.iam.gserviceaccount.com",
    client_id: "1",
    token_uri: "https://oauth2.googleapis.com/token",
  });
  let secret: string;

  beforeEach(async () => {
    secret = await mkdtemp(path.join(folder, "secret-"));
  });

  /** The claims of a token that is signed with the key. */
  function claimsOf(authorization: string | undefined): unknown {
    const [header = "", claims = "", signature = ""] = (authorization ?? "").replace("Bearer ", "").split(".");
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify("RSA-SHA256", signed, publicKey, Buffer.from(signature, "base64url"))).toBe(true);
    return JSON.parse(Buffer.from(claims, "base64url").toString());
  }

  test("of a mounted key are signed with it, for reading only", async () => {
    await writeFile(path.join(secret, "gcloud-application-credentials.json"), key);
    const identity = await identifyWithGoogle(new StorageCredentials({}, secret), false);
    expect(claimsOf(await identity.authorization())).toMatchObject({
      iss: "reader@test.iam.gserviceaccount.com",
      scope: "https://www.googleapis.com/auth/devstorage.read_only",
    });
  });

  test("of the key that the environment names", async () => {
    const file = path.join(secret, "key.json");
    await writeFile(file, key);
    const environment = { GOOGLE_APPLICATION_CREDENTIALS: file };
    const identity = await identifyWithGoogle(new StorageCredentials(environment, undefined), false);
    expect(claimsOf(await identity.authorization())).toMatchObject({ sub: "reader@test.iam.gserviceaccount.com" });
  });

  test("there are none without a key: public buckets need none", async () => {
    const identity = await identifyWithGoogle(new StorageCredentials({}, secret), false);
    expect(await identity.authorization()).toBeUndefined();
  });

  test.each([
    ["text", "s3cr3t", "INVALID_STORAGE_SETTING", /is not the JSON of a key of a service account of Google Cloud; for/],
    [
      "a kind that names addresses to ask",
      '{"type":"external_account","credential_source":{"url":"http://169.254.169.254/s3cr3t"}}',
      "INVALID_STORAGE_SETTING",
      /is not the JSON of a key of a service account/,
    ],
    [
      "a key that is none",
      '{"type":"service_account","client_email":"a@b","private_key":"s3cr3t"}',
      "ACCESS_DENIED",
      /cannot be had; check that the credentials are valid$/,
    ],
  ])("%s for a key is refused, and said nowhere", async (_name, content, code, message) => {
    await writeFile(path.join(secret, "gcloud-application-credentials.json"), content);
    const failing = identifyWithGoogle(new StorageCredentials({}, secret), false).then((made) => made.authorization());
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow("s3cr3t");
    await expect(failing).rejects.toMatchObject({ code });
  });

  test("reach Google's host only, and no message", async () => {
    await writeFile(path.join(secret, "gcloud-application-credentials.json"), key);
    const { log, lines } = recordingLog();
    const asked: string[] = [];
    const failing = testFetch({
      config: { storageUri: "gs://models/a.onnx", storageCredentialsDirectory: secret },
      options: {
        log,
        resolveHost: async (name) => {
          asked.push(name);
          return [{ address: "169.254.169.254", family: 4 }];
        },
      },
    });
    await expect(failing).rejects.toMatchObject({ code: "ADDRESS_NOT_ALLOWED" });
    expect(asked).toEqual(["storage.googleapis.com"]);
    expect(JSON.stringify(lines)).not.toMatch(/Bearer|PRIVATE/);
  });
});
