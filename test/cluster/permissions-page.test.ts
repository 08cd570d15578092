// docs/security.md against the manifests: each rule of the operator is there with its reason, and in both modes it is the same.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const checkout = new URL("../../", import.meta.url);
const read = (path: string) => readFile(new URL(path, checkout), "utf8");

async function rulesOf(file: string, kind: string, name: string): Promise<readonly Rule[]> {
  const objects = parseAllDocuments(await read(`install/${file}`)).map((document) => document.toJS() as Manifest);
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  return found?.rules ?? expect.fail(`${file} has no ${kind} ${name}`);
}

const rows = (rules: readonly Rule[]): string[] =>
  rules.flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.map((resource) => {
        const named = resourceNames === undefined ? "" : ` named \`${resourceNames.join("`, `")}\``;
        return `| \`${group === "" ? resource : `${resource}.${group}`}\`${named} | ${verbs.join(", ")} |`;
      }),
    ),
  );

/** The first two columns of the table under a heading. */
async function documented(heading: string): Promise<string[]> {
  const [, section = ""] = (await read("docs/security.md")).split(`### ${heading}\n`);
  const [text = ""] = section.split(/^##/m);
  return text.split("\n").flatMap((line) => /^\| `[^|]*\|[^|]*\|(?= \S)/.exec(line)?.[0] ?? []);
}

test.each([
  ["Cluster-wide, in every mode", "operator.yaml", "ClusterRole", "plimsoll-external-metrics"],
  ["In the operator's own namespace", "operator.yaml", "Role", "plimsoll-operator"],
  ["Where services are", "all-namespaces.yaml", "ClusterRole", "plimsoll-operator"],
  ["Where services are", "listed-namespaces/namespace.yaml", "Role", "plimsoll-operator"],
])("%s: the page lists the rules of %s, each with a reason", async (heading, file, kind, name) => {
  expect(await documented(heading)).toEqual(rows(await rulesOf(file, kind, name)));
});

test("no manifest gives anybody a wildcard, or a right that leads to others", async () => {
  const files = ["operator.yaml", "all-namespaces.yaml", "user-roles.yaml", "listed-namespaces/namespace.yaml"];
  for (const file of files) {
    const objects = parseAllDocuments(await read(`install/${file}`)).map((document) => document.toJS() as Manifest);
    const words = objects.flatMap(({ rules = [] }) => rules.flatMap((rule) => Object.values(rule).flat() as string[]));
    const dangerous = ["*", "escalate", "bind", "impersonate", "pods/exec", "nodes/proxy", "serviceaccounts/token"];
    expect(words.filter((word) => dangerous.includes(word))).toEqual([]);
  }
});

test("in listed namespaces the manifest has nothing cluster-wide", async () => {
  const text = await read("install/listed-namespaces/namespace.yaml");
  expect(text).not.toContain("kind: Cluster");
});
