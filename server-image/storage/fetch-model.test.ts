// Storage URIs of every scheme in real folders: what is found, and that nothing outside a claim can be reached.

import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { recordingLog } from "../test-server.ts";
import { fetchModel } from "./fetch-model.ts";
import type { FetchedModel } from "./model-file.ts";

let root: string;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), "plimsoll-storage-test-"));
  const files = [
    "claims/models/digits/model.onnx",
    "claims/models/single/anything.onnx",
    "claims/models/single/labels.txt",
    "claims/models/both/model.onnx",
    "claims/models/both/other.onnx",
    "claims/models/versions/2/model.onnx",
    "claims/models/versions/10/model.onnx",
    "claims/models/versions/10/config.txt",
    "claims/models/ambiguous/a.onnx",
    "claims/models/ambiguous/b.onnx",
    "claims/models/..data/model.onnx",
    "secret/model.onnx",
  ];
  for (const file of files) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), file);
  }
  await mkdir(path.join(root, "claims/models/empty"));
  await symlink("..data", path.join(root, "claims/models/current"));
  await symlink("../../secret", path.join(root, "claims/models/escape"));
  await symlink("/", path.join(root, "claims/models/absolute"));
  await mkdir(path.join(root, "claims/models/inner"));
  await symlink("../../../secret/model.onnx", path.join(root, "claims/models/inner/model.onnx"));
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

function fetchFrom(storageUri: string): Promise<FetchedModel> {
  return fetchModel(storageUri.replace("ROOT", root), {
    modelDirectory: path.join(root, "downloads"),
    pvcRoot: path.join(root, "claims"),
    limits: { totalTimeoutMs: 1000, stallTimeoutMs: 1000, firstWaitMs: 1, maxBytes: 1000 },
    signal: new AbortController().signal,
    random: () => 0,
    log: recordingLog().log,
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
    [
      "a link out of the claim",
      "pvc://models/escape",
      "INVALID_STORAGE_URI",
      /a symbolic link leads out of the volume/,
    ],
    ["a link to the root", "pvc://models/absolute/etc/passwd", "INVALID_STORAGE_URI", /leads out of the volume/],
    ["a file that is a link out", "pvc://models/inner", "INVALID_STORAGE_URI", /leads out of the volume/],
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
      /"ftp" is not supported; give http:\/\/HOST\/PATH/,
    ],
    ["no host", "http://", "INVALID_STORAGE_URI", /no valid address; give http:\/\/HOST\/PATH/],
  ];
  test.each(cases)("%s", async (_name, storageUri, code, message) => {
    const failing = fetchFrom(storageUri);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code, phase: "download" });
  });
});
