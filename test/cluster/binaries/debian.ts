// Takes Prometheus out of Debian's package, without installing it: seconds instead of a build of minutes.

import { cp, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runTool, tryTool } from "../tool.ts";
import { acceptedRange, type Binary, isAccepted, parseVersion } from "./catalogue.ts";
import { cachedPath } from "./installed.ts";

const impatient = ["-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5", "-o", "Acquire::Retries=0"];

async function downloadPackage(folder: string): Promise<void> {
  const fetchPackage = () => tryTool("apt-get", [...impatient, "download", "prometheus"], { workingDirectory: folder });
  if ((await fetchPackage()).exitCode === 0) return;
  // Package lists are missing on fresh machines, and old ones name packages that are gone.
  await runTool("apt-get", [...impatient, "update"]);
  const second = await fetchPackage();
  if (second.exitCode !== 0) throw new Error(second.stderr.trim());
}

/** Puts Debian's Prometheus into the cache folder and returns its path. Throws when apt-get cannot get it. */
export async function takeFromDebian(binary: Binary, cache: string): Promise<string> {
  const folder = await mkdtemp(join(cache, ".debian-"));
  try {
    await downloadPackage(folder);
    const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get downloaded no package");
    await runTool("dpkg", ["-x", join(folder, archive), join(folder, "files")]);
    const program = join(folder, "files", "usr", "bin", "prometheus");
    const version = parseVersion(await runTool(program, binary.versionArguments));
    if (version === undefined || !isAccepted(binary, version)) {
      throw new Error(`Debian has version ${version?.join(".")}; needed is ${acceptedRange(binary)}`);
    }
    const target = cachedPath(cache, binary, version.join("."));
    const copy = join(folder, "prometheus");
    await cp(program, copy, { dereference: true });
    await rename(copy, target);
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
