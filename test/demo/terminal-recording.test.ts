// Tests of the SVG that a terminal session becomes.

import { expect, test } from "vitest";
import { toSvg } from "./terminal-recording.ts";

const options = { title: "a <title>", columns: 20, rows: 2, speed: 10 };

const svg = toSvg(
  [
    { atMs: 0, text: "$ make demo" },
    { atMs: 1000, text: "PASS a & b < c" },
    { atMs: 1000, text: "  two  spaces" },
    { atMs: 20_000, text: "x".repeat(30) },
    { atMs: 20_000, text: "" },
  ],
  options,
);

test("lines are escaped, cut at the width, coloured by what they say, and empty ones take their place", () => {
  expect([...svg.matchAll(/<text.* y="(\d+)">(.*)<\/text>/g)].map(([, y, text]) => `${y} ${text}`)).toEqual([
    "13 $ make demo",
    "30 PASS a &amp; b &lt; c",
    "47   two  spaces",
    `64 ${"x".repeat(20)}`,
  ]);
  expect(svg).toContain('<text class="pass"');
  expect(svg).toContain("<title>a &lt;title&gt;</title>");
});

test("the window follows the newest line at the recorded moments, faster by the speed", () => {
  // 20 s at speed 10 and 8 s of rest are 10 s: the lines of second 1 come at 1 %, the last ones at 20 %.
  expect(svg).toContain("animation: scroll 10.0s steps(1, end) infinite");
  expect([...svg.matchAll(/^(\S+%) \{ transform: translateY\((-?\d+)px\)/gm)].map(([, at, y]) => `${at} ${y}`)).toEqual(
    ["0% 34", "0.00% 17", "1.00% -17", "20.00% -51", "100% -51"],
  );
});

test("without animation the last screen shows", () => {
  expect(svg).toMatch(/^\.scroll \{ transform: translateY\(-51px\) \}$/m);
});
