// The load generators of others that are needed: found, or installed where that is possible.

import { getuid } from "node:process";
import { type ToolOptions, tryTool } from "../../../cluster/tool.ts";

/** Programs with Debian's packages that hold them. */
export const generators = { wrk: "wrk", h2load: "nghttp2-client" } as const;

/** A load generator is missing and cannot be installed. */
export class GeneratorError extends Error {
  override readonly name = "GeneratorError";
}

async function isThere(program: string, options: ToolOptions): Promise<boolean> {
  return (await tryTool("sh", ["-c", `command -v ${program}`], options)).exitCode === 0;
}

/** Installs what is missing with apt-get, which takes root. Throws GeneratorError. */
export async function ensureGenerators(log: (line: string) => void, options: ToolOptions = {}): Promise<void> {
  const missing: string[] = [];
  for (const [program, packageName] of Object.entries(generators)) {
    if (!(await isThere(program, options))) missing.push(packageName);
  }
  if (missing.length === 0) {
    return;
  }
  const install = `apt-get install ${missing.join(" ")}`;
  if (getuid?.() !== 0 || !(await isThere("apt-get", options))) {
    throw new GeneratorError(`load generators are missing; on Debian or Ubuntu: sudo ${install}`);
  }
  log(`installing load generators: ${install}`);
  const script = `apt-get install --yes --no-install-recommends ${missing.join(" ")}`;
  // Package lists are missing on fresh machines, and old ones name packages that are gone.
  const result = await tryTool("sh", ["-c", `${script} || { apt-get update && ${script}; }`], {
    ...options,
    environment: { ...(options.environment ?? process.env), DEBIAN_FRONTEND: "noninteractive" },
  });
  if (result.exitCode !== 0) {
    throw new GeneratorError(`${install} failed: ${result.stderr.trim()}`);
  }
}
