// The operator as an image runs it: one bundled program, without the compiler that its sources need.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeChunks } from "../../../server-image/build/write-chunks.ts";

const sources = join(import.meta.dirname, "../../../operator");
/** The same as NODE_OPTIONS in install/operator.yaml. */
const nodeOptions = ["--max-semi-space-size=8"];

/** Bundles it into `folder`, which exists; returns the command that `run` and its flags are given to. */
export async function bundleOperator(folder: string): Promise<readonly string[]> {
  await writeChunks(folder, { sources, main: join(sources, "main.ts") });
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  return [process.execPath, ...nodeOptions, join(folder, "main.js")];
}
