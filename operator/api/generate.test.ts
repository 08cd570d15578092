// The generated files are what the sources say, and the page of conditions leaves none out.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { conditionReasons, failureReasons } from "./conditions.ts";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { generatedFiles } from "./generate.ts";

const root = join(import.meta.dirname, "../..");
const files = generatedFiles();

test.each(Object.entries(files))("%s is current (else run `make generate`)", async (path, content) => {
  expect(await readFile(join(root, path), "utf8")).toBe(content);
});

test("the committed definition reads as the one that was made", () => {
  const path = Object.keys(files).find((name) => name.startsWith("crds/"));
  expect(parse(files[path ?? ""] ?? "")).toEqual(customResourceDefinition());
});

test("every reason is on the page of conditions, under its condition or the failures, with its meaning", () => {
  const page = files["docs/conditions.md"] ?? "";
  const sections = new Map(page.split("\n## ").map((section) => [section.split("\n")[0], section]));
  for (const [type, reasons] of Object.entries(conditionReasons)) {
    for (const [reason, meaning] of Object.entries(reasons)) {
      const isFailure = reason in failureReasons;
      expect(sections.get(isFailure ? "Failures" : type)).toContain(`| \`${reason}\` | ${meaning} |`);
      if (isFailure) expect(sections.get(type)).toContain("(#failures)");
    }
  }
});

test("no meaning breaks the table that it stands in", () => {
  const meanings = Object.values(conditionReasons).flatMap((reasons) => Object.values(reasons));
  expect(meanings.filter((meaning) => /[|\n]/.test(meaning))).toEqual([]);
});
