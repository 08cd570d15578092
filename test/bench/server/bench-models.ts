// The models that are measured: made once by a Python script, then taken from the cache.

import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { runTool } from "../../cluster/tool.ts";
import type { GivenModel, ModelKind } from "./options.ts";
import type { RawModel } from "./raw/raw-process.ts";

const script = fileURLToPath(new URL("peers/make_models.py", import.meta.url));

export interface ModelSource {
  readonly kind: ModelKind;
  readonly given: GivenModel;
  /** The interpreter of an environment with requirements.txt; asked for only where models are made. */
  readonly python: () => Promise<string>;
  readonly environment: NodeJS.ProcessEnv;
}

/** The model that was given from outside, or the benchmark's own. Rejects where the file is not there. */
export async function findModel({ kind, given, python, environment }: ModelSource): Promise<RawModel> {
  if (given.path !== undefined) {
    await access(given.path);
    return { modelPath: resolve(given.path), shapes: given.shapes };
  }
  const cache = join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "plimsoll", "bench-models");
  // Models of another script are other models.
  const hash = createHash("sha256")
    .update(await readFile(script))
    .digest("hex")
    .slice(0, 16);
  const modelPath = join(cache, hash, `${kind}.onnx`);
  if (!(await exists(modelPath))) {
    await runTool(await python(), [script, join(cache, hash)]);
  }
  return { modelPath, shapes: given.shapes };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
