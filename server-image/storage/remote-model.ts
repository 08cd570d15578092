// Fetches what is at a remote address: a file with its external data, an archive, or a folder.

import { rm, stat } from "node:fs/promises";
import path from "node:path";

import { LoadError } from "../load-error.ts";
import { archiveKindOf, unpack } from "./archive.ts";
import { checksumOfMany, requireChecksum } from "./checksum.ts";
import { downloadFile } from "./download-file.ts";
import { externalLocations, requirePlainLocation } from "./external-data.ts";
import { type FetchedModel, isNeeded, MODEL_FILE } from "./model-file.ts";
import { type KeepOptions, publishModel } from "./publish-model.ts";
import type { ListedFile, RemoteFile, RemoteStorage, Retrying } from "./remote-file.ts";
import { withRetries } from "./retry.ts";
import { plainRelativePath, quote, unsafePath } from "./safe-path.ts";
import { Staging } from "./staging.ts";
import { type Transfer, tooManyFiles } from "./transfer.ts";

/** One fetch: from where, to where, and the account of it. */
interface Fetch {
  readonly storage: RemoteStorage;
  readonly staging: Staging;
  readonly transfer: Transfer;
}

/** Rejects with a LoadError, or with the signal's reason when it aborts; then nothing is left behind. */
export async function fetchRemoteModel(
  storage: RemoteStorage,
  transfer: Transfer,
  { modelDirectory, sha256 }: KeepOptions,
): Promise<FetchedModel> {
  const staging = await Staging.begin(modelDirectory);
  const fetch = { storage, staging, transfer };
  try {
    const download = storage.file === undefined ? undefined : await receiveOne(storage.file, fetch);
    await (download === undefined ? receiveFolder(fetch, sha256) : takeIn(download, fetch, sha256));
    transfer.complete();
    return await publishModel(staging, storage.label);
  } catch (error) {
    await staging.discard();
    throw error;
  }
}

/** The path of the download; undefined where there is no such file, but may be a folder of that name. */
async function receiveOne(file: RemoteFile, { storage, staging, transfer }: Fetch): Promise<string | undefined> {
  try {
    return await staging.createDownload((handle) => downloadFile(file, handle, transfer));
  } catch (error) {
    if (storage.list !== undefined && error instanceof LoadError && error.code === "MODEL_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}

/** Makes the download the model: unpacked, or together with the external data that it names. */
async function takeIn(download: string, fetch: Fetch, sha256: string | undefined): Promise<void> {
  const { storage, staging, transfer } = fetch;
  const { label } = storage;
  if (sha256 !== undefined) {
    await requireChecksum(download, sha256, label);
  }
  const { size } = await stat(download);
  if (size === 0) {
    throw new LoadError("download", "MODEL_INVALID", `${label}: the answer was empty`);
  }
  const kind = await archiveKindOf(download, storage.name);
  if (kind !== undefined) {
    await unpack(kind, { file: download, bytes: size, label }, staging, transfer);
    await rm(download);
    return;
  }
  await staging.adopt(download, MODEL_FILE);
  const locations = await externalLocations(path.join(staging.folder, MODEL_FILE), label);
  if (sha256 !== undefined && locations.size > 0) {
    throw checksumOfMany(label, "a model with external data");
  }
  await receiveExternalData(locations, fetch);
}

async function receiveExternalData(locations: ReadonlySet<string>, fetch: Fetch): Promise<void> {
  const { storage, staging, transfer } = fetch;
  // Two spellings of one path are one file.
  const paths = new Set(Array.from(locations, (location) => requirePlainLocation(location, storage.label)));
  for (const location of paths) {
    const file = storage.sibling(location);
    await staging.create(location, (handle) => downloadFile(file, handle, transfer));
  }
}

async function receiveFolder({ storage, staging, transfer }: Fetch, sha256: string | undefined): Promise<void> {
  const { label, list } = storage;
  if (list === undefined) {
    throw new TypeError(`${label} has neither a file nor a folder`);
  }
  if (sha256 !== undefined) {
    throw checksumOfMany(label, "a folder");
  }
  const retrying: Retrying = (action) => withRetries({ action: () => action(transfer.signal), label }, transfer);
  const files = await listAll(list(retrying), { label, maxFiles: transfer.limits.maxFiles });
  const isWanted = isNeeded(files.map((file) => file.path));
  const needed = files.filter((file) => isWanted(file.path));
  transfer.expectInAll(
    needed.reduce((sum, { bytes }) => sum + bytes, 0),
    label,
  );
  for (const { path: relativePath, file } of needed) {
    await staging.create(relativePath, (handle) => downloadFile(file, handle, transfer));
  }
}

interface ListLimits {
  readonly label: string;
  readonly maxFiles: number;
}

async function listAll(listing: AsyncIterable<ListedFile>, { label, maxFiles }: ListLimits): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  for await (const file of listing) {
    const plain = plainRelativePath(file.path);
    if (plain === undefined || plain === "") {
      throw unsafePath(`${label}: the folder holds ${quote(file.path)}`);
    }
    files.push({ ...file, path: plain });
    if (files.length > maxFiles) {
      throw tooManyFiles(label, maxFiles);
    }
  }
  if (files.length === 0) {
    const message = `${label}: there is no such file, and no folder with files; check the path of the storage URI`;
    throw new LoadError("download", "MODEL_NOT_FOUND", message);
  }
  return files;
}
