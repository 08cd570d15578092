// Profiles made by hand, and one of a real program.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTool } from "../../cluster/tool.ts";
import { type CpuProfile, timeByOwner } from "./cpu-profile.ts";

function profileOf(places: [functionName: string, url: string, microseconds: number][]): CpuProfile {
  return {
    nodes: places.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } })),
    samples: places.map((_place, id) => id),
    timeDeltas: places.map(([, , microseconds]) => microseconds),
  };
}

test("time goes to whose code it is, over all threads; idle time to nobody", () => {
  const threads = [
    profileOf([
      ["send", "file:///app/node_modules/@grpc/grpc-js/build/src/server.js", 10],
      ["decode", "file:///app/node_modules/protobufjs/src/reader.js", 20],
      ["infer", "file:///app/server-image/models/batcher.ts", 30],
      ["respond", "node:internal/http2/core", 40],
      ["parserOnHeaders", "node:_http_common", 45],
      ["write", "node:internal/streams/writable", 50],
      ["nextTick", "node:internal/process/task_queues", 60],
      ["(garbage collector)", "", 70],
      ["writev", "", 80],
      ["(idle)", "", 1_000_000],
    ]),
    profileOf([["run", "/app/server-image/models/worker.ts", 5]]),
  ];
  expect(Object.fromEntries(timeByOwner(threads))).toEqual({
    grpc_js: 10,
    protobuf: 20,
    server: 35,
    node_http2: 40,
    node_http1: 45,
    node_streams_sockets: 50,
    node_other: 60,
    garbage_collector: 70,
    native: 80,
  });
});

test("what Node writes of a program can be read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cpu-profile-test-"));
  try {
    const work = "let n = 0; for (let i = 0; i < 3e7; i += 1) { n += Math.sqrt(i); } console.log(n)";
    await runTool(process.execPath, ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--eval", work]);
    const [file = ""] = await readdir(folder);
    const times = timeByOwner([JSON.parse(await readFile(join(folder, file), "utf8")) as CpuProfile]);
    expect([...times.values()].reduce((sum, time) => sum + time, 0)).toBeGreaterThan(1000);
  } finally {
    await rm(folder, { recursive: true });
  }
});
