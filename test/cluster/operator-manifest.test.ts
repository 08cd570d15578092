// Tests of setting the operator's flags in its manifest.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { setFlags, setReplicas } from "./operator-manifest.ts";

const manifest = await readFile(new URL("../../install/operator.yaml", import.meta.url), "utf8");

test("the real manifest gets the flags, and nothing else changes", () => {
  const changed = setFlags(manifest, { "prometheus-address": "http://10.10.0.1:9090", "scrape-interval": "2" });
  const [before, after] = [manifest, changed].map((text) => text.split("\n"));
  const different = after?.filter((line, index) => line !== before?.[index]).map((line) => line.trim());
  expect(different).toEqual(["- --prometheus-address=http://10.10.0.1:9090", "- --scrape-interval=2"]);
  expect(parseAllDocuments(changed).every((document) => document.errors.length === 0)).toBe(true);
});

test("a flag that the manifest does not have is an error that names it", () => {
  expect(() => setFlags(manifest, { "no-such-flag": "1" })).toThrow("no argument --no-such-flag=");
});

test("the replicas are set, and nothing else", () => {
  const changed = setReplicas(manifest, 1);
  expect(changed).toContain("\n  replicas: 1\n");
  expect(changed.replace("replicas: 1", "replicas: 2")).toBe(manifest);
});

test("a manifest without replicas is refused", () => {
  expect(() => setReplicas("kind: Pod\n", 1)).toThrow("has not one field replicas");
});
