// Messages that come, that do not, and that come too slowly; answers that nobody takes.

import { describe, expect, test } from "vitest";

import { BodyBudget } from "../http/body-budget.ts";
import { ArrivingMessage } from "./arriving-message.ts";
import { UnsentAnswers } from "./unsent-answers.ts";

describe("a message", () => {
  const begin = () => new ArrivingMessage(new BodyBudget(10));

  test("that does not come is late after 10 s", () => {
    const message = begin();
    message.expect(5000);
    expect([14_999, 15_000].map((nowMs) => message.isLate(nowMs))).toEqual([false, true]);
  });

  test("of which something comes again and again has a minute", () => {
    const message = begin();
    message.expect(0);
    for (let nowMs = 9000; nowMs < 60_000; nowMs += 9000) {
      expect(message.isLate(nowMs)).toBe(false);
      message.add(1, nowMs);
    }
    expect([59_999, 60_000].map((nowMs) => message.isLate(nowMs))).toEqual([false, true]);
  });

  test("that nobody expects is never late, but is expected from its first byte on", () => {
    const message = begin();
    expect(message.isLate(1e9)).toBe(false);
    message.add(1, 1e9);
    expect([1e9 + 9999, 1e9 + 10_000].map((nowMs) => message.isLate(nowMs))).toEqual([false, true]);
  });

  test("has the room there is, and gives it back", () => {
    const budget = new BodyBudget(10);
    const message = new ArrivingMessage(budget);
    expect([10, 1].map((bytes) => message.add(bytes, 0))).toEqual([true, false]);
    message.share.release();
    expect(new ArrivingMessage(budget).add(10, 0)).toBe(true);
  });

  test("in very many short pieces finds no room long before its bytes fill it", () => {
    const message = new ArrivingMessage(new BodyBudget(100_000));
    const taken = Array.from({ length: 600 }, () => message.add(1, 0));
    expect(taken.indexOf(false)).toBeGreaterThan(400);
    expect(taken.slice(0, 400)).not.toContain(false);
  });
});

test("answers that nobody takes fill what they may, and have less time while they do", () => {
  const unsent = new UnsentAnswers(100);
  unsent.add(100);
  expect([unsent.isFull, unsent.timeoutMs]).toEqual([false, 60_000]);
  unsent.add(1);
  expect([unsent.isFull, unsent.timeoutMs]).toEqual([true, 5000]);
  unsent.remove(1);
  expect([unsent.isFull, unsent.timeoutMs]).toEqual([false, 60_000]);
});
