// Gets the model's file to a local path, by the scheme of its storage URI.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { LoadError } from "../load-error.ts";
import type { Log } from "../log.ts";
import { type DownloadLimits, download } from "./http.ts";
import { resolveLocalPath } from "./local-path.ts";
import { type FetchedModel, locateModel } from "./model-file.ts";
import { resolveClaimPath } from "./persistent-volume.ts";

export interface FetchOptions {
  /** Where downloads go; made if it does not exist. Undefined: a temporary folder, made for the download. */
  readonly modelDirectory: string | undefined;
  /** The folder in which claims are mounted, each under its own name. */
  readonly pvcRoot: string;
  readonly limits: DownloadLimits;
  readonly signal: AbortSignal;
  /** A number in [0, 1): jitter of the waits between attempts. */
  readonly random: () => number;
  readonly log: Log;
}

export const STORAGE_FORMS =
  "http://HOST/PATH, https://HOST/PATH, pvc://CLAIM/PATH, or a local path such as ./model.onnx";

/** Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function fetchModel(storageUri: string, options: FetchOptions): Promise<FetchedModel> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(storageUri)?.[1]?.toLowerCase();
  switch (scheme) {
    case "http":
    case "https":
      return fetchRemote(storageUri, options);
    case "pvc": {
      const { root, target } = await resolveClaimPath(storageUri, options.pvcRoot);
      return locateModel(target, root);
    }
    case undefined:
    case "file": {
      const target = await resolveLocalPath(storageUri);
      return locateModel(target);
    }
    default:
      throw new LoadError(
        "download",
        "INVALID_STORAGE_URI",
        `storage URI scheme ${JSON.stringify(scheme)} is not supported; give ${STORAGE_FORMS}`,
      );
  }
}

async function fetchRemote(storageUri: string, options: FetchOptions): Promise<FetchedModel> {
  const { modelDirectory } = options;
  if (modelDirectory !== undefined) {
    const file = await download(storageUri, { ...options, modelDirectory });
    return { path: file, version: "1", temporaryPath: file };
  }
  const folder = await makeTemporaryFolder();
  try {
    const file = await download(storageUri, { ...options, modelDirectory: folder });
    return { path: file, version: "1", temporaryPath: folder };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Its name cannot be foreseen, and nobody else may write into it: what lies there is what was downloaded. */
async function makeTemporaryFolder(): Promise<string> {
  try {
    return await mkdtemp(path.join(tmpdir(), "plimsoll-"));
  } catch (cause) {
    const message = `no temporary folder can be made in ${tmpdir()} (give --model-directory): ${String(cause)}`;
    throw new LoadError("download", "STORAGE_UNAVAILABLE", message, { cause });
  }
}
