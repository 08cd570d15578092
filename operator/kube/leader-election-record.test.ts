// What a Lease means to a candidate, and what it writes into it.

import { describe, expect, test } from "vitest";
import { claimed, type LeaseSpec, observe, released, standing } from "./leader-election-record.ts";

const us = { identity: "a", leaseDurationSeconds: 15 };
const at = new Date("2026-01-01T00:00:00.123Z");
const now = "2026-01-01T00:00:00.123000Z";

describe("whose the lease is, 100 s after our clock began", () => {
  const wallClocks = { longAgo: "1970-01-01T00:00:00.000000Z", nextCentury: "2100-01-01T00:00:00.000000Z" };
  test.each<[string, LeaseSpec, number, ReturnType<typeof standing>]>([
    ["nobody ever held it", {}, 0, "free"],
    ["its holder gave it back", { holderIdentity: "", leaseDurationSeconds: 1 }, 100, "free"],
    ["we hold it, however old it is", { holderIdentity: "a", leaseDurationSeconds: 15 }, 0, "ours"],
    ["another's record has just changed", { holderIdentity: "b", leaseDurationSeconds: 15 }, 100, "held"],
    [
      "another's record is one millisecond too young",
      { holderIdentity: "b", leaseDurationSeconds: 15 },
      85.001,
      "held",
    ],
    ["another's record is as old as a lease", { holderIdentity: "b", leaseDurationSeconds: 15 }, 85, "free"],
    ["its holder asked for longer leases than we do", { holderIdentity: "b", leaseDurationSeconds: 60 }, 45, "held"],
    ["its holder says nothing of a duration, so ours counts", { holderIdentity: "b" }, 86, "held"],
    ["and ours is over", { holderIdentity: "b" }, 85, "free"],
    [
      "its holder's clock is decades behind",
      { holderIdentity: "b", leaseDurationSeconds: 15, renewTime: wallClocks.longAgo },
      99,
      "held",
    ],
    [
      "its holder's clock is decades ahead",
      { holderIdentity: "b", leaseDurationSeconds: 15, renewTime: wallClocks.nextCentury },
      80,
      "free",
    ],
  ])("%s", (_sentence, spec, sinceSeconds, expected) => {
    const observed = { record: JSON.stringify(spec), sinceMs: sinceSeconds * 1000 };
    expect(standing(spec, observed, 100_000, us)).toBe(expected);
  });
});

test("only a changed record is new", () => {
  const first = observe(undefined, { holderIdentity: "b", renewTime: "1" }, 10);
  expect(observe(first, { holderIdentity: "b", renewTime: "1" }, 20)).toBe(first);
  expect(observe(first, { holderIdentity: "b", renewTime: "2" }, 20).sinceMs).toBe(20);
});

describe("what is written", () => {
  const fresh = { holderIdentity: "a", leaseDurationSeconds: 15, acquireTime: now, renewTime: now };
  const earlier = "2025-01-01T00:00:00.000000Z";
  test.each<[string, LeaseSpec | undefined, LeaseSpec]>([
    ["the first holder's", undefined, { ...fresh, leaseTransitions: 0 }],
    [
      "another's lease that is taken over counts",
      { holderIdentity: "b", leaseTransitions: 4 },
      { ...fresh, leaseTransitions: 5 },
    ],
    ["so does one that was given back", { holderIdentity: "" }, { ...fresh, leaseTransitions: 1 }],
    [
      "a renewal changes the time alone",
      { holderIdentity: "a", acquireTime: earlier, renewTime: earlier, leaseDurationSeconds: 15, leaseTransitions: 4 },
      { ...fresh, acquireTime: earlier, leaseTransitions: 4 },
    ],
  ])("%s", (_sentence, before, after) => {
    expect(claimed(before, us, at)).toEqual(after);
  });

  test("who gives a lease back leaves its count alone", () => {
    expect(released(at)).toEqual({ holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now });
  });
});
