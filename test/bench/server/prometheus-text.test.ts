// Samples out of a scrape, one written by hand and one by the library that servers use.

import { Gauge, Registry } from "prom-client";
import { expect, test } from "vitest";
import { sampleValues } from "./prometheus-text.ts";

const text = `# HELP line What one replica takes.
# TYPE line gauge
line{protocol="a"} 12.5
line{protocol="ab",model="x"} 7
line_sum 3
plain 1.5e+3
`;

test.each([
  ["with a label", "line", { protocol: "a" }, [12.5]],
  ["whatever other labels there are", "line", { model: "x" }, [7]],
  ["all of a series", "line", {}, [12.5, 7]],
  ["without labels", "plain", {}, [1500]],
  ["no such label", "line", { protocol: "b" }, []],
  ["no such series", "lines", {}, []],
])("%s", (_name, name, labels, expected) => {
  expect(sampleValues(text, name, labels)).toEqual(expected);
});

test("what prom-client writes", async () => {
  const registry = new Registry();
  const gauge = new Gauge({ name: "line", help: "help", labelNames: ["protocol", "model"], registers: [registry] });
  gauge.set({ model: "m", protocol: "v2-rest" }, 3.25);
  expect(sampleValues(await registry.metrics(), "line", { protocol: "v2-rest" })).toEqual([3.25]);
});
