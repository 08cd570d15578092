// Looks for programs that this machine has already: KUBEBUILDER_ASSETS, PATH, and the cache of earlier runs.

import { access, constants, mkdir, readdir, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { tryTool } from "../tool.ts";
import { acceptedRange, type Binary, isAccepted, parseVersion } from "./catalogue.ts";

/** A program that was found: where it lies, and why it was not taken if it was not. */
export interface Finding {
  readonly path: string;
  readonly refusal?: string;
}

/** The folder of downloaded and built programs, made when it is missing. */
export async function cacheFolder(environment: NodeJS.ProcessEnv): Promise<string> {
  const folder = join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "plimsoll", "bin");
  await mkdir(folder, { recursive: true });
  return folder;
}

export function cachedPath(folder: string, binary: Binary, version = binary.version): string {
  return join(folder, `${binary.name}-v${version}`);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function inspect(path: string, binary: Binary): Promise<Finding> {
  const answer = await tryTool(path, binary.versionArguments);
  const version = parseVersion(`${answer.stdout}\n${answer.stderr}`);
  if (version === undefined) return { path, refusal: "it does not say its version" };
  if (isAccepted(binary, version)) return { path };
  return { path, refusal: `it is version ${version.join(".")}; needed is ${acceptedRange(binary)}` };
}

/** Every program of that name in KUBEBUILDER_ASSETS and PATH, in this order. */
export async function findInstalled(binary: Binary, environment: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const folders = [environment["KUBEBUILDER_ASSETS"] ?? "", ...(environment["PATH"] ?? "").split(delimiter)];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const folder of folders.filter((name) => name !== "")) {
    const path = join(folder, binary.name);
    if (!(await isExecutable(path))) continue;
    // On many machines /bin and /usr/bin are one folder.
    const file = await realpath(path);
    if (seen.has(file)) continue;
    seen.add(file);
    findings.push(await inspect(path, binary));
    if (findings.at(-1)?.refusal === undefined) break;
  }
  return findings;
}

/** The program in the cache: the version of the catalogue if it is there, else another accepted one. */
export async function findCached(binary: Binary, folder: string): Promise<string | undefined> {
  const wanted = cachedPath(folder, binary);
  if (await isExecutable(wanted)) return wanted;
  const usable = (await readdir(folder)).find((name) => {
    const version = parseVersion(name);
    return version !== undefined && isAccepted(binary, version) && name === `${binary.name}-v${version.join(".")}`;
  });
  return usable === undefined ? undefined : join(folder, usable);
}
