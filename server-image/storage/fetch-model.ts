// Gets the model's file to a local path, by the scheme of its storage URI.

import { LoadError } from "../load-error.ts";
import type { Log } from "../log.ts";
import { type DownloadLimits, download } from "./http.ts";
import { resolveLocalPath } from "./local-path.ts";
import { type FetchedModel, locateModel } from "./model-file.ts";
import { resolveClaimPath } from "./persistent-volume.ts";

export interface FetchOptions {
  /** Where downloads go; made if it does not exist. */
  readonly modelDirectory: string;
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
      return { path: await download(storageUri, options), version: "1", temporary: true };
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
