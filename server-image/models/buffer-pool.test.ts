// Memory that is used again: large enough, never handed out twice, and bounded.

import fc from "fast-check";
import { expect, test } from "vitest";

import { BufferPool } from "./buffer-pool.ts";

const KIBIBYTE = 1024;

test("memory that came back is used again for about the same size", () => {
  const pool = new BufferPool(1024 * KIBIBYTE);
  const first = pool.take(100 * KIBIBYTE);
  pool.give(first);
  expect(pool.keptBytes).toBe(first.byteLength);
  expect(pool.take(101 * KIBIBYTE)).toBe(first);
  expect(pool.keptBytes).toBe(0);
});

test("memory of another size is not", () => {
  const pool = new BufferPool(1024 * KIBIBYTE);
  const first = pool.take(100 * KIBIBYTE);
  pool.give(first);
  expect(pool.take(200 * KIBIBYTE)).not.toBe(first);
});

const NOT_KEPT: [string, ArrayBuffer][] = [
  ["small memory", new ArrayBuffer(KIBIBYTE - 1)],
  ["memory that is gone to a thread", detached(100 * KIBIBYTE)],
  ["memory of a size that is never asked for", new ArrayBuffer(100 * KIBIBYTE + 1)],
  ["more than may lie unused", new ArrayBuffer(2048 * KIBIBYTE)],
];
test.each(NOT_KEPT)("%s is not kept", (_name, buffer) => {
  const pool = new BufferPool(1024 * KIBIBYTE);
  pool.give(buffer);
  expect(pool.keptBytes).toBe(0);
});

function detached(bytes: number): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

test("in any history: large enough, wasting little, nothing in use twice, and no more kept than allowed", () => {
  const step = fc.oneof(
    fc.record({ take: fc.integer({ min: 0, max: 600 * KIBIBYTE }) }),
    fc.record({ give: fc.nat() }),
  );
  const maxKept = fc.integer({ min: 0, max: 1024 * KIBIBYTE });
  fc.assert(
    fc.property(maxKept, fc.array(step, { maxLength: 60 }), (maxKeptBytes, steps) => {
      const pool = new BufferPool(maxKeptBytes);
      const inUse: ArrayBuffer[] = [];
      for (const action of steps) {
        if ("take" in action) {
          const buffer = pool.take(action.take);
          expect(buffer.byteLength).toBeGreaterThanOrEqual(action.take);
          expect(buffer.byteLength).toBeLessThanOrEqual(action.take * 1.25 + 1);
          expect(inUse).not.toContain(buffer);
          inUse.push(buffer);
        } else if (inUse.length > 0) {
          pool.give(inUse.splice(action.give % inUse.length, 1)[0] as ArrayBuffer);
        }
        expect(pool.keptBytes).toBeGreaterThanOrEqual(0);
        expect(pool.keptBytes).toBeLessThanOrEqual(maxKeptBytes);
      }
    }),
  );
});
