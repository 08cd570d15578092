// Messages that come, that do not, and that come too slowly; answers that nobody takes.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { BodyBudget } from "../http/body-budget.ts";
import { ArrivingMessage } from "./arriving-message.ts";
import type { CallStatus } from "./status.ts";
import { UnsentAnswers } from "./unsent-answers.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const clock = () => performance.now();

describe("a message", () => {
  function begin(maxBytes = 100) {
    const refusals: CallStatus[] = [];
    const message = new ArrivingMessage({
      budget: new BodyBudget(maxBytes),
      clock,
      refuse: (answer) => refusals.push(answer),
    });
    return { message, refusals };
  }

  test("that does not come is late after 10 s", () => {
    const { message, refusals } = begin();
    message.expect();
    vi.advanceTimersByTime(9999);
    expect(refusals).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(refusals).toMatchObject([{ code: status.DEADLINE_EXCEEDED, details: "the request did not arrive in time" }]);
  });

  test("of which something comes again and again has a minute", () => {
    const { message, refusals } = begin();
    message.expect();
    for (let seconds = 9; seconds < 60; seconds += 9) {
      vi.advanceTimersByTime(9000);
      message.add(1);
    }
    expect(refusals).toEqual([]);
    vi.advanceTimersByTime(9000);
    message.add(1);
    expect(refusals).toMatchObject([{ code: status.DEADLINE_EXCEEDED }]);
  });

  test("that nobody expected is expected from its first byte on", () => {
    const { message, refusals } = begin();
    vi.advanceTimersByTime(100_000);
    message.add(1);
    vi.advanceTimersByTime(9999);
    message.add(1);
    expect(refusals).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(refusals).toHaveLength(1);
  });

  test("that is there is waited for no more", () => {
    const { message, refusals } = begin();
    message.add(1);
    message.end();
    vi.advanceTimersByTime(100_000);
    expect(refusals).toEqual([]);
  });

  test("for which there is no room", () => {
    const { message, refusals } = begin(10);
    message.add(10);
    expect(refusals).toEqual([]);
    message.add(1);
    expect(refusals).toMatchObject([{ code: status.UNAVAILABLE }]);
  });

  test("in very many short pieces, for which there is no room before their bytes fill it", () => {
    const { message, refusals } = begin(100_000);
    for (let piece = 0; piece < 500; piece += 1) {
      message.add(1);
    }
    expect(refusals).toEqual([]);
    for (let piece = 0; piece < 100; piece += 1) {
      message.add(1);
    }
    expect(refusals[0]).toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe("answers that nobody takes", () => {
  function begin() {
    const unsent = new UnsentAnswers(100, clock);
    const givenUp: string[] = [];
    const add = (name: string, bytes: number) => unsent.add(bytes, () => givenUp.push(name));
    return { unsent, givenUp, add };
  }

  test("fill what they may, until one is sent", () => {
    const { unsent, add } = begin();
    add("a", 60);
    expect(unsent.isFull()).toBe(false);
    const second = add("b", 60);
    expect(unsent.isFull()).toBe(true);
    unsent.remove(second);
    unsent.remove(second);
    expect(unsent.isFull()).toBe(false);
    add("c", 40);
    expect(unsent.isFull()).toBe(false);
  });

  test("are given up after 5 s where others need the room", () => {
    const { unsent, givenUp, add } = begin();
    add("a", 60);
    vi.advanceTimersByTime(2000);
    add("b", 60);
    vi.advanceTimersByTime(2999);
    expect(unsent.isFull()).toBe(true);
    vi.advanceTimersByTime(1);
    expect(unsent.isFull()).toBe(false);
    expect(givenUp).toEqual(["a"]);
  });

  test("are given up after a minute where there is room", () => {
    const { unsent, givenUp, add } = begin();
    add("a", 1);
    vi.advanceTimersByTime(59_999);
    add("b", 1);
    expect(unsent.isFull()).toBe(false);
    expect(givenUp).toEqual([]);
    vi.advanceTimersByTime(1);
    add("c", 1);
    expect(givenUp).toEqual(["a"]);
  });
});
