// Folders that Kubernetes mounts into the pod, which a model's path must not lead out of.

import path from "node:path";

import { realPathOf } from "./local-path.ts";
import { unsafePath } from "./safe-path.ts";

/** Where a model is in a mounted folder; both without symbolic links. */
export interface MountedPath {
  readonly root: string;
  readonly target: string;
}

/** @param inside path in the folder @param storageUri for messages. Rejects with a LoadError, also when a link leads out. */
export async function resolveInside(root: string, inside: string, storageUri: string): Promise<MountedPath> {
  const target = await realPathOf(path.join(root, inside), storageUri);
  requireInside(root, target, storageUri);
  return { root, target };
}

/** Throws a LoadError unless `target` is `root` or below it; both without symbolic links. */
export function requireInside(root: string, target: string, what: string): void {
  const relative = path.relative(root, target);
  if (relative === ".." || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
    throw unsafePath(`${what}: a symbolic link leads out of the volume`);
  }
}
