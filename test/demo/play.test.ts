// Tests of the play: the generator is told each load in turn, and a generator that dies is no success.

import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Narrator } from "./narrator.ts";
import { play } from "./play.ts";
import type { LoadReport } from "./request-account.ts";
import { type ClusterView, Story } from "./story.ts";

const plot = {
  usualPerSecond: 2,
  risenPerSecond: 20,
  usualSeconds: 2,
  risenSeconds: 3,
  fallLimitSeconds: 9,
  minReplicas: 1,
  neededReplicas: 5,
};
const counts = { sent: 1, answered: 1, rejected: 0, lost: 0 };
const settled: ClusterView = { desiredReplicas: 1, readyReplicas: 1, pods: 1, changes: [] };

/** Plays with a generator that reports once per second of a made-up clock, and ends with its input or after `diesAfter` reports. */
async function rehearse(diesAfter = Number.POSITIVE_INFINITY, signal = new AbortController().signal) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const told: string[] = [];
  const printed: string[] = [];
  const ended: string[] = [];
  let nowMs = 0;
  let ratePerSecond = 0;
  const report = () => {
    const line: LoadReport = {
      ...counts,
      atMs: nowMs,
      ratePerSecond,
      inFlight: 0,
      phase: counts,
      latestSendMs: 0,
      lossReasons: {},
    };
    stdout.write(`${JSON.stringify(line)}\n`);
  };
  stdin.on("data", (chunk: Buffer) => {
    told.push(String(chunk).trim());
    ratePerSecond = Number(chunk);
  });
  stdin.on("end", () => {
    told.push("end");
    report();
    stdout.end();
  });
  let reports = 0;
  const view = async () => {
    nowMs += 1000;
    reports++;
    if (reports >= diesAfter) {
      stdout.end();
    } else {
      setImmediate(report);
    }
    return settled;
  };
  const narrator = new Narrator(
    (text) => printed.push(text),
    () => nowMs,
  );
  report();
  const last = await play({
    generator: { stdin, stdout },
    story: new Story(plot),
    narrator,
    usualPerSecond: 2,
    view,
    onPhaseEnd: async (phase) => void ended.push(phase),
    nowMs: () => nowMs,
    signal,
  });
  return { told, ended, last, printed: printed.join("") };
}

test("the generator is told the usual, the risen and the usual load, then to end; every phase's end is announced", async () => {
  const { told, ended, last, printed } = await rehearse();
  expect(told).toEqual(["2", "20", "2", "end"]);
  expect(ended).toEqual(["usual", "risen", "fallen"]);
  expect(last.answered).toBe(1);
  expect(printed).toMatch(
    /time {3}offered[\s\S]*>> 0:02 the load rises to 20 requests\/s[\s\S]*>> 0:05 the load falls to 2/,
  );
});

test("a generator that ends too early is an error", async () => {
  await expect(rehearse(2)).rejects.toThrow("the load generator ended before the demo did");
});

test("an aborted play stops", async () => {
  await expect(rehearse(9, AbortSignal.abort(new Error("stopped by SIGINT")))).rejects.toThrow("stopped by SIGINT");
});
