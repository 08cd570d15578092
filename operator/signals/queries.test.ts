// Which series the queries read: of all namespaces, or of the listed ones alone.

import { expect, test } from "vitest";
import { signalQueries } from "./queries.ts";

const selectors = (namespaces?: readonly string[]) =>
  Object.values(signalQueries({ scrapeIntervalSeconds: 2, namespaces })).flatMap((promql) =>
    promql.match(/\{[^}]*\}/g),
  );

test.each<[string, readonly string[] | undefined, string]>([
  ["all namespaces have no matcher", undefined, '{inference_service!=""}'],
  ["one namespace is matched exactly", ["vision"], '{inference_service!="", namespace="vision"}'],
  ["several are alternatives", ["vision", "a-b"], '{inference_service!="", namespace=~"vision|a-b"}'],
])("%s, in every selector", (_sentence, namespaces, expected) => {
  const found = selectors(namespaces);
  expect(found.length).toBeGreaterThan(4);
  expect(new Set(found)).toEqual(new Set([expected]));
});
