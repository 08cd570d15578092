// The own counters and histograms say exactly what prom-client's would.

import fc from "fast-check";
import { AggregatorRegistry, Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";

import { TallyCounter, TallyHistogram } from "./tally.ts";

const HELP = "What it is for.";

/** As text, by the way of JSON that the series of threads take. */
async function text(registry: Registry): Promise<string> {
  return AggregatorRegistry.aggregate([await registry.getMetricsAsJSON()]).metrics();
}

test("histograms", async () => {
  const bounds = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 });
  const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 25 }), fc.double({ min: 0, max: 25, noNaN: true })));
  await fc.assert(
    fc.asyncProperty(bounds, values, async (unsorted, observed) => {
      const buckets = unsorted.toSorted((a, b) => a - b);
      const [own, theirs] = [new Registry(), new Registry()];
      const tally = new TallyHistogram({ name: "seconds", help: HELP, registry: own }, buckets);
      const histogram = new Histogram({ name: "seconds", help: HELP, buckets, registers: [theirs] });
      for (const value of observed) {
        tally.observe(value);
        histogram.observe(value);
      }
      expect(await text(own)).toBe(await text(theirs));
    }),
  );
});

test("counters with labels", async () => {
  const pairs = fc.array(fc.tuple(fc.constantFrom("a", "b", 'c"\n'), fc.constantFrom("200", "503")), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(pairs, async (counted) => {
      const [own, theirs] = [new Registry(), new Registry()];
      const tally = new TallyCounter({ name: "requests_total", help: HELP, registry: own }, ["protocol", "code"]);
      const labelNames = ["protocol", "code"] as const;
      const counter = new Counter({ name: "requests_total", help: HELP, labelNames, registers: [theirs] });
      for (const [protocol, code] of counted) {
        tally.series(protocol, code).count += 1;
        counter.inc({ protocol, code });
      }
      expect(await text(own)).toBe(await text(theirs));
    }),
  );
});
