// The storage servers that the inference server's downloads are tested against: from the cache, or built with Go. Run by itself, it fills the cache.

import { access, constants, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { withCacheLock } from "./cluster/binaries/cache-lock.ts";
import { runTool, ToolError } from "./cluster/tool.ts";

interface Program {
  readonly version: string;
  readonly goPackage: string;
  /** For people: how long a build takes on two cores when nothing is cached. */
  readonly usualBuildTime: string;
}

const programs = {
  /** Speaks S3. */
  versitygw: {
    version: "1.8.0",
    goPackage: "github.com/versity/versitygw/cmd/versitygw",
    usualBuildTime: "1 minute",
  },
  /** Speaks Google Cloud Storage. */
  "fake-gcs-server": {
    version: "1.56.1",
    goPackage: "github.com/fsouza/fake-gcs-server",
    usualBuildTime: "1 minute",
  },
} satisfies Record<string, Program>;

export type StorageServerName = keyof typeof programs;

/** Absolute path of the program; undefined, after saying so, where it is neither cached nor can be built. */
export async function findStorageServer(name: StorageServerName): Promise<string | undefined> {
  const { version } = programs[name];
  const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "plimsoll", "storage-servers");
  const target = join(folder, `${name}-v${version}`);
  await mkdir(folder, { recursive: true });
  try {
    await withCacheLock(folder, { log: console.log }, async () => {
      if (!(await isExecutable(target))) await build(name, folder, target);
    });
    return target;
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.warn(
      `SKIPPED: the tests against ${name}. There is no ${target}, and it cannot be built with Go: ${error.message}`,
    );
    return undefined;
  }
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function build(name: StorageServerName, folder: string, target: string): Promise<void> {
  const { version, goPackage, usualBuildTime } = programs[name];
  console.log(`building ${name} v${version} with go; on two cores that usually takes ${usualBuildTime}`);
  const output = await mkdtemp(join(folder, ".build-"));
  try {
    await runTool("go", ["install", "-trimpath", "-ldflags", "-s -w", `${goPackage}@v${version}`], {
      // A module's own checksums are no use outside it: the checksum database vouches for this version.
      environment: {
        ...process.env,
        PATH: `${process.env["PATH"] ?? ""}:/usr/local/go/bin`,
        GOBIN: output,
        GOFLAGS: "",
      },
    });
    await rename(join(output, name), target);
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  for (const name of Object.keys(programs) as StorageServerName[]) {
    const path = await findStorageServer(name);
    if (path !== undefined) console.log(`${name}: ${path}`);
  }
}
