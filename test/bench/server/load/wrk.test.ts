// What wrk is told and what it prints.

import { expect, test } from "vitest";
import { luaScript, parseWrkOutput } from "./wrk.ts";

const seen = {
  requests: 3000,
  microseconds: 2_000_000,
  connect: 0,
  read: 0,
  write: 0,
  status: 0,
  timeout: 0,
  p50: 1500,
  p99: 4000,
};

function output(changes: Partial<typeof seen>): string {
  return `Running 2s test @ http://127.0.0.1:1/\n  3000 requests in 2.00s\nseen ${JSON.stringify({ ...seen, ...changes })}\ncpu 0.250 0.125\n`;
}

test("answers per second, latencies and the generator's own time", () => {
  expect(parseWrkOutput(output({}))).toEqual({
    answered: 3000,
    rejected: 0,
    perSecond: 1500,
    p50Ms: 1.5,
    p99Ms: 4,
    cpuSeconds: 0.375,
  });
});

test("rejections are not counted as answers", () => {
  expect(parseWrkOutput(output({ status: 1000 }))).toMatchObject({
    answered: 2000,
    rejected: 1000,
    perSecond: 1000,
  });
});

test.each<[string, Partial<typeof seen>, string]>([
  ["connections refused", { connect: 2 }, "2 opening"],
  ["connections that broke", { read: 3 }, "3 reading"],
  ["no answer in time", { timeout: 4 }, "4 without an answer"],
  ["nothing but rejections", { status: 3000 }, "of 3000 requests, 3000 were"],
  ["nothing at all", { requests: 0 }, "of 0 requests"],
])("%s: no figure", (_name, changes, message) => {
  expect(() => parseWrkOutput(output(changes))).toThrow(message);
});

test("an output that is not wrk's is an error", () => {
  expect(() => parseWrkOutput("unable to connect")).toThrow("wrk did not print what it saw: unable to connect");
});

test("header values and paths reach Lua as they are", () => {
  const script = luaScript({ path: "/", headers: { "x-a": 'say "hi"\\\n' }, body: Buffer.alloc(0) }, "/tmp/a b.body");
  expect(script).toContain(String.raw`wrk.headers["x-a"] = "say \034hi\034\092\010"`);
  expect(script).toContain('io.open("/tmp/a b.body", "rb")');
});
