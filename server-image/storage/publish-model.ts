// The last step of every fetch that writes: the model is found, checked and given its final place.

import path from "node:path";

import { externalLocations, requireInFolder } from "./external-data.ts";
import { type FetchedModel, locateModel } from "./model-file.ts";
import type { Staging } from "./staging.ts";

export interface KeepOptions {
  /** Undefined: a new temporary folder. */
  readonly modelDirectory: string | undefined;
  /** Of the one file or archive, in lower case hexadecimal. */
  readonly sha256: string | undefined;
}

/** Rejects with a LoadError. @param label the storage URI for messages */
export async function publishModel(staging: Staging, label: string): Promise<FetchedModel> {
  const { path: file, version } = await locateModel(staging.folder, { label });
  await requireInFolder(file, await externalLocations(file, label), label);
  const { folder, temporaryPath } = await staging.publish();
  return { path: path.join(folder, path.relative(staging.folder, file)), version, temporaryPath };
}
