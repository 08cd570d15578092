// What an open loop counts, by a handful of requests.

import { expect, test } from "vitest";
import { OpenLoopTally } from "./open-loop-tally.ts";

test("latencies count from when a request was due, and a late answer is an answer, but not in time", () => {
  const tally = new OpenLoopTally(1);
  const requests = [
    { due: 0, sent: 0.125, status: 200, at: 0.5 },
    { due: 1, sent: 1, status: 200, at: 2.5 },
    { due: 2, sent: 2.25, status: 503, at: 2.5 },
    { due: 3, sent: 3, status: 500, at: 3.5 },
  ];
  for (const request of requests) {
    tally.sent(request);
  }
  expect(tally.open).toBe(4);
  for (const request of requests) {
    tally.ended(request, request.status, request.at);
  }
  expect(tally.open).toBe(0);
  expect(tally.report()).toEqual({
    sent: 4,
    answered: 2,
    answeredInTime: 1,
    rejected: 1,
    lost: 1,
    lossReasons: { "status 500": 1 },
    p50Ms: 500,
    p99Ms: 1500,
    rejectP99Ms: 500,
    rejectFromSendP99Ms: 250,
    sendDelayP99Ms: 250,
  });
});

test("what never happened has no latency, which is not 0", () => {
  const tally = new OpenLoopTally(1);
  tally.sent({ due: 0, sent: 0 });
  tally.lost("no answer in 5 s");
  const report = tally.report();
  expect(report).toMatchObject({ sent: 1, answered: 0, lost: 1, lossReasons: { "no answer in 5 s": 1 } });
  expect(report).not.toHaveProperty("p99Ms");
  expect(report).not.toHaveProperty("rejectP99Ms");
});
