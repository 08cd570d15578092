// Finds the programs of a local cluster: on this machine, in the cache, as official releases, or built from source. Run by itself, it fills the cache.

import { withCacheLock } from "./binaries/cache-lock.ts";
import { type Binary, type BinaryName, binaryNames, catalogue } from "./binaries/catalogue.ts";
import { takeFromDebian } from "./binaries/debian.ts";
import { goBuild } from "./binaries/go-build.ts";
import { cachedPath, cacheFolder, findCached, findInstalled } from "./binaries/installed.ts";
import { downloadRelease, officialSites, type ReleaseSites } from "./binaries/release.ts";
import { ClusterError } from "./errors.ts";

export type { BinaryName } from "./binaries/catalogue.ts";

/** Absolute path of each program. */
export type Binaries = Readonly<Record<BinaryName, string>>;

export interface FindOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** Told each step, one line each. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly sites?: ReleaseSites;
}

type Found = Partial<Record<BinaryName, string>>;

function missingOf(found: Found): Binary[] {
  return binaryNames.filter((name) => found[name] === undefined).map((name) => catalogue[name]);
}

async function lookOnThisMachine(found: Found, { environment, log }: FindOptions): Promise<void> {
  for (const binary of missingOf(found)) {
    for (const { path, refusal } of await findInstalled(binary, environment)) {
      if (refusal === undefined) found[binary.name] = path;
      log(refusal === undefined ? `${binary.name}: ${path}` : `${binary.name}: refused ${path}: ${refusal}`);
    }
  }
}

async function lookInCache(found: Found, folder: string, { log }: FindOptions): Promise<void> {
  const names: string[] = [];
  for (const binary of missingOf(found)) {
    const path = await findCached(binary, folder);
    if (path === undefined) continue;
    found[binary.name] = path;
    names.push(binary.name);
  }
  if (names.length > 0) log(`${names.join(", ")}: from the cache ${folder}`);
}

async function download(found: Found, folder: string, options: FindOptions): Promise<string[]> {
  const { log, signal, sites = officialSites } = options;
  const problems = new Map<Binary["module"], string>();
  for (const binary of missingOf(found)) {
    // What one program of a release could not get from its site, the next one cannot get either.
    if (problems.has(binary.module)) continue;
    const target = cachedPath(folder, binary);
    try {
      log(`${binary.name}: downloading the official release v${binary.version}`);
      await downloadRelease(binary, target, { sites, signal });
      found[binary.name] = target;
    } catch (error) {
      signal?.throwIfAborted();
      problems.set(binary.module, (error as Error).message);
      log(`${binary.name}: no official release: ${(error as Error).message}`);
    }
  }
  return [...problems.values()];
}

async function tryDebian(found: Found, folder: string, { log }: FindOptions): Promise<string | undefined> {
  if (found.prometheus !== undefined) return undefined;
  try {
    log("prometheus: taking Debian's package");
    found.prometheus = await takeFromDebian(catalogue.prometheus, folder);
    return undefined;
  } catch (error) {
    log(`prometheus: not from Debian: ${firstLine(error)}`);
    return firstLine(error);
  }
}

async function build(found: Found, folder: string, options: FindOptions): Promise<string | undefined> {
  for (const binary of missingOf(found)) {
    const target = cachedPath(folder, binary);
    try {
      await goBuild(binary, target, options);
      found[binary.name] = target;
    } catch (error) {
      options.signal?.throwIfAborted();
      options.log(`${binary.name}: not built: ${firstLine(error)}`);
      return (error as Error).message;
    }
  }
  return undefined;
}

function firstLine(error: unknown): string {
  return (error as Error).message.split("\n", 1)[0] ?? "";
}

/** Finds, downloads or builds every program. Throws `ClusterError` `BINARY_MISSING` that names the four ways. */
export async function findBinaries(options: FindOptions): Promise<Binaries> {
  const found: Found = {};
  const folder = await cacheFolder(options.environment);
  await lookOnThisMachine(found, options);
  await lookInCache(found, folder, options);
  if (missingOf(found).length === 0) return found as Binaries;
  return withCacheLock(folder, options, async () => {
    await lookInCache(found, folder, options);
    const downloads = await download(found, folder, options);
    const debian = await tryDebian(found, folder, options);
    const built = await build(found, folder, options);
    const missing = missingOf(found);
    if (missing.length === 0) return found as Binaries;
    throw new ClusterError("BINARY_MISSING", describeMissing(missing, folder, { downloads, debian, built }));
  });
}

function describeMissing(
  missing: readonly Binary[],
  folder: string,
  problems: { downloads: readonly string[]; debian: string | undefined; built: string | undefined },
): string {
  const names = missing.map(({ name, version }) => `${name} v${version}`).join(", ");
  return [
    `Not found: ${names}. There are four ways to get them:`,
    `  1. install them and put their folder into KUBEBUILDER_ASSETS or PATH;`,
    `  2. put them into ${folder} as NAME-vVERSION;`,
    `  3. let this machine reach ${officialSites.kubernetes} and ${officialSites.github} (${[...new Set(problems.downloads)].join("; ")});`,
    `  4. install Go and let it reach a module proxy (${problems.built}).`,
    ...(problems.debian === undefined ? [] : [`  Prometheus alone: Debian's package (${problems.debian}).`]),
  ].join("\n");
}

if (import.meta.main) {
  try {
    await findBinaries({ environment: process.env, log: console.log });
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
