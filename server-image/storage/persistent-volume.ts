// Models on a mounted persistent volume claim: pvc://CLAIM/PATH, never outside the claim's folder.

import path from "node:path";

import { realPathOf } from "./local-path.ts";
import { type MountedPath, resolveInside } from "./mounted-folder.ts";
import { invalidUri } from "./storage-uri.ts";

/** A claim's name is a DNS name, so it cannot leave the folder of mounts. */
const CLAIM_ADDRESS = /^pvc:\/\/([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(\/.*)?$/;

/** What a pvc:// address stands for. Rejects with a LoadError, also when the path leads out of the claim. */
export async function resolveClaimPath(storageUri: string, pvcRoot: string): Promise<MountedPath> {
  const match = CLAIM_ADDRESS.exec(storageUri);
  const claim = match?.[1];
  if (claim === undefined) {
    throw invalidUri(`${storageUri}: give pvc://CLAIM/PATH, CLAIM being the name of a PersistentVolumeClaim`);
  }
  const inside = match?.[3] ?? "/";
  if (inside.split("/").includes("..")) {
    throw invalidUri(`${storageUri}: the path must not contain ".."`);
  }
  const root = await realPathOf(path.join(pvcRoot, claim), `claim ${claim}, mounted at ${path.join(pvcRoot, claim)}`);
  return resolveInside(root, inside, storageUri);
}
