// The recorder: what an event looks like, repeats counted, floods held back, and nobody ever kept waiting.

import type { Event } from "kubernetes-types/events/v1.js";
import { beforeEach, describe, expect, test } from "vitest";
import { ApiError } from "./errors.ts";
import { type EventDetails, EventRecorder, type EventRecorderOptions } from "./events.ts";
import { ManualClock, silentLogger, thing } from "./testing.ts";

let clock: ManualClock;
let created: Event[];
let patched: { name: string; patch: unknown }[];
let failure: Error | undefined;
let stop: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  created = [];
  patched = [];
  failure = undefined;
  stop = new AbortController();
});

function makeRecorder(): EventRecorder {
  const client = {
    create: async (_type: unknown, object: Event) => {
      if (failure) throw failure;
      created.push(object);
      return object;
    },
    patch: async (_type: unknown, ref: { name: string }, patch: unknown) => {
      if (failure) throw failure;
      patched.push({ name: ref.name, patch });
      return {};
    },
  } as EventRecorderOptions["client"];
  return new EventRecorder({
    client,
    reportingController: "example.com/test",
    reportingInstance: "pod-1",
    logger: silentLogger,
    signal: stop.signal,
    clock,
    now: () => new Date(Date.UTC(2026, 0, 1) + clock.nowMs()),
  });
}

const scaled: EventDetails = { type: "Normal", reason: "Scaled", action: "Scale", message: "2 -> 4: 80 requests/s" };

describe("events", () => {
  test("say who saw what happen to which object", async () => {
    const recorder = makeRecorder();
    recorder.record(thing("a", "7"), scaled);
    expect(created).toEqual([]);
    await recorder.flush();
    expect(created).toHaveLength(1);
    expect(created[0]).toMatchObject({
      metadata: { namespace: "ns", name: expect.stringMatching(/^a\.[0-9a-f]{16}$/) as string },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "example.com/test",
      reportingInstance: "pod-1",
      action: "Scale",
      reason: "Scaled",
      type: "Normal",
      note: "2 -> 4: 80 requests/s",
      regarding: {
        apiVersion: "example.com/v1",
        kind: "Thing",
        namespace: "ns",
        name: "a",
        uid: "uid-a",
        resourceVersion: "7",
      },
    });
  });

  test("fit the API server's limits", async () => {
    const recorder = makeRecorder();
    recorder.record(thing(`${"n".repeat(199)}.x`, "1"), { ...scaled, message: "é".repeat(1000) });
    await recorder.flush();
    expect(created[0]?.metadata?.name).toMatch(/^n{199}\.[0-9a-f]{16}$/);
    expect(created[0]?.note).toBe("é".repeat(512));
  });

  test("repeats are counted, and written once a minute at most", async () => {
    const recorder = makeRecorder();
    const repeat = async (): Promise<void> => {
      recorder.record(thing("a", "1"), scaled);
      await recorder.flush();
    };
    await repeat();
    await repeat();
    expect(patched).toEqual([]);
    clock.advance(60_000);
    await repeat();
    const name = created[0]?.metadata?.name;
    expect(patched).toEqual([
      { name, patch: { series: { count: 3, lastObservedTime: "2026-01-01T00:01:00.000000Z" } } },
    ]);
    clock.advance(11 * 60_000);
    await repeat();
    expect(created).toHaveLength(2);
    expect(created[1]?.metadata?.name).not.toBe(name);
  });

  test("a series that the API server has forgotten begins anew", async () => {
    const recorder = makeRecorder();
    recorder.record(thing("a", "1"), scaled);
    await recorder.flush();
    clock.advance(60_000);
    const gone = new ApiError("patch Event", 404, { reason: "NotFound" });
    const recorded = recorder.flush();
    await recorded;
    failure = gone;
    recorder.record(thing("a", "1"), scaled);
    await recorder.flush();
    failure = undefined;
    clock.advance(60_000);
    recorder.record(thing("a", "1"), { ...scaled, message: "another" });
    await recorder.flush();
    expect(created).toHaveLength(2);
  });

  test("the same text about another object, or made anew, is another event", async () => {
    const recorder = makeRecorder();
    recorder.record(thing("a", "1"), scaled);
    recorder.record(thing("b", "1"), scaled);
    recorder.record(thing("a", "1", "new-uid"), scaled);
    await recorder.flush();
    expect(created).toHaveLength(3);
  });

  test("a flood about one object is cut, others are heard", async () => {
    const recorder = makeRecorder();
    for (let i = 0; i < 100; i += 1) recorder.record(thing("noisy", "1"), { ...scaled, message: `number ${i}` });
    recorder.record(thing("quiet", "1"), scaled);
    await recorder.flush();
    expect(created).toHaveLength(26);
    expect(created.at(-1)?.regarding?.name).toBe("quiet");
    clock.advance(5 * 60_000);
    recorder.record(thing("noisy", "1"), { ...scaled, message: "later" });
    recorder.record(thing("noisy", "1"), { ...scaled, message: "too much again" });
    await recorder.flush();
    expect(created.slice(26).map(({ note }) => note)).toEqual(["later"]);
  });

  test("an API server that refuses costs nothing but the event", async () => {
    const recorder = makeRecorder();
    failure = new ApiError("create Event", 403, { reason: "Forbidden" });
    recorder.record(thing("a", "1"), scaled);
    await recorder.flush();
    failure = undefined;
    recorder.record(thing("b", "1"), scaled);
    await recorder.flush();
    expect(created.map(({ regarding }) => regarding?.name)).toEqual(["b"]);
  });

  test("too many waiting events are dropped, and after the stop all", async () => {
    const recorder = makeRecorder();
    for (let i = 0; i < 3000; i += 1) recorder.record(thing(`t${i}`, "1"), scaled);
    await recorder.flush();
    expect(created.length).toBeGreaterThanOrEqual(1000);
    expect(created.length).toBeLessThan(1010);
    stop.abort();
    recorder.record(thing("late", "1"), scaled);
    await recorder.flush();
    expect(created.at(-1)?.regarding?.name).not.toBe("late");
  });
});
