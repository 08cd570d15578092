// Downloads a program's official release and verifies its published checksum.

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runTool } from "../tool.ts";
import type { Binary } from "./catalogue.ts";

/** A machine without internet should move on to the next way at once. */
const answerTimeoutMs = 5000;

/** Where official releases are published, without a slash at the end. */
export interface ReleaseSites {
  readonly kubernetes: string;
  readonly github: string;
}

export const officialSites: ReleaseSites = {
  kubernetes: "https://dl.k8s.io/release",
  github: "https://github.com",
};

interface Release {
  readonly url: string;
  /** Text that holds the checksum: alone, or in lines of `CHECKSUM  FILE`. */
  readonly checksumUrl: string;
  /** Path in the archive; absent when the file is the program itself. */
  readonly member?: string;
}

/** Where the release of `binary` for this machine lies. `architecture` is Node's name, for example `x64`. */
export function releaseOf(binary: Binary, sites: ReleaseSites, architecture: string): Release {
  const machine = { x64: "amd64", arm64: "arm64" }[architecture];
  if (machine === undefined) throw new Error(`there is no release for the architecture ${architecture}`);
  const { name, version } = binary;
  switch (binary.module) {
    case "kubernetes": {
      const url = `${sites.kubernetes}/v${version}/bin/linux/${machine}/${name}`;
      return { url, checksumUrl: `${url}.sha256` };
    }
    case "etcd": {
      const folder = `${sites.github}/etcd-io/etcd/releases/download/v${version}`;
      const base = `etcd-v${version}-linux-${machine}`;
      return { url: `${folder}/${base}.tar.gz`, checksumUrl: `${folder}/SHA256SUMS`, member: `${base}/etcd` };
    }
    case "prometheus": {
      const folder = `${sites.github}/prometheus/prometheus/releases/download/v${version}`;
      const base = `prometheus-${version}.linux-${machine}`;
      return { url: `${folder}/${base}.tar.gz`, checksumUrl: `${folder}/sha256sums.txt`, member: `${base}/prometheus` };
    }
  }
}

/** The checksum of `file` in a checksum file, in lower case. */
export function findChecksum(text: string, file: string): string | undefined {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+\*?/));
  const [checksum] = lines.find(([, name]) => name === file) ?? lines.find((parts) => parts.length === 1) ?? [];
  return checksum !== undefined && /^[\da-f]{64}$/i.test(checksum) ? checksum.toLowerCase() : undefined;
}

async function open(url: string, signal: AbortSignal | undefined): Promise<Response> {
  const impatience = new AbortController();
  const timer = setTimeout(() => impatience.abort(), answerTimeoutMs);
  const signals = [impatience.signal, ...(signal === undefined ? [] : [signal])];
  try {
    const response = await fetch(url, { signal: AbortSignal.any(signals) });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    return response;
  } catch (cause) {
    signal?.throwIfAborted();
    if (impatience.signal.aborted) throw new Error(`${new URL(url).host} does not answer`, { cause });
    throw cause instanceof TypeError ? new Error(`cannot reach ${new URL(url).host}`, { cause }) : cause;
  } finally {
    clearTimeout(timer);
  }
}

/** Downloads to `file` and returns the SHA-256 of what came. */
async function download(url: string, file: string, signal: AbortSignal | undefined): Promise<string> {
  const response = await open(url, signal);
  if (response.body === null) throw new Error(`${url} answers without a body`);
  const hash = createHash("sha256");
  const source = Readable.fromWeb(response.body);
  source.on("data", (chunk: Buffer) => hash.update(chunk));
  await pipeline(source, createWriteStream(file));
  return hash.digest("hex");
}

/** Downloads the release of `binary` to `target`. Throws when it cannot be reached or its checksum is another. */
export async function downloadRelease(
  binary: Binary,
  target: string,
  options: { readonly sites: ReleaseSites; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const release = releaseOf(binary, options.sites, process.arch);
  const file = release.url.slice(release.url.lastIndexOf("/") + 1);
  const expected = findChecksum(await (await open(release.checksumUrl, options.signal)).text(), file);
  if (expected === undefined) throw new Error(`${release.checksumUrl} has no checksum for ${file}`);
  const folder = await mkdtemp(join(dirname(target), ".download-"));
  try {
    const downloaded = join(folder, file);
    const actual = await download(release.url, downloaded, options.signal);
    if (actual !== expected) {
      throw new Error(`${release.url} has the checksum ${actual}, published is ${expected}: it was not used`);
    }
    if (release.member !== undefined) await runTool("tar", ["-xzf", downloaded, "-C", folder, release.member]);
    const program = join(folder, release.member ?? file);
    await chmod(program, 0o755);
    await rename(program, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
