// Bodies that are hostile, to the program as a process: each is refused or answered, and hurts nobody else.

import { deflateSync, gzipSync } from "node:zlib";

import { afterAll, beforeAll, describe, test, vi } from "vitest";

import {
  expectAlive,
  expectAnswer,
  expectUnharmed,
  type HostileRow,
  MAX_BODY_BYTES,
  post,
  postInChunks,
  startVictim,
  type Victim,
} from "./test-hostile.ts";
import { killPrograms } from "./test-program.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const INFER = { path: "/v2/models/m/infer" };
const PREDICT = { path: "/v1/models/m:predict" };
const POST = "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n";

const ROW = { name: "x", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] };
const v2 = (input: object, rest: object = {}) => JSON.stringify({ inputs: [{ ...ROW, ...input }], ...rest });
const raw = (input: string) => `{"inputs":[{"name":"x","datatype":"FP32",${input}}]}`;
const head = (size: number) => v2({ data: undefined, parameters: { binary_data_size: size } });
const binary = (json: string, length: string | number, bytes: number) =>
  post(
    { ...INFER, headers: { "inference-header-content-length": length } },
    Buffer.concat([Buffer.from(json), Buffer.alloc(bytes, 0xff)]),
  );
const bomb = gzipSync(Buffer.alloc(20 * MAX_BODY_BYTES));

