// Models in a mounted container image: oci://REGISTRY/IMAGE, found in the image's folder models, or else at its root.

import { readdir } from "node:fs/promises";

import { LoadError } from "../load-error.ts";
import { realPathOf } from "./local-path.ts";
import { type MountedPath, resolveInside } from "./mounted-folder.ts";
import { invalidUri } from "./storage-uri.ts";

/** A registry's host, a repository, and a tag or a digest or nothing: what Kubernetes takes as an image's reference. */
const IMAGE_ADDRESS =
  /^oci:\/\/[a-z0-9.-]+(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$/;

/** As model images are made for other servers. */
const MODELS_FOLDER = "models";

/** What an oci:// address stands for: the image is mounted at `ociRoot`. Rejects with a LoadError. */
export async function resolveImagePath(storageUri: string, ociRoot: string): Promise<MountedPath> {
  if (!IMAGE_ADDRESS.test(storageUri)) {
    throw invalidUri(`${storageUri}: give oci://REGISTRY/IMAGE, with :TAG or @sha256:DIGEST if need be`);
  }
  const root = await realPathOf(ociRoot, `the image of ${storageUri}, mounted at ${ociRoot}`);
  const names = await readdir(root);
  if (names.length === 0) {
    throw new LoadError("download", "MODEL_NOT_FOUND", `the image of ${storageUri}, mounted at ${ociRoot}, is empty`);
  }
  return resolveInside(root, names.includes(MODELS_FOLDER) ? MODELS_FOLDER : "", storageUri);
}
