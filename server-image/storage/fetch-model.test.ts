// Storage URIs of every scheme in real folders: what is found, and that nothing outside a claim can be reached.

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { testFetch } from "./testing/fetch.ts";
import { modelOfSize, modelWithExternalData } from "./testing/onnx.ts";
import { zipOf } from "./testing/zip.ts";

const MODEL = modelOfSize(100);
let root: string;

beforeAll(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), "plimsoll-storage-test-")));
  const files: Record<string, Buffer | string> = {
    "claims/models/digits/model.onnx": MODEL,
    "claims/models/single/anything.onnx": MODEL,
    "claims/models/single/labels.txt": "a b c",
    "claims/models/both/model.onnx": MODEL,
    "claims/models/both/other.onnx": MODEL,
    "claims/models/versions/2/model.onnx": MODEL,
    "claims/models/versions/10/model.onnx": MODEL,
    "claims/models/versions/10/config.txt": "a",
    "claims/models/ambiguous/a.onnx": MODEL,
    "claims/models/ambiguous/b.onnx": MODEL,
    "claims/models/..data/model.onnx": MODEL,
    "claims/models/weights/model.onnx": modelWithExternalData("weights.bin"),
    "claims/models/weights/weights.bin": "weights",
    "claims/models/outside/model.onnx": modelWithExternalData("../weights/weights.bin"),
    "claims/models/linked/model.onnx": modelWithExternalData("weights.bin"),
    "claims/models/text.onnx": "no model",
    "claims/models/empty.onnx": "",
    "claims/models/7.zip": zipOf([{ name: "7/model.onnx", content: MODEL }]),
    "images/flat/model.onnx": MODEL,
    "images/folder/models/4/model.onnx": MODEL,
    "images/folder/etc/os-release": "a",
    "images/escape/other": "a",
    "secret/model.onnx": MODEL,
  };
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), content);
  }
  await mkdir(path.join(root, "claims/models/empty"));
  await mkdir(path.join(root, "images/empty"));
  await symlink("..data", path.join(root, "claims/models/current"));
  await symlink("../../secret", path.join(root, "claims/models/escape"));
  await symlink("/", path.join(root, "claims/models/absolute"));
  await mkdir(path.join(root, "claims/models/inner"));
  await symlink("../../../secret/model.onnx", path.join(root, "claims/models/inner/model.onnx"));
  await symlink("../../../secret/model.onnx", path.join(root, "claims/models/linked/weights.bin"));
  await symlink("../../secret", path.join(root, "images/escape/models"));
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

function fetchFrom(storageUri: string, config: Partial<StorageConfig> = {}): Promise<FetchedModel> {
  return testFetch({
    config: {
      storageUri: storageUri.replace("ROOT", root),
      modelDirectory: path.join(root, "downloads"),
      pvcRoot: path.join(root, "claims"),
      ociRoot: path.join(root, "images/flat"),
      ...config,
    },
  });
}

describe("found", () => {
  test.each([
    ["a file on a claim", "pvc://models/digits/model.onnx", "claims/models/digits/model.onnx", "1"],
    ["a folder with model.onnx", "pvc://models/digits", "claims/models/digits/model.onnx", "1"],
    ["a folder, with a slash", "pvc://models/digits/", "claims/models/digits/model.onnx", "1"],
    ["the only .onnx file of a folder", "pvc://models/single", "claims/models/single/anything.onnx", "1"],
    ["model.onnx beside another", "pvc://models/both", "claims/models/both/model.onnx", "1"],
    ["the latest version folder, by number", "pvc://models/versions", "claims/models/versions/10/model.onnx", "10"],
    ["a symbolic link within the claim", "pvc://models/current", "claims/models/..data/model.onnx", "1"],
    ["a model with external data", "pvc://models/weights", "claims/models/weights/model.onnx", "1"],
    ["an image", "oci://registry.example.com/team/model:7", "images/flat/model.onnx", "1"],
    ["an image by digest", `oci://localhost:5000/m@sha256:${"a".repeat(64)}`, "images/flat/model.onnx", "1"],
    ["a local file", "ROOT/secret/model.onnx", "secret/model.onnx", "1"],
    ["a local folder", "ROOT/secret", "secret/model.onnx", "1"],
    ["a file address", "file://ROOT/secret/model.onnx", "secret/model.onnx", "1"],
  ])("%s", async (_name, storageUri, file, version) => {
    expect(await fetchFrom(storageUri)).toEqual({ path: path.join(root, file), version });
  });

  test("a relative local path", async () => {
    const relative = path.relative(process.cwd(), path.join(root, "secret/model.onnx"));
    expect((await fetchFrom(relative)).path).toBe(path.join(root, "secret/model.onnx"));
  });
});

