// Each number once, and no more at a time than allowed.

import fc from "fast-check";
import { expect, test } from "vitest";
import { inParallel } from "./in-parallel.ts";

test("every number once, in order, never more together than allowed", async () => {
  const sizes = fc.tuple(fc.nat({ max: 50 }), fc.integer({ min: 1, max: 8 }));
  await fc.assert(
    fc.asyncProperty(sizes, async ([count, atATime]) => {
      const begun: number[] = [];
      let together = 0;
      await inParallel(count, atATime, async (index) => {
        begun.push(index);
        together += 1;
        expect(together).toBeLessThanOrEqual(atATime);
        await Promise.resolve();
        together -= 1;
      });
      expect(begun).toEqual(Array.from({ length: count }, (_, index) => index));
    }),
  );
});

test("a failure ends it", async () => {
  const failing = inParallel(3, 2, async (index) => {
    if (index === 1) throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
});
