// Builds a program from the go.mod beside this file, whose go.sum makes the build checksummed and repeatable.

import { mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runTool } from "../tool.ts";
import type { Binary } from "./catalogue.ts";

const progressMs = 15_000;

/** The caller's own flags, but for those that would let the build change go.mod. */
export function goFlags(flags: string | undefined): string {
  const kept = (flags ?? "").split(" ").filter((flag) => flag !== "" && !/^--?mod(file|=)/.test(flag));
  return [...kept, "-mod=readonly"].join(" ");
}

export interface GoBuildOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Builds `binary` to `target`. Says each quarter of a minute that it is still at work. Throws `ToolError`. */
export async function goBuild(binary: Binary, target: string, options: GoBuildOptions): Promise<void> {
  const { environment, log } = options;
  log(`building ${binary.name} v${binary.version} with go; on two cores that usually takes ${binary.usualBuildTime}`);
  const startedAtMs = performance.now();
  const seconds = () => Math.round((performance.now() - startedAtMs) / 1000);
  const timer = setInterval(() => log(`  still building ${binary.name}, ${seconds()} s so far`), progressMs);
  const folder = await mkdtemp(join(dirname(target), ".build-"));
  try {
    const output = join(folder, binary.name);
    const tags = binary.tags === undefined ? [] : ["-tags", binary.tags];
    const flags = ["-trimpath", "-ldflags", binary.linkerFlags, ...tags, "-o", output];
    await runTool("go", ["build", ...flags, binary.goPackage], {
      workingDirectory: join(import.meta.dirname, binary.module),
      environment: {
        ...environment,
        PATH: `${environment["PATH"] ?? ""}:/usr/local/go/bin`,
        CGO_ENABLED: "0",
        GOFLAGS: goFlags(environment["GOFLAGS"]),
        GOWORK: "off",
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    await rename(output, target);
  } finally {
    clearInterval(timer);
    await rm(folder, { recursive: true, force: true });
  }
  log(`built ${binary.name} in ${seconds()} s`);
}
