// Models in a folder of this machine or one mounted into it: used where they are, except archives, which are unpacked.

import { stat } from "node:fs/promises";

import { LoadError } from "../load-error.ts";
import { archiveKindOf, unpack } from "./archive.ts";
import { checksumOfMany, requireChecksum } from "./checksum.ts";
import { externalLocations, requireInFolder } from "./external-data.ts";
import { fileSystemError } from "./local-path.ts";
import { type FetchedModel, locateModel } from "./model-file.ts";
import { type KeepOptions, publishModel } from "./publish-model.ts";
import { Staging } from "./staging.ts";
import type { Transfer } from "./transfer.ts";

export interface LocalSource {
  /** A file or folder without symbolic links. */
  readonly target: string;
  /** For messages. */
  readonly label: string;
  /** Symbolic links must not lead out of this folder, where one is given. */
  readonly root?: string;
}

/** Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function openLocalModel(
  source: LocalSource,
  transfer: Transfer,
  options: KeepOptions,
): Promise<FetchedModel> {
  const { target, label } = source;
  try {
    const found = await stat(target);
    if (!found.isDirectory() && options.sha256 !== undefined) {
      await requireChecksum(target, options.sha256, label);
    }
    if (!found.isDirectory() && found.size === 0) {
      throw new LoadError("load", "MODEL_INVALID", `${label}: the file is empty`);
    }
    const kind = found.isDirectory() ? undefined : await archiveKindOf(target, target);
    if (kind === undefined) {
      return await useInPlace(source, found.isDirectory(), options.sha256);
    }
    const staging = await Staging.begin(options.modelDirectory);
    try {
      await unpack(kind, { file: target, bytes: found.size, label }, staging, transfer);
      return await publishModel(staging, label);
    } catch (error) {
      await staging.discard();
      throw error;
    }
  } catch (cause) {
    const isFromFileSystem = cause instanceof Error && "syscall" in cause && !(cause instanceof LoadError);
    throw isFromFileSystem ? fileSystemError(cause, label) : cause;
  }
}

async function useInPlace(
  { target, label, root }: LocalSource,
  isFolder: boolean,
  sha256: string | undefined,
): Promise<FetchedModel> {
  if (isFolder && sha256 !== undefined) {
    throw checksumOfMany(label, "a folder");
  }
  const model = await locateModel(target, { label, root });
  const locations = await externalLocations(model.path, label);
  if (locations.size > 0 && sha256 !== undefined) {
    throw checksumOfMany(label, "a model with external data");
  }
  await requireInFolder(model.path, locations, label);
  return model;
}
