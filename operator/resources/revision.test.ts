// The hash that tells one revision of a pod from another.

import fc from "fast-check";
import { expect, test } from "vitest";
import { revisionOf } from "./revision.ts";

/** The same value with the keys of every object in reverse. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

test("the order of keys does not matter", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(revisionOf(reversed(value))).toBe(revisionOf(value));
    }),
  );
});

test.each([
  ["the order of a list", { args: ["a", "b"] }, { args: ["b", "a"] }],
  ["a number, as opposed to its text,", { cpu: 1 }, { cpu: "1" }],
  ["a null, as opposed to nothing,", { a: null }, {}],
  ["where a key is", { a: { b: 1 } }, { a: {}, b: 1 }],
])("%s matters", (_what, one, other) => {
  expect(revisionOf(one)).not.toBe(revisionOf(other));
});

test("an undefined field is as good as none", () => {
  expect(revisionOf({ a: 1, b: undefined })).toBe(revisionOf({ a: 1 }));
});

test("the revision of a value is ten hex digits and the same in every version", () => {
  expect(revisionOf({ containers: [{ name: "server" }] })).toBe("24963ca7af");
});
