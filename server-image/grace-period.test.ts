// How the time after SIGTERM is shared out, by flags as people give them.

import { expect, test } from "vitest";

import { lastMomentMs, patienceMs } from "./grace-period.ts";

const CASES: [string, { drainDelaySeconds: number; gracePeriodSeconds: number }, object][] = [
  ["the defaults", { drainDelaySeconds: 5, gracePeriodSeconds: 30 }, { last: 29_000, patience: 12_000 }],
  ["no drain delay", { drainDelaySeconds: 0, gracePeriodSeconds: 30 }, { last: 29_000, patience: 14_500 }],
  [
    "a drain delay that leaves nothing",
    { drainDelaySeconds: 30, gracePeriodSeconds: 30 },
    { last: 29_000, patience: 0 },
  ],
  ["a very short grace period", { drainDelaySeconds: 0, gracePeriodSeconds: 0.5 }, { last: 0, patience: 0 }],
];

test.each(CASES)("%s", (_name, config, expected) => {
  expect({ last: lastMomentMs(config), patience: patienceMs(config) }).toEqual(expected);
});