const INFERENCES: HostileRow[] = [
  ["an ordinary request", 200, post(INFER, v2({}))],
  ["no body", 400, post(INFER, "")],
  ["lists, 250,000 deep", 400, post(INFER, "[".repeat(250_000))],
  ["objects, 250,000 deep", 400, post(INFER, '{"a":'.repeat(250_000))],
  ["data, 250,000 deep", 400, post(INFER, raw(`"shape":[1,3],"data":${"[".repeat(250_000)}1${"]".repeat(250_000)}`))],
  ["2 million empty lists", 400, post(INFER, `{"a":[${"[],".repeat(2_000_000)}[]]}`)],
  ["2 million fields", 400, post(INFER, `{${'"a":1,'.repeat(1_000_000)}"a":1}`)],
  ["NaN and infinities", 200, post(INFER, raw('"shape":[1,3],"data":[NaN,Infinity,-Infinity]'))],
  ["NaN for a size", 400, post(INFER, raw('"shape":[NaN,3],"data":[1,2,3]'))],
  ["binary NaN", 200, binary(head(12), head(12).length, 12)],
  ["less data than the shape says", 400, post(INFER, v2({ shape: [2, 3] }))],
  ["a shape beyond integers", 400, post(INFER, v2({ shape: [2 ** 60, 2 ** 60] }))],
  ["a shape whose product overflows to little", 400, post(INFER, raw('"shape":[4294967296,4294967296],"data":[]'))],
  ["a negative size", 400, post(INFER, v2({ shape: [-1, -3] }))],
  ["a thousand dimensions", 400, post(INFER, v2({ shape: Array.from({ length: 1000 }).fill(1) }))],
  ["numbers beyond floats", 400, post(INFER, raw('"shape":[1,3],"data":[1e999,2,3]'))],
  ["a number of a million digits", 400, post(INFER, raw(`"shape":[1,3],"data":[${"9".repeat(1_000_000)},2,3]`))],
  ["objects for numbers", 400, post(INFER, raw('"shape":[1,3],"data":[{"valueOf":1},{"toString":2},3]'))],
  ["an object that looks like a list", 400, post(INFER, raw('"shape":[1,3],"data":{"0":1,"length":3}'))],
  ["no UTF-8", 400, post(INFER, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x22, 0x7d]))],
  ["UTF-16", 400, post(INFER, Buffer.from(v2({}), "utf16le"))],
  ["halves of characters", 200, post(INFER, `{"id":"\\ud800",${v2({}).slice(1)}`)],
  [
    "names of an object's prototype",
    400,
    post(INFER, `{"inputs":[${v2({}).slice(11, -2).replace('"x"', '"__proto__"')}]}`),
  ],
  ["a prototype for the request", 400, post(INFER, '{"__proto__":{"inputs":[]},"constructor":{"prototype":{}}}')],
  [
    "a prototype for the parameters",
    200,
    post(INFER, `{"parameters":{"__proto__":{"priority":-1}},${v2({}).slice(1)}`),
  ],
  ["an id of a million characters", 200, post(INFER, v2({}, { id: "a".repeat(1_000_000) }))],
  ["10,000 inputs", 400, post(INFER, JSON.stringify({ inputs: Array.from({ length: 10_000 }, () => ROW) }))],
  ["10,000 outputs", 400, post(INFER, v2({}, { outputs: Array.from({ length: 10_000 }, () => ({ name: "y" })) }))],
  ["a name of a million characters", 400, post(INFER, v2({ name: "a".repeat(1_000_000) }))],
  ["shared memory", 501, post(INFER, v2({ data: undefined, parameters: { shared_memory_region: "/etc" } }))],
  ["a length of the header beyond the body", 400, binary(head(12), "99999999999", 12)],
  ["a negative one", 400, binary(head(12), "-1", 12)],
  ["two of them", 400, binary(head(12), `${head(12).length}, 5`, 12)],
  ["one that ends in the middle of the JSON", 400, binary(head(12), 10, 12)],
  ["binary data cut off", 400, binary(head(12), head(12).length, 5)],
  ["a size of binary data beyond integers", 400, binary(head(2 ** 60), head(2 ** 60).length, 12)],
  ["a negative size of binary data", 400, binary(head(-12), head(-12).length, 12)],
  ["part of a raw row", 400, binary("", 0, 7)],
  ["chunks of 6 bytes", 200, postInChunks(INFER, v2({}) + " ".repeat(300_000), 6)],
  ["chunks of 1 byte", 200, postInChunks(INFER, v2({}) + " ".repeat(300_000), 1)],
  [
    "chunks without end",
    413,
    `${POST}Transfer-Encoding: chunked\r\n\r\n`,
    ...Array.from({ length: 200 }, () => `10000\r\n${" ".repeat(65_536)}\r\n`),
  ],
  ["a bomb of gzip", 413, post({ ...INFER, headers: { "content-encoding": "gzip" } }, bomb)],
  [
    "a bomb of deflate",
    413,
    post({ ...INFER, headers: { "content-encoding": "deflate" } }, deflateSync(Buffer.alloc(20 * MAX_BODY_BYTES))),
  ],
  ["a bomb in a bomb", 415, post({ ...INFER, headers: { "content-encoding": "gzip, gzip" } }, gzipSync(bomb))],
  ["no gzip", 400, post({ ...INFER, headers: { "content-encoding": "gzip" } }, v2({}))],
  [
    "an answer that is not to be compressed with anything known",
    200,
    post({ ...INFER, headers: { "accept-encoding": `${"x,".repeat(5000)}*;q=0` } }, v2({})),
  ],
];

const PREDICTIONS: HostileRow[] = [
  ["an ordinary request", 200, post(PREDICT, '{"instances":[[1,2,3]]}')],
  ["no body", 400, post(PREDICT, "")],
  ["lists, 250,000 deep", 400, post(PREDICT, "[".repeat(250_000))],
  ["instances, 250,000 deep", 400, post(PREDICT, `{"instances":${"[".repeat(250_000)}1${"]".repeat(250_000)}}`)],
  ["2 million empty lists", 400, post(PREDICT, `{"instances":[${"[],".repeat(2_000_000)}[]]}`)],
  ["NaN and infinities", 200, post(PREDICT, '{"instances":[[NaN,Infinity,-Infinity]]}')],
  ["ragged rows", 400, post(PREDICT, '{"instances":[[1,2,3],[4]]}')],
  ["rows of the wrong length", 400, post(PREDICT, '{"instances":[[1,2,3,4]]}')],
  ["numbers beyond floats", 400, post(PREDICT, '{"instances":[[1e999,2,3]]}')],
  ["no UTF-8", 400, post(PREDICT, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x22, 0x7d]))],
  ["a column named like a prototype", 400, post(PREDICT, '{"inputs":{"__proto__":[[1,2,3]]}}')],
  ["a row named like a prototype", 400, post(PREDICT, '{"instances":[{"__proto__":[1,2,3]}]}')],
  ["a prototype for the request", 400, post(PREDICT, '{"__proto__":{"instances":[[1,2,3]]}}')],
  ["rows and columns", 400, post(PREDICT, '{"instances":[[1,2,3]],"inputs":[[1,2,3]]}')],
  ["base64 for numbers", 400, post(PREDICT, '{"instances":[{"b64":"AAAA"}]}')],
  ["an unknown signature", 400, post(PREDICT, '{"signature_name":"../../etc","instances":[[1,2,3]]}')],
  ["100,000 rows", 200, post(PREDICT, `{"instances":[${"[1,2,3],".repeat(100_000)}[1,2,3]]}`)],
  ["a length of 10 GiB", 413, "POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10737418240\r\n\r\n"],
  ["a bomb of gzip", 413, post({ ...PREDICT, headers: { "content-encoding": "gzip" } }, bomb)],
  ["chunks of 6 bytes", 200, postInChunks(PREDICT, `{"instances":[[1,2,3]]}${" ".repeat(300_000)}`, 6)],
];

