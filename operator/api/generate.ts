// Writes the generated files (`make generate`) or, with --check, fails when a committed one is out of date (`make verify`).

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { conditionReasons, failureReasons } from "./conditions.ts";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { group, inferenceServiceResource } from "./group.ts";

const root = join(import.meta.dirname, "../..");

/** Every generated file of the repository: path below the root -> content. */
export function generatedFiles(): Record<string, string> {
  return {
    [`crds/${group}_${inferenceServiceResource.plural}.yaml`]: `# Generated from operator/api by \`make generate\`. Do not edit.\n${stringify(customResourceDefinition(), { lineWidth: 0, aliasDuplicateObjects: false })}`,
    "docs/conditions.md": conditionsPage(),
  };
}

function conditionsPage(): string {
  const sections = Object.entries(conditionReasons).map(([type, reasons]) => {
    const own = Object.entries(reasons).filter(([reason]) => !(reason in failureReasons));
    const fails = own.length < Object.keys(reasons).length;
    const orFailure = fails ? ["Or one of the [failures](#failures).", ""] : [];
    return [`## ${type}`, "", ...reasonTable(own), "", ...orFailure].join("\n");
  });
  return [
    "<!-- Generated from operator/api/conditions.ts by `make generate`. Do not edit. -->",
    "# Conditions of an InferenceService",
    "",
    "`kubectl get isvc NAME -o yaml` shows them under `status.conditions`; each message names what was found.",
    "[status.md](status.md) says which of them to wait for.",
    "",
    ...sections,
    "## Failures",
    "",
    "Why the pods of the newest revision are not made, placed, started or kept running.",
    "",
    ...reasonTable(Object.entries(failureReasons)),
    "",
  ].join("\n");
}

function reasonTable(reasons: readonly (readonly [string, string])[]): string[] {
  return ["| reason | meaning |", "|---|---|", ...reasons.map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`)];
}

/** Paths of the files whose committed content differs from what would be generated. */
async function outdatedFiles(files: Record<string, string>): Promise<string[]> {
  const outdated: string[] = [];
  for (const [path, content] of Object.entries(files)) {
    const committed = await readFile(join(root, path), "utf8").catch(() => undefined);
    if (committed !== content) outdated.push(path);
  }
  return outdated;
}

if (import.meta.main) {
  const files = generatedFiles();
  const outdated = await outdatedFiles(files);
  const check = process.argv.includes("--check");
  for (const path of outdated) {
    if (!check) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), files[path] ?? "");
    }
    process.stdout.write(
      check ? `${path} is out of date: run \`make generate\` and commit the result\n` : `wrote ${path}\n`,
    );
  }
  if (check && outdated.length > 0) process.exitCode = 1;
}
