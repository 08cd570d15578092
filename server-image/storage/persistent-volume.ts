// Models on a mounted persistent volume claim: pvc://CLAIM/PATH, never outside the claim's folder.

import path from "node:path";

import { LoadError } from "../load-error.ts";
import { realPathOf } from "./local-path.ts";

/** A claim's name is a DNS name, so it cannot leave the folder of mounts. */
const CLAIM_ADDRESS = /^pvc:\/\/([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(\/.*)?$/;

/**
 * The path that a pvc:// address stands for, and the claim's folder, both without symbolic links.
 * Rejects with a LoadError, also when the path leads out of the claim.
 */
export async function resolveClaimPath(storageUri: string, pvcRoot: string): Promise<{ root: string; target: string }> {
  const match = CLAIM_ADDRESS.exec(storageUri);
  const claim = match?.[1];
  if (claim === undefined) {
    throw invalid(`${storageUri}: give pvc://CLAIM/PATH, CLAIM being the name of a PersistentVolumeClaim`);
  }
  const inside = match?.[3] ?? "/";
  if (inside.split("/").includes("..")) {
    throw invalid(`${storageUri}: the path must not contain ".."`);
  }
  const root = await realPathOf(path.join(pvcRoot, claim), `claim ${claim}, mounted at ${path.join(pvcRoot, claim)}`);
  const target = await realPathOf(path.join(root, inside), storageUri);
  requireInside(root, target, storageUri);
  return { root, target };
}

/** Throws a LoadError unless `target` is `root` or below it; both without symbolic links. */
export function requireInside(root: string, target: string, what: string): void {
  const relative = path.relative(root, target);
  if (relative === ".." || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
    throw invalid(`${what}: a symbolic link leads out of the volume, which is not allowed`);
  }
}

function invalid(message: string): LoadError {
  return new LoadError("download", "INVALID_STORAGE_URI", message);
}