const text = (shape: number[], bytes: Buffer) => {
  const json = JSON.stringify({
    inputs: [{ name: "x", shape, datatype: "BYTES", parameters: { binary_data_size: bytes.length } }],
  });
  return post(
    { ...INFER, headers: { "inference-header-content-length": json.length } },
    Buffer.concat([Buffer.from(json), bytes]),
  );
};

const TEXTS: HostileRow[] = [
  ["an ordinary request", 200, text([1], Buffer.from("\u0001\0\0\0a", "latin1"))],
  ["no length", 400, text([1], Buffer.alloc(0))],
  ["part of a length", 400, text([1], Buffer.from("\u0001\0", "latin1"))],
  ["a length beyond the data", 400, text([1], Buffer.from("\u0009\0\0\0a", "latin1"))],
  ["a length of 4 GiB", 400, text([1], Buffer.from("\u00ff\u00ff\u00ff\u00ffa", "latin1"))],
  ["more texts than the shape says", 400, text([1], Buffer.from("\u0001\0\0\0a\u0001\0\0\0a", "latin1"))],
  ["fewer texts than the shape says", 400, text([2 ** 40], Buffer.from("\u0001\0\0\0a", "latin1"))],
  ["no UTF-8", 400, text([1], Buffer.from("\u0002\0\0\0\u00c3\u0028", "latin1"))],
  ["a NUL", 400, text([1], Buffer.from("\u0001\0\0\0\0", "latin1"))],
  ["a million empty texts", 200, text([1_000_000], Buffer.alloc(4_000_000))],
];

const TABLES: [string, HostileRow[]][] = [
  ["the Open Inference Protocol", INFERENCES],
  ["TensorFlow Serving's predict", PREDICTIONS],
];

/** How requests get to the model: both ways to the same answers. */
const SERVERS: [string, string[]][] = [
  ["two I/O threads in front of a worker", ["--io-threads", "2"]],
  ["what calibration finds", ["--calibration-seconds", "0.5"]],
];

describe.each(SERVERS)("%s", (_name, argv) => {
  let victim: Victim;

  beforeAll(async () => {
    victim = await startVictim("identity-rows", ...argv);
  });

  afterAll(() => killPrograms());

  describe.each(TABLES)("%s", (_table, rows) => {
    test.each(rows)("%s", async (...row) => {
      await expectAnswer(victim, row);
      await expectAlive(victim);
    });
  });

  test("afterwards all is as before", async () => {
    await expectUnharmed(victim, "identity-rows");
  });
});

describe("a model of texts", () => {
  let victim: Victim;

  beforeAll(async () => {
    victim = await startVictim("identity-bytes", "--io-threads", "1");
  });

  afterAll(() => killPrograms());

  test.each(TEXTS)("%s", async (...row) => {
    await expectAnswer(victim, row);
    await expectAlive(victim);
  });

  test("afterwards all is as before", async () => {
    await expectUnharmed(victim, "identity-bytes");
  });
});
