// Questions and answers over a real pair of ports.

import { MessageChannel } from "node:worker_threads";

import { afterEach, describe, expect, test } from "vitest";

import { InferenceError } from "../inference-error.ts";
import { type Handlers, ThreadLink } from "./thread-link.ts";

type LeftCalls = {
  readonly double: { readonly ask: number; readonly answer: number };
  readonly first: { readonly ask: Uint8Array; readonly answer: number };
  readonly wait: { readonly ask: string; readonly answer: string };
};
type RightCalls = { readonly greet: { readonly ask: string; readonly answer: string } };

const open: MessageChannel[] = [];

afterEach(() => {
  for (const { port1 } of open.splice(0)) {
    port1.close();
  }
});

function link(handlers: Partial<Handlers<LeftCalls>> = {}) {
  const channel = new MessageChannel();
  open.push(channel);
  const left = new ThreadLink<LeftCalls, RightCalls>(channel.port1, { greet: async (name) => `hello ${name}` });
  const right = new ThreadLink<RightCalls, LeftCalls>(channel.port2, {
    double: async (number) => number * 2,
    first: async (bytes) => bytes[0] ?? -1,
    wait: async (text) => text,
    ...handlers,
  });
  return { left, right };
}

test("both sides ask, and each gets its answer", async () => {
  const { left, right } = link();
  expect(await Promise.all([left.ask("double", 21), right.ask("greet", "you"), left.ask("double", 1)])).toEqual([
    42,
    "hello you",
    2,
  ]);
});

test("answers may come in any order", async () => {
  const turns: Readonly<Record<string, number>> = { c: 1, a: 10, b: 20 };
  const { left } = link({
    wait: async (text) => {
      for (let turn = 0; turn < (turns[text] ?? 0); turn += 1) {
        await new Promise(setImmediate);
      }
      return text;
    },
  });
  const order: string[] = [];
  const all = ["a", "b", "c"].map(async (text) => {
    expect(await left.ask("wait", text)).toBe(text);
    order.push(text);
  });
  await Promise.all(all);
  expect(order).toEqual(["c", "a", "b"]);
});

test("memory can move with a question", async () => {
  const { left } = link();
  const bytes = Uint8Array.of(7, 8);
  expect(await left.ask("first", bytes, [bytes.buffer])).toBe(7);
  expect(bytes).toHaveLength(0);
});

describe("errors", () => {
  test("an InferenceError comes as one, with its code", async () => {
    const { left } = link({
      double: async () => {
        throw new InferenceError("UNAVAILABLE", "no room");
      },
    });
    const answer = left.ask("double", 1);
    await expect(answer).rejects.toBeInstanceOf(InferenceError);
    await expect(answer).rejects.toMatchObject({ code: "UNAVAILABLE", message: "no room" });
  });

  test("any other stays on its side", async () => {
    const { left } = link({
      double: async () => {
        throw new Error("/secret/path");
      },
    });
    await expect(left.ask("double", 1)).rejects.toMatchObject({ code: "INTERNAL", message: "internal error" });
  });

  test("an answer that cannot be sent is an error too", async () => {
    const { left } = link({ wait: async () => (() => undefined) as never });
    await expect(left.ask("wait", "x")).rejects.toMatchObject({ code: "INTERNAL" });
  });

  test("a question that cannot be sent is one at once, and nothing waits for its answer", async () => {
    const { left } = link();
    await expect(left.ask("double", (() => undefined) as never)).rejects.toThrow(/could not be cloned/);
    expect(await left.ask("double", 2)).toBe(4);
  });

  test("the other side is gone: whoever waits is told, and whoever asks later", async () => {
    const { left } = link({ double: () => new Promise(() => undefined) });
    const waiting = [left.ask("double", 1), left.ask("double", 2)];
    left.fail(new Error("it ended"));
    for (const answer of [...waiting, left.ask("double", 3)]) {
      await expect(answer).rejects.toThrow("it ended");
    }
  });
});