describe("refused", () => {
  const cases: [string, string, string, RegExp][] = [
    [
      "a path out of the claim",
      "pvc://models/../../secret/model.onnx",
      "INVALID_STORAGE_URI",
      /must not contain "\.\."/,
    ],
    ["a link out of the claim", "pvc://models/escape", "UNSAFE_PATH", /a symbolic link leads out of the volume/],
    ["a link to the root", "pvc://models/absolute/etc/passwd", "UNSAFE_PATH", /leads out of the volume/],
    [
      "external data outside",
      "pvc://models/outside",
      "UNSAFE_PATH",
      /its external data is at "..\/weights\/weights.bin"/,
    ],
    [
      "external data that is a link out",
      "pvc://models/linked",
      "UNSAFE_PATH",
      /"weights.bin" is a link out of its folder/,
    ],
    ["a file that is a link out", "pvc://models/inner", "UNSAFE_PATH", /leads out of the volume/],
    ["a claim called ..", "pvc://../secret", "INVALID_STORAGE_URI", /give pvc:\/\/CLAIM\/PATH/],
    ["no claim", "pvc:///digits", "INVALID_STORAGE_URI", /give pvc:\/\/CLAIM\/PATH/],
    [
      "a claim that is not mounted",
      "pvc://others/digits",
      "MODEL_NOT_FOUND",
      /claim others, mounted at .*: there is no such/,
    ],
    [
      "nothing there",
      "pvc://models/nothing",
      "MODEL_NOT_FOUND",
      /pvc:\/\/models\/nothing: there is no such file or folder/,
    ],
    ["an empty folder", "pvc://models/empty", "MODEL_NOT_FOUND", /it must hold model.onnx, .*; it holds nothing/],
    ["two models", "pvc://models/ambiguous", "MODEL_NOT_FOUND", /exactly one .onnx file.*it holds a.onnx, b.onnx/],
    ["no local file", "ROOT/nothing.onnx", "MODEL_NOT_FOUND", /there is no such file or folder/],
    [
      "a file address of another host",
      "file://host/model.onnx",
      "INVALID_STORAGE_URI",
      /give file:\/\/\/ABSOLUTE\/PATH/,
    ],
    [
      "an unknown scheme",
      "ftp://host/model.onnx",
      "INVALID_STORAGE_URI",
      /"ftp" is not supported; give https:\/\/HOST\/PATH, http/,
    ],
    ["no host", "http://", "INVALID_STORAGE_URI", /no valid address; give https:\/\/HOST\/PATH/],
    ["no image", "oci://registry.example.com", "INVALID_STORAGE_URI", /give oci:\/\/REGISTRY\/IMAGE/],
    ["an image with ..", "oci://registry.example.com/../x", "INVALID_STORAGE_URI", /give oci:\/\/REGISTRY\/IMAGE/],
    ["a bucket in capitals", "s3://Bucket/m.onnx", "INVALID_STORAGE_URI", /must be s3:\/\/BUCKET\/PATH/],
    ["a bucket with a password", "s3://key:s3cr3t@bucket/m", "INVALID_STORAGE_URI", /^the storage URI must be s3:/],
    ["a key with ..", "s3://bucket/a/../b", "INVALID_STORAGE_URI", /must not contain "\.", "\.\." or empty segments/],
    ["no bucket", "gs:///m.onnx", "INVALID_STORAGE_URI", /must be gs:\/\/BUCKET\/PATH/],
    ["no file in a repository", "hf://owner/repo", "INVALID_STORAGE_URI", /give hf:\/\/OWNER\/REPO\/FILE/],
    ["no owner", "hf://model.onnx", "INVALID_STORAGE_URI", /give hf:\/\/OWNER\/REPO\/FILE/],
    ["a file with ..", "hf://owner/repo/../x", "INVALID_STORAGE_URI", /give hf:\/\/OWNER\/REPO\/FILE/],
    ["a query", "hf://owner/repo/m.onnx?token=s3cr3t", "INVALID_STORAGE_URI", /^hf:\/\/owner\/repo\/m.onnx: give/],
  ];
  test.each(cases)("%s", async (_name, storageUri, code, message) => {
    const failing = fetchFrom(storageUri);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow("s3cr3t");
    await expect(failing).rejects.toMatchObject({ code, phase: "download" });
  });

  test.each([
    ["text", "pvc://models/text.onnx"],
    ["an empty file", "pvc://models/empty.onnx"],
  ])("%s, which is no model", async (_name, storageUri) => {
    await expect(fetchFrom(storageUri)).rejects.toMatchObject({ code: "MODEL_INVALID" });
  });
});

