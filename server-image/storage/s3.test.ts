// Models in a real S3 server, versitygw, reached directly and over a way that breaks.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { CreateBucketCommand, PutBucketPolicyCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { findStorageServer } from "../../test/storage-servers.ts";
import { recordingLog } from "../test-server.ts";
import type { FetchOptions } from "./fetch-model.ts";
import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { LOOPBACK, testFetch } from "./testing/fetch.ts";
import { startHttpServer } from "./testing/http-server.ts";
import { modelOfSize, modelWithExternalData } from "./testing/onnx.ts";
import {
  type Fault,
  type FaultyWay,
  type ServerProcess,
  startFaultyWay,
  startServerProcess,
} from "./testing/server-process.ts";
import { zipOf } from "./testing/zip.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const program = await findStorageServer("versitygw");

const KEYS = { AWS_ACCESS_KEY_ID: "testkey", AWS_SECRET_ACCESS_KEY: "s3cr3t" };
const MODEL = modelOfSize(100_000);
const LARGE = modelOfSize(3_000_000);

describe.skipIf(program === undefined)("S3 (versitygw)", () => {
  let folder: string;
  let server: ServerProcess;
  let client: S3Client;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "plimsoll-s3-test-"));
    for (const name of ["gateway", "sidecar"]) {
      await mkdir(path.join(folder, name));
    }
    server = await startServerProcess(
      program ?? "",
      (port) => [
        `--port=127.0.0.1:${port}`,
        "--virtual-domain=s3.test",
        "--quiet",
        "posix",
        `--sidecar=${path.join(folder, "sidecar")}`,
        path.join(folder, "gateway"),
      ],
      { ROOT_ACCESS_KEY: KEYS.AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: KEYS.AWS_SECRET_ACCESS_KEY },
    );
    client = new S3Client({
      endpoint: `http://127.0.0.1:${server.port}`,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY },
    });
    for (const bucket of ["models", "public", "many"]) {
      await client.send(new CreateBucketCommand({ Bucket: bucket }));
    }
    await put("models/single.onnx", MODEL);
    await put("models/large.onnx", LARGE);
    await put("models/odd names/ä+b %41.onnx", MODEL);
    await put("models/versions/2/model.onnx", MODEL);
    await put("models/versions/11/model.onnx", MODEL);
    await put("models/versions/11/labels/de.txt", "eins");
    await put("models/weights/model.onnx", modelWithExternalData("data/weights.bin"));
    await put("models/weights/data/weights.bin", "weights");
    await put("models/archive.zip", zipOf([{ name: "model.onnx", content: MODEL }]));
    await put("models/nothing/readme.txt", "no model");
    await put("public/model.onnx", MODEL);
  });

  afterAll(async () => {
    client.destroy();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  async function put(address: string, body: Buffer | string): Promise<void> {
    const [Bucket = "", ...key] = address.split("/");
    await client.send(new PutObjectCommand({ Bucket, Key: key.join("/"), Body: body }));
  }

  function fetchFrom(
    storageUri: string,
    config: Partial<StorageConfig> = {},
    options: Partial<FetchOptions> = {},
  ): Promise<FetchedModel> {
    return testFetch({
      config: {
        storageUri,
        modelDirectory: path.join(folder, "model"),
        s3Endpoint: `http://127.0.0.1:${server.port}`,
        ...config,
      },
      options: { environment: KEYS, ...options },
    });
  }

  async function filesOf(model: FetchedModel): Promise<string[]> {
    const entries = await readdir(model.temporaryPath ?? "", { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(model.temporaryPath ?? "", path.join(entry.parentPath, entry.name)))
      .toSorted();
  }

  describe("found", () => {
    const FOUND: readonly [string, string, string, string[]][] = [
      ["an object", "s3://models/single.onnx", "1", ["model.onnx"]],
      ["a name that other programs would decode", "s3://models/odd names/ä+b %41.onnx", "1", ["model.onnx"]],
      [
        "a folder: the latest version, and nothing of the others",
        "s3://models/versions",
        "11",
        ["11/labels/de.txt", "11/model.onnx"],
      ],
      ["a folder, with a slash", "s3://models/versions/2/", "1", ["model.onnx"]],
      ["a folder with external data", "s3://models/weights", "1", ["data/weights.bin", "model.onnx"]],
      [
        "an object whose external data is beside it",
        "s3://models/weights/model.onnx",
        "1",
        ["data/weights.bin", "model.onnx"],
      ],
      ["an archive", "s3://models/archive.zip", "1", ["model.onnx"]],
      ["a bucket", "s3://public", "1", ["model.onnx"]],
    ];
    test.each(FOUND)("%s", async (_name, storageUri, version, files) => {
      const model = await fetchFrom(storageUri);
      expect(model.version).toBe(version);
      expect(await filesOf(model)).toEqual(files);
      expect((await readFile(model.path)).length).toBeGreaterThan(20);
    });

    test("by the host's name, where the bucket's name goes there", async () => {
      const asked: string[] = [];
      const model = await fetchFrom(
        "s3://models/single.onnx",
        { s3Endpoint: `http://s3.test:${server.port}`, s3AddressingStyle: "virtual" },
        {
          resolveHost: async (name) => {
            asked.push(name);
            return [{ address: "127.0.0.1", family: 4 }];
          },
        },
      );
      expect(await readFile(model.path)).toEqual(MODEL);
      expect(asked).toEqual(["models.s3.test"]);
    });

    test.each(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])("at the endpoint of %s", async (name) => {
      const environment = { ...KEYS, [name]: `http://127.0.0.1:${server.port}` };
      const model = await fetchFrom("s3://models/single.onnx", { s3Endpoint: undefined }, { environment });
      expect(await readFile(model.path)).toEqual(MODEL);
    });
  });

  describe("credentials", () => {
    let secret: string;

    beforeEach(async () => {
      secret = await mkdtemp(path.join(folder, "secret-"));
    });

    async function mount(files: Record<string, string>): Promise<void> {
      for (const [name, value] of Object.entries(files)) {
        await writeFile(path.join(secret, name), value);
      }
    }

    test("of a mounted Secret, line ends and all, win over those of the environment", async () => {
      await mount({
        AWS_ACCESS_KEY_ID: `${KEYS.AWS_ACCESS_KEY_ID}\n`,
        AWS_SECRET_ACCESS_KEY: `${KEYS.AWS_SECRET_ACCESS_KEY}\n`,
      });
      const environment = { AWS_ACCESS_KEY_ID: "other", AWS_SECRET_ACCESS_KEY: "other" };
      const model = await fetchFrom(
        "s3://models/single.onnx",
        { storageCredentialsDirectory: secret },
        { environment },
      );
      expect(await readFile(model.path)).toEqual(MODEL);
    });

    test("come from the service that the platform names, as EKS gives pods their identity", async () => {
      const answer = {
        AccessKeyId: KEYS.AWS_ACCESS_KEY_ID,
        SecretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY,
        Token: "",
        Expiration: "2100-01-01T00:00:00Z",
      };
      const identities = await startHttpServer((_request, response) => response.end(JSON.stringify(answer)));
      const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${identities.origin}/v1/credentials` };
      // The SDK looks at the process's own environment.
      vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", environment.AWS_CONTAINER_CREDENTIALS_FULL_URI);
      try {
        const model = await fetchFrom("s3://models/single.onnx", {}, { environment });
        expect(await readFile(model.path)).toEqual(MODEL);
        expect(identities.requests).toHaveLength(1);
      } finally {
        vi.unstubAllEnvs();
        await identities.stop();
      }
    });

    test("are not needed for what is public", async () => {
      const statement = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::public/*" };
      const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
      await client.send(new PutBucketPolicyCommand({ Bucket: "public", Policy }));
      const model = await fetchFrom("s3://public/model.onnx", {}, { environment: {} });
      expect(await readFile(model.path)).toEqual(MODEL);
    });

    const REFUSED: readonly [string, Record<string, string>, Record<string, string>, string, RegExp][] = [
      [
        "none, where some are needed",
        {},
        {},
        "ACCESS_DENIED",
        /s3:\/\/models\/single.onnx: AccessDenied \(HTTP 403\); asked with credentials from nobody \(there are none in --sto/,
      ],
      [
        "wrong ones",
        {},
        { ...KEYS, AWS_SECRET_ACCESS_KEY: "wrong" },
        "ACCESS_DENIED",
        /SignatureDoesNotMatch \(HTTP 403\); asked with credentials from the environment/,
      ],
      [
        "half of them in the Secret",
        { AWS_ACCESS_KEY_ID: "testkey" },
        KEYS,
        "INVALID_STORAGE_SETTING",
        /belong together: --storage-credentials-directory has only one of them/,
      ],
    ];
    test.each(REFUSED)("refused: %s", async (_name, ...[files, environment, code, message]) => {
      await mount(files);
      const failing = fetchFrom("s3://models/single.onnx", { storageCredentialsDirectory: secret }, { environment });
      await expect(failing).rejects.toThrow(message);
      await expect(failing).rejects.not.toThrow("s3cr3t");
      await expect(failing).rejects.toMatchObject({ code });
    });

    test("refused: a folder that is not there", async () => {
      const failing = fetchFrom("s3://models/single.onnx", { storageCredentialsDirectory: path.join(secret, "none") });
      await expect(failing).rejects.toThrow(/the folder of --storage-credentials-directory is not there/);
    });
  });

  describe("refused", () => {
    const REFUSED: readonly [string, string, Partial<StorageConfig>, string, RegExp][] = [
      [
        "no such object",
        "s3://models/none.onnx",
        {},
        "MODEL_NOT_FOUND",
        /^s3:\/\/models\/none.onnx: there is no such file, and no folder with files/,
      ],
      ["no such bucket", "s3://nobody/a.onnx", {}, "MODEL_NOT_FOUND", /NoSuchBucket \(HTTP 404\); check the bucket/],
      ["a folder without a model", "s3://models/nothing", {}, "MODEL_NOT_FOUND", /it holds readme.txt$/],
      [
        "more bytes than allowed",
        "s3://models/large.onnx",
        { maxModelBytes: 1000 },
        "MODEL_TOO_LARGE",
        /--max-model-bytes/,
      ],
      [
        "a folder of more bytes",
        "s3://models/versions",
        { maxModelBytes: 1000 },
        "MODEL_TOO_LARGE",
        /--max-model-bytes/,
      ],
      ["a folder of more files", "s3://models/versions", { maxModelFiles: 2 }, "MODEL_TOO_LARGE", /--max-model-files/],
      [
        "external data too many",
        "s3://models/weights/model.onnx",
        { maxModelFiles: 1 },
        "MODEL_TOO_LARGE",
        /--max-model-f/,
      ],
      [
        "an endpoint on loopback that is not configured",
        "s3://models/single.onnx",
        { storageAllowedNetworks: [] },
        "ADDRESS_NOT_ALLOWED",
        /the address 127.0.0.1 is not allowed; allow its network with --storage-allowed-networks/,
      ],
      [
        "the metadata service as endpoint",
        "s3://latest/meta-data",
        { s3Endpoint: "http://169.254.169.254", storageAllowedNetworks: ["0.0.0.0/0", ...LOOPBACK] },
        "ADDRESS_NOT_ALLOWED",
        /the address 169.254.169.254 is not allowed/,
      ],
      [
        "a checksum of a folder",
        "s3://models/versions",
        { storageSha256: "0".repeat(64) },
        "INVALID_STORAGE_SETTING",
        /s3:\/\/models\/versions is a folder, but --storage-sha256 is of one file/,
      ],
    ];
    test.each(REFUSED)("%s", async (_name, ...[storageUri, config, code, message]) => {
      const failing = fetchFrom(storageUri, config);
      await expect(failing).rejects.toThrow(message);
      await expect(failing).rejects.toMatchObject({ code });
      expect(await readdir(path.join(folder, "model"))).toEqual([]);
    });

    test("a folder of more files than one page of the listing has", async () => {
      await mkdir(path.join(folder, "gateway/many/folder"));
      for (let index = 0; index < 1100; index += 1) {
        await writeFile(path.join(folder, `gateway/many/folder/${index}`), "");
      }
      const failing = fetchFrom("s3://many/folder", { maxModelFiles: 1050 });
      await expect(failing).rejects.toThrow(/more than 1050 files/);
      // The second page does come, and then there is no model in it.
      await expect(fetchFrom("s3://many/folder", { maxModelFiles: 1000 })).rejects.toThrow(/more than 1000 files/);
    });
  });

  describe("over a way that breaks", () => {
    async function fetchOver(
      faults: readonly Fault[],
      storageUri = "s3://models/large.onnx",
      options: Partial<FetchOptions> = {},
    ): Promise<{ body: Buffer; way: FaultyWay; reasons: unknown[] }> {
      const way = await startFaultyWay(server.port, faults);
      const { log, lines } = recordingLog();
      try {
        const config = { s3Endpoint: `http://127.0.0.1:${way.port}` };
        const model = await fetchFrom(storageUri, config, { log, ...options });
        const reasons = lines.filter(({ level }) => level === "warn").map(({ fields }) => fields["reason"]);
        return { body: await readFile(model.path), way, reasons };
      } finally {
        await way.stop();
      }
    }

    test("a reset at a third: the rest is asked for, of the same object", async () => {
      const { body, way } = await fetchOver([{ afterBytes: 1_000_000, kind: "reset" }]);
      expect(body.equals(LARGE)).toBe(true);
      expect(way.requests).toHaveLength(2);
      expect(way.requests[1]).toMatch(/^range: bytes=[1-9]\d+-\r$/im);
      expect(way.requests[1]).toMatch(/^if-match: "[0-9a-f]+"\r$/im);
    });

    test("a stall at a third", async () => {
      const options = { stallTimeoutMs: 500 };
      const { body, reasons } = await fetchOver([{ afterBytes: 1_000_000, kind: "stall" }], undefined, options);
      expect(body.equals(LARGE)).toBe(true);
      expect(reasons).toEqual(["no data for 0.5 s"]);
    });

    test("a stall before the answer", async () => {
      const { body, way } = await fetchOver([{ afterBytes: 0, kind: "stall" }], undefined, { stallTimeoutMs: 500 });
      expect(body.equals(LARGE)).toBe(true);
      expect(way.requests).toHaveLength(2);
    });

    test("a bit that flips is found by S3's own checksum", async () => {
      const { body, reasons } = await fetchOver([{ afterBytes: 2_000_000, kind: "flip a bit" }]);
      expect(body.equals(LARGE)).toBe(true);
      expect(reasons).toEqual(["the bytes do not fit S3's checksum"]);
    });

    test("an object that changes meanwhile is read anew", async () => {
      await put("models/changing.onnx", LARGE);
      const log = recordingLog().log;
      const changed = modelOfSize(2_000_000);
      const warn = vi.fn(() => undefined);
      let putting: Promise<void> | undefined;
      const { body, way } = await fetchOver([{ afterBytes: 1_000_000, kind: "stall" }], "s3://models/changing.onnx", {
        log: { ...log, warn },
        stallTimeoutMs: 1000,
        onProgress: ({ bytes }) => {
          putting ??= bytes > 500_000 ? put("models/changing.onnx", changed) : undefined;
        },
      });
      expect(body.equals(changed)).toBe(true);
      expect(warn).toHaveBeenCalledTimes(1);
      expect(way.requests).toHaveLength(3);
    });

    test("a listing that is cut off is asked for again", async () => {
      const { body } = await fetchOver(
        [
          { afterBytes: 0, kind: "reset" },
          { afterBytes: 0, kind: "reset" },
          { afterBytes: 100, kind: "reset" },
        ],
        "s3://models/versions/",
      );
      expect(body).toEqual(MODEL);
    });
  });
});
