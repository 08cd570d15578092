// Tests of how log requests are read.

import { expect, test } from "vitest";
import { readOptions } from "./kubelet-api.ts";

const now = new Date("2026-01-01T00:01:00Z");

test.each([
  ["nothing asked", "", { follow: false, timestamps: false }],
  ["following the last lines", "follow=true&tailLines=10", { follow: true, timestamps: false, tailLines: 10 }],
  ["times and a limit", "timestamps=true&limitBytes=100", { follow: false, timestamps: true, limitBytes: 100 }],
  ["no lines", "tailLines=0", { follow: false, timestamps: false, tailLines: 0 }],
  ["the last 30 seconds", "sinceSeconds=30", { follow: false, timestamps: false, sinceMs: now.getTime() - 30_000 }],
  [
    "since a time",
    "sinceTime=2026-01-01T00:00:10Z",
    { follow: false, timestamps: false, sinceMs: now.getTime() - 50_000 },
  ],
])("%s", (_sentence, query, expected) => {
  expect(readOptions(new URLSearchParams(query), now)).toEqual(expected);
});
