// The queue: who goes first, who may go together, and that its counts are always those of what waits.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type Queued, RequestQueue } from "./request-queue.ts";

interface Item extends Queued {
  readonly name: string;
}

function item(name: string, settings: Partial<Queued> = {}): Item {
  return { name, priority: 0, rows: 1, bytes: 10, joinKey: "key", expiresAtMs: Infinity, ...settings };
}

function queueOf(...items: Item[]): RequestQueue<Item> {
  const queue = new RequestQueue<Item>();
  for (const one of items) {
    queue.add(one);
  }
  return queue;
}

const names = (items: readonly Item[]) => items.map(({ name }) => name);

describe("batches", () => {
  const CASES: Record<string, { waiting: Item[]; maxRows: number; expected: string[] }> = {
    "none of nothing": { waiting: [], maxRows: 8, expected: [] },
    "all that fit, in the order of arrival": {
      waiting: [item("a"), item("b"), item("c")],
      maxRows: 2,
      expected: ["a", "b"],
    },
    "rows count, not requests": {
      waiting: [item("a", { rows: 3 }), item("b", { rows: 2 }), item("c")],
      maxRows: 4,
      expected: ["a", "c"],
    },
    "other keys are left where they are": {
      waiting: [item("a"), item("other", { joinKey: "other" }), item("b")],
      maxRows: 8,
      expected: ["a", "b"],
    },
    "a request without a key runs alone": {
      waiting: [item("a", { joinKey: undefined }), item("b", { joinKey: undefined })],
      maxRows: 8,
      expected: ["a"],
    },
    "nobody without a key joins": {
      waiting: [item("a"), item("b", { joinKey: undefined })],
      maxRows: 8,
      expected: ["a"],
    },
    "a request larger than a batch runs alone": {
      waiting: [item("a", { rows: 9 }), item("b")],
      maxRows: 8,
      expected: ["a"],
    },
    "lower numbers of priority go first, those without one last": {
      waiting: [
        item("none"),
        item("two", { priority: 2 }),
        item("one", { priority: 1 }),
        item("more", { priority: 2 }),
      ],
      maxRows: 8,
      expected: ["one", "two", "more", "none"],
    },
  };
  test.each(Object.entries(CASES))("%s", (_name, { waiting, maxRows, expected }) => {
    const queue = queueOf(...waiting);
    expect(names(queue.takeBatch(maxRows))).toEqual(expected);
    expect(queue.length).toBe(waiting.length - expected.length);
  });
});

test("rows ahead of a new request: those of its priority and of more urgent ones", () => {
  const queue = queueOf(
    item("none", { rows: 4 }),
    item("one", { priority: 1 }),
    item("three", { priority: 3, rows: 2 }),
  );
  expect([1, 2, 3, 4, 0].map((priority) => queue.rowsAhead(priority))).toEqual([1, 1, 3, 3, 7]);
});

test("what has waited too long is taken, and only that", () => {
  const queue = queueOf(item("a", { expiresAtMs: 10 }), item("b", { expiresAtMs: 30 }), item("c", { expiresAtMs: 20 }));
  expect(names(queue.takeExpired(20))).toEqual(["a", "c"]);
  expect(names(queue.takeBatch(8))).toEqual(["b"]);
});

test("a request that does not wait cannot leave", () => {
  const [waiting, running] = [item("waiting"), item("running")];
  const queue = queueOf(running, waiting);
  queue.takeBatch(1);
  expect(queue.remove(running)).toBe(false);
  expect(queue.remove(waiting)).toBe(true);
  expect(queue.remove(waiting)).toBe(false);
  expect([queue.length, queue.rows, queue.bytes]).toEqual([0, 0, 0]);
});

describe("any history", () => {
  const arrival = fc.record({
    priority: fc.integer({ min: 0, max: 4 }),
    rows: fc.integer({ min: 1, max: 5 }),
    bytes: fc.integer({ min: 0, max: 100 }),
    joinKey: fc.constantFrom("a", "b", undefined),
    expiresAtMs: fc.integer({ min: 0, max: 50 }),
  });
  const step = fc.oneof(
    { weight: 3, arbitrary: arrival.map((settings) => ({ add: settings })) },
    { weight: 1, arbitrary: fc.record({ leave: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 8 }) }) },
    { weight: 1, arbitrary: fc.record({ expire: fc.integer({ min: 0, max: 50 }) }) },
  );

  /** The same in the plainest way: a sorted list. */
  const inOrder = (waiting: readonly Item[]) =>
    waiting.toSorted((a, b) => (a.priority === 0 ? 9 : a.priority) - (b.priority === 0 ? 9 : b.priority));

  function plainBatch(waiting: readonly Item[], maxRows: number): Item[] {
    const [first, ...rest] = inOrder(waiting);
    const batch = first === undefined ? [] : [first];
    for (const one of first?.joinKey === undefined ? [] : rest) {
      if (one.joinKey === first?.joinKey && batch.reduce((sum, { rows }) => sum + rows, one.rows) <= maxRows) {
        batch.push(one);
      }
    }
    return batch;
  }

  test("the queue does what a sorted list would, and its counts are right", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new RequestQueue<Item>();
        let waiting: Item[] = [];
        for (const [index, action] of steps.entries()) {
          let gone: readonly Item[] = [];
          if ("add" in action) {
            const added = item(String(index), action.add);
            queue.add(added);
            waiting.push(added);
          } else if ("take" in action) {
            gone = plainBatch(waiting, action.take);
            expect(queue.takeBatch(action.take)).toEqual(gone);
          } else if ("expire" in action) {
            gone = inOrder(waiting).filter(({ expiresAtMs }) => expiresAtMs <= action.expire);
            expect(queue.takeExpired(action.expire)).toEqual(gone);
          } else if (waiting.length > 0) {
            gone = [waiting[action.leave % waiting.length] as Item];
            expect(queue.remove(gone[0] as Item)).toBe(true);
          }
          waiting = waiting.filter((one) => !gone.includes(one));
          expect(queue.peek()).toBe(inOrder(waiting)[0]);
          expect([queue.length, queue.rows, queue.bytes]).toEqual([
            waiting.length,
            waiting.reduce((sum, { rows }) => sum + rows, 0),
            waiting.reduce((sum, { bytes }) => sum + bytes, 0),
          ]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
