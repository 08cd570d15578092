// Tests of the pod address pool.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressPool } from "./address-pool.ts";

describe("address pool", () => {
  test("begins after the bridge's address and goes round before an address is used again", () => {
    const pool = new AddressPool("10.244.0.0/29");
    expect(pool.gateway).toBe("10.244.0.1");
    expect(pool.prefixLength).toBe(29);
    const first = pool.take();
    expect(first).toBe("10.244.0.2");
    pool.release(first);
    expect([pool.take(), pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([
      "10.244.0.3",
      "10.244.0.4",
      "10.244.0.5",
      "10.244.0.6",
      "10.244.0.2",
    ]);
  });

  test("says what to do when every address is in use, and recovers", () => {
    const pool = new AddressPool("192.168.7.0/30");
    const only = pool.take();
    expect(() => pool.take()).toThrow("delete pods or configure a larger podCidr");
    pool.release(only);
    expect(pool.take()).toBe(only);
  });

  test("refuses a range without room", () => {
    expect(() => new AddressPool("10.0.0.0/31")).toThrow("has no room for pods");
  });

  test("never hands out an address that is in use, whatever the order of taking and releasing", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat({ max: 20 }))), (steps) => {
        const pool = new AddressPool("10.244.255.0/26");
        const used: string[] = [];
        for (const step of steps) {
          if (step === null || used.length === 0) {
            if (used.length >= 60) continue;
            const address = pool.take();
            expect(used).not.toContain(address);
            used.push(address);
          } else pool.release(used.splice(step % used.length, 1)[0] ?? "");
        }
      }),
    );
  });
});