describe("images", () => {
  const IMAGE = "oci://registry.example.com/model";

  test("are looked through in the folder models first", async () => {
    const model = await fetchFrom(IMAGE, { ociRoot: path.join(root, "images/folder") });
    expect(model).toEqual({ path: path.join(root, "images/folder/models/4/model.onnx"), version: "4" });
  });

  const REFUSED: readonly [string, string, string, RegExp][] = [
    [
      "not mounted",
      "images/none",
      "MODEL_NOT_FOUND",
      /the image of oci:.*, mounted at .*: there is no such file or folder/,
    ],
    ["empty", "images/empty", "MODEL_NOT_FOUND", /the image of oci:.* is empty/],
    ["whose folder is a link out", "images/escape", "UNSAFE_PATH", /leads out of the volume/],
  ];
  test.each(REFUSED)("%s are refused", async (_name, ociRoot, code, message) => {
    const failing = fetchFrom(IMAGE, { ociRoot: path.join(root, ociRoot) });
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
  });
});

test("an archive on a claim is unpacked into the model directory", async () => {
  const model = await fetchFrom("pvc://models/7.zip");
  expect(model).toEqual({
    path: path.join(root, "downloads/plimsoll-model/7/model.onnx"),
    version: "7",
    temporaryPath: path.join(root, "downloads/plimsoll-model"),
  });
  expect(await readFile(model.path)).toEqual(MODEL);
  expect(await readdir(path.join(root, "downloads"))).toEqual(["plimsoll-model"]);
});

describe("a checksum", () => {
  const right = createHash("sha256").update(MODEL).digest("hex");
  const wrong = "0".repeat(64);

  test("of a file in place", async () => {
    await expect(fetchFrom("pvc://models/digits/model.onnx", { storageSha256: right })).resolves.toBeDefined();
    const failing = fetchFrom("pvc://models/digits/model.onnx", { storageSha256: wrong });
    await expect(failing).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
  });

  test("of an archive is checked before it is unpacked", async () => {
    const failing = fetchFrom("pvc://models/7.zip", { storageSha256: wrong });
    await expect(failing).rejects.toMatchObject({ code: "CHECKSUM_MISMATCH" });
  });

  test.each([
    ["a folder", "pvc://models/digits"],
    ["a model with external data", "pvc://models/weights/model.onnx"],
  ])("that would not cover %s is refused", async (what, storageUri) => {
    const sha256 = createHash("sha256").update(modelWithExternalData("weights.bin")).digest("hex");
    const failing = fetchFrom(storageUri, { storageSha256: sha256 });
    await expect(failing).rejects.toThrow(
      `${storageUri} is ${what}, but --storage-sha256 is of one file; pack it as an`,
    );
    await expect(failing).rejects.toMatchObject({ code: "INVALID_STORAGE_SETTING" });
  });
});
