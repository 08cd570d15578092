// Archives made by others' programs, and hostile ones: what is unpacked, what is refused, and that nothing is left.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";

import { type Header, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { FetchedModel } from "./model-file.ts";
import type { StorageConfig } from "./options.ts";
import { testFetch } from "./testing/fetch.ts";
import { startHttpServer } from "./testing/http-server.ts";
import { modelOfSize, modelWithExternalData } from "./testing/onnx.ts";
import { zipOf } from "./testing/zip.ts";

vi.setConfig({ testTimeout: 30_000 });

const MODEL = modelOfSize(1000);
const MEBIBYTE = 1024 ** 2;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-archive-test-"));
  await mkdir(path.join(folder, "outside"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

type TarEntry = Partial<Header> & Pick<Header, "name"> & { content?: Buffer | string };

async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of entries) {
    tar.entry(header, content);
  }
  tar.finalize();
  return Buffer.concat((await Array.fromAsync(tar)) as Buffer[]);
}

/** Fetches the archive as a local file; models go to the folder "unpacked". */
async function unpackFile(archive: Buffer, name: string, config: Partial<StorageConfig> = {}): Promise<FetchedModel> {
  const file = path.join(folder, name);
  await writeFile(file, archive);
  return testFetch({ config: { storageUri: file, modelDirectory: path.join(folder, "unpacked"), ...config } });
}

async function unpacked(): Promise<string[]> {
  return (await readdir(path.join(folder, "unpacked"), { recursive: true })).toSorted();
}

describe("made by others' programs", () => {
  const MAKERS: readonly [name: string, program: string, args: string[]][] = [
    ["model.tar", "tar", ["-cf", "model.tar"]],
    ["model.tar.gz", "tar", ["-czf", "model.tar.gz"]],
    ["model.tgz", "tar", ["-czf", "model.tgz", "--format=pax"]],
    ["no-suffix", "tar", ["-cf", "no-suffix", "--format=gnu"]],
    ["model.zip", "zip", ["-qr", "model.zip"]],
    ["links.zip", "zip", ["-qry", "links.zip"]],
  ];
  const long = `${"folder/".repeat(20)}${"x".repeat(120)}.bin`;

  beforeEach(async () => {
    for (const file of ["3/model.onnx", "3/weights/a.bin", "2/model.onnx", `3/${long}`]) {
      await mkdir(path.dirname(path.join(folder, "source", file)), { recursive: true });
      await writeFile(path.join(folder, "source", file), file.endsWith("model.onnx") ? MODEL : file);
    }
    execFileSync("ln", ["-s", "../2/model.onnx", "3/link.onnx.old"], { cwd: path.join(folder, "source") });
    execFileSync("ln", ["3/model.onnx", "3/hard.old"], { cwd: path.join(folder, "source") });
  });

  test.each(MAKERS)("%s", async (name, program, args) => {
    execFileSync(program, [...args, "2", "3"], { cwd: path.join(folder, "source") });
    const archive = await readFile(path.join(folder, "source", name));
    const model = await unpackFile(archive, name);
    expect(model).toMatchObject({ path: path.join(folder, "unpacked/plimsoll-model/3/model.onnx"), version: "3" });
    const read = (file: string) => readFile(path.join(folder, "unpacked/plimsoll-model/3", file));
    expect(await read("model.onnx")).toEqual(MODEL);
    expect(await read("hard.old")).toEqual(MODEL);
    expect(await read("link.onnx.old")).toEqual(MODEL);
    expect((await read(long)).toString()).toBe(`3/${long}`);
    expect((await readdir(path.join(folder, "unpacked"))).toSorted()).toEqual(["plimsoll-model"]);
  });

  test("over HTTP, with a checksum and external data", async () => {
    await writeFile(path.join(folder, "source/2/model.onnx"), modelWithExternalData("weights.bin"));
    await writeFile(path.join(folder, "source/2/weights.bin"), "weights");
    execFileSync("tar", ["-czf", "model.tgz", "-C", "2", "."], { cwd: path.join(folder, "source") });
    const archive = await readFile(path.join(folder, "source/model.tgz"));
    const [sha256] = execFileSync("sha256sum", ["model.tgz"], { cwd: path.join(folder, "source") })
      .toString()
      .split(" ");
    const server = await startHttpServer((_request, response) => response.end(archive));
    const model = await testFetch({
      config: {
        storageUri: `${server.origin}/anything?x=1`,
        modelDirectory: path.join(folder, "unpacked"),
        storageSha256: sha256,
      },
    });
    await server.stop();
    expect(await readFile(path.join(path.dirname(model.path), "weights.bin"), "utf8")).toBe("weights");
    expect(await unpacked()).toEqual(["plimsoll-model", "plimsoll-model/model.onnx", "plimsoll-model/weights.bin"]);
  });
});

interface Hostile {
  tar?: readonly TarEntry[];
  zip?: Buffer;
  code: string;
  message: RegExp;
  config?: Partial<StorageConfig>;
}

const good = { name: "model.onnx", content: MODEL };
const link = (name: string, linkname: string): TarEntry => ({ name, linkname, type: "symlink" });
const LINK = 0o120777;

const HOSTILE: Record<string, Hostile> = {
  "tar: ..": { tar: [good, { name: "../outside/x" }], code: "UNSAFE_PATH", message: /leads out, "..\/outside\/x"/ },
  "tar: .. within": {
    tar: [good, { name: "a/../../outside/x" }],
    code: "UNSAFE_PATH",
    message: /a name that leads out/,
  },
  "tar: a name as long as it likes": {
    tar: [good, { name: `../${"x".repeat(100_000)}` }],
    code: "UNSAFE_PATH",
    message: /^.{1,100}: the archive holds a name that leads out, "..\/x{197}..."; everything must stay/,
  },
  "tar: an absolute path": { tar: [good, { name: "/etc/x" }], code: "UNSAFE_PATH", message: /"\/etc\/x"/ },
  "tar: a backslash": { tar: [good, { name: "..\\x" }], code: "UNSAFE_PATH", message: /a name that leads out/ },
  "tar: a drive": { tar: [good, { name: "C:/x" }], code: "UNSAFE_PATH", message: /a name that leads out/ },
  "tar: a symbolic link out": {
    tar: [good, link("a", "../outside")],
    code: "UNSAFE_PATH",
    message: /a link that leads out, "a" to "..\/outside"/,
  },
  "tar: an absolute symbolic link": {
    tar: [good, link("a", "/etc/passwd")],
    code: "UNSAFE_PATH",
    message: /leads out/,
  },
  "tar: a file through a symbolic link": {
    tar: [good, link("a", "../outside"), { name: "a/x" }],
    code: "UNSAFE_PATH",
    message: /a link that leads out/,
  },
  "tar: a file through a link within": {
    tar: [good, link("a", "b"), { name: "a/x", content: "x" }],
    code: "ARCHIVE_INVALID",
    message: /the link "a" leads to no file of the archive/,
  },
  "tar: a link through a link": {
    tar: [good, { name: "d/e/x" }, link("d/up", "."), link("out", "d/up/../../outside")],
    code: "ARCHIVE_INVALID",
    message: /the link "d\/up" leads to no file of the archive/,
  },
  "tar: a hard link out": {
    tar: [good, { name: "a", linkname: "../outside/x", type: "link" }],
    code: "UNSAFE_PATH",
    message: /a link that leads out/,
  },
  "tar: a hard link to an absolute path": {
    tar: [good, { name: "a", linkname: "/etc/passwd", type: "link" }],
    code: "UNSAFE_PATH",
    message: /a link that leads out/,
  },
  "tar: a link to nothing": { tar: [good, link("a", "nothing")], code: "ARCHIVE_INVALID", message: /leads to no file/ },
  "tar: links in a circle": {
    tar: [good, link("a", "b"), link("b", "a")],
    code: "ARCHIVE_INVALID",
    message: /leads to no file/,
  },
  "tar: a character device": {
    tar: [good, { name: "null", type: "character-device", devmajor: 1, devminor: 3 }],
    code: "UNSAFE_PATH",
    message: /holds a character-device, "null"/,
  },
  "tar: a block device": { tar: [{ name: "sda", type: "block-device" }], code: "UNSAFE_PATH", message: /block-device/ },
  "tar: a pipe": { tar: [good, { name: "pipe", type: "fifo" }], code: "UNSAFE_PATH", message: /holds a fifo, "pipe"/ },
  "tar: one name twice": { tar: [good, good], code: "UNSAFE_PATH", message: /two files claim the name "model.onnx"/ },
  "tar: a file that is a folder": {
    tar: [good, { name: "model.onnx/x", content: "x" }],
    code: "UNSAFE_PATH",
    message: /two files claim the name "model.onnx"/,
  },
  "tar: more bytes than allowed": {
    tar: [good, { name: "big", content: Buffer.alloc(MEBIBYTE) }],
    code: "MODEL_TOO_LARGE",
    message: /unpacks to more than 100000 bytes \(--max-model-bytes\)/,
    config: { maxModelBytes: 100_000 },
  },
  "tar: more files than allowed": {
    tar: [good, ...Array.from({ length: 50 }, (_, index) => ({ name: `${index}` }))],
    code: "MODEL_TOO_LARGE",
    message: /unpacks to more than 50 files and folders \(--max-model-files\)/,
  },
  "tar: more folders than allowed": {
    tar: [good, ...Array.from({ length: 50 }, (_, index): TarEntry => ({ name: `${index}`, type: "directory" }))],
    code: "MODEL_TOO_LARGE",
    message: /--max-model-files/,
  },
  "tar: no model in it": { tar: [{ name: "readme.txt" }], code: "MODEL_NOT_FOUND", message: /it holds readme.txt/ },
  "tar: external data outside": {
    tar: [
      { name: "1/model.onnx", content: modelWithExternalData("../x") },
      { name: "x", content: "x" },
    ],
    code: "UNSAFE_PATH",
    message: /its external data is at "..\/x"/,
  },
  "zip: ..": { zip: zipOf([good, { name: "../outside/x" }]), code: "UNSAFE_PATH", message: /"..\/outside\/x"/ },
  "zip: .. with backslashes": { zip: zipOf([good, { name: "..\\x" }]), code: "UNSAFE_PATH", message: /"..\/x"/ },
  "zip: an absolute path": { zip: zipOf([good, { name: "/etc/x" }]), code: "UNSAFE_PATH", message: /"\/etc\/x"/ },
  "zip: a symbolic link out": {
    zip: zipOf([good, { name: "a", content: "../../outside", mode: LINK }]),
    code: "UNSAFE_PATH",
    message: /a link that leads out, "a" to "..\/..\/outside"/,
  },
  "zip: a device": {
    zip: zipOf([good, { name: "null", mode: 0o020666 }]),
    code: "UNSAFE_PATH",
    message: /holds a device or pipe, "null"/,
  },
  "zip: a name that is no UTF-8": {
    zip: zipOf([{ name: Buffer.from([0x61, 0xff]), content: "x" }]),
    code: "ARCHIVE_INVALID",
    message: /damaged or of an unknown kind/,
  },
  "zip: a wrong checksum": {
    zip: zipOf([{ ...good, claimedChecksum: 1 }]),
    code: "ARCHIVE_INVALID",
    message: /the checksum of "model.onnx" is wrong/,
  },
  "zip: more in it than it says": {
    zip: zipOf([{ ...good, claimedSize: 10 }]),
    code: "ARCHIVE_INVALID",
    message: /damaged or of an unknown kind/,
  },
  "zip: encrypted": {
    zip: zipOf([{ ...good, flags: 1 }]),
    code: "ARCHIVE_INVALID",
    message: /"model.onnx" is encrypted/,
  },
  "zip: another compression": {
    zip: zipOf([{ ...good, method: 12 }]),
    code: "ARCHIVE_INVALID",
    message: /compressed with another method than deflate/,
  },
  "zip: more bytes than allowed": {
    zip: zipOf([good, { name: "big", content: Buffer.alloc(MEBIBYTE) }]),
    code: "MODEL_TOO_LARGE",
    message: /more than 100000 bytes/,
    config: { maxModelBytes: 100_000 },
  },
  "zip: more files than allowed": {
    zip: zipOf([good, ...Array.from({ length: 50 }, (_, index) => ({ name: `${index}` }))]),
    code: "MODEL_TOO_LARGE",
    message: /--max-model-files/,
  },
  "zip: an endless link": {
    zip: zipOf([{ name: "a", content: Buffer.alloc(5000, "x"), mode: LINK }]),
    code: "ARCHIVE_INVALID",
    message: /the link "a" is too long/,
  },
};

describe("refused, and nothing is left", () => {
  test.each(Object.entries(HOSTILE))("%s", async (_name, { tar, zip, code, message, config }) => {
    const failing = unpackFile(zip ?? (await tarOf(tar ?? [])), "hostile", config);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toMatchObject({ code });
    await expect(failing).rejects.not.toThrow("unpacked");
    expect(await unpacked()).toEqual([]);
    expect(await readdir(path.join(folder, "outside"))).toEqual([]);
  });

  const bomb = Buffer.alloc(20 * MEBIBYTE);
  test.each([
    ["tar.gz", async () => gzipSync(await tarOf([good, { name: "zeros", content: bomb }]))],
    ["zip", async () => zipOf([good, { name: "zeros", content: bomb }])],
  ])("%s: a bomb, far larger than itself", async (_name, make) => {
    const failing = unpackFile(await make(), "bomb", { maxModelBytes: 1024 ** 3 });
    await expect(failing).rejects.toThrow(/unpacks to more than 100 times its own size \(--max-expansion-ratio\)/);
    await expect(failing).rejects.toMatchObject({ code: "MODEL_TOO_LARGE" });
    expect(await unpacked()).toEqual([]);
  });

  test("the same is no bomb where the ratio is allowed", async () => {
    const archive = gzipSync(await tarOf([good, { name: "zeros", content: bomb }]));
    const model = await unpackFile(archive, "large", { maxModelBytes: 1024 ** 3, maxExpansionRatio: 2000 });
    expect(await readFile(model.path)).toEqual(MODEL);
  });
});

describe("damaged", () => {
  test.each([
    ["a tar cut off", async () => (await tarOf([good])).subarray(0, 1000), "model.tar"],
    ["a tar.gz cut off", async () => gzipSync(await tarOf([good])).subarray(0, 100), "model.tar.gz"],
    ["gzip of something else", async () => gzipSync("hello"), "model.tar.gz"],
    ["a zip cut off", async () => zipOf([good]).subarray(0, 100), "model.zip"],
    ["a page of HTML called .zip", async () => Buffer.from("<html>"), "model.zip"],
    ["a page of HTML called .tgz", async () => Buffer.from("<html>"), "model.tgz"],
    ["a page of HTML called .tar", async () => Buffer.alloc(1024, "<html>"), "model.tar"],
  ])("%s", async (_name, make, name) => {
    const failing = unpackFile(await make(), name);
    await expect(failing).rejects.toThrow(/the archive is damaged or of an unknown kind: /);
    await expect(failing).rejects.toMatchObject({ code: "ARCHIVE_INVALID" });
    expect(await unpacked()).toEqual([]);
  });
});
