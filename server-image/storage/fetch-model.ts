// Gets the model's file to a local path, by the scheme of its storage URI.

import { LoadError } from "../load-error.ts";
import { type Environment, StorageCredentials } from "./credentials.ts";
import type { ResolveHost } from "./guarded-agent.ts";
import { openHttpStorage } from "./http.ts";
import { type HttpAccess, makeHttpAccess } from "./http-request.ts";
import { resolveImagePath } from "./image-volume.ts";
import { openLocalModel } from "./local-model.ts";
import { resolveLocalPath } from "./local-path.ts";
import type { FetchedModel } from "./model-file.ts";
import type { MountedPath } from "./mounted-folder.ts";
import type { StorageConfig } from "./options.ts";
import { resolveClaimPath } from "./persistent-volume.ts";
import type { RemoteStorage } from "./remote-file.ts";
import { fetchRemoteModel } from "./remote-model.ts";
import { invalidUri, labelOf, STORAGE_FORMS, schemeOf } from "./storage-uri.ts";
import { Transfer, type TransferOptions } from "./transfer.ts";

export interface FetchOptions extends Omit<TransferOptions, "limits"> {
  /** Without a single byte, in each attempt. */
  readonly stallTimeoutMs: number;
  /** The wait before the second attempt; it doubles with each, up to 30 s. */
  readonly firstWaitMs: number;
  readonly environment: Environment;
  readonly resolveHost: ResolveHost;
}

/** Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function fetchModel(config: StorageConfig, options: FetchOptions): Promise<FetchedModel> {
  const deadline = AbortSignal.timeout(config.downloadTimeoutSeconds * 1000);
  const signal = AbortSignal.any([options.signal, deadline]);
  const limits = {
    firstWaitMs: options.firstWaitMs,
    maxBytes: config.maxModelBytes,
    maxFiles: config.maxModelFiles,
    maxExpansionRatio: config.maxExpansionRatio,
  };
  const transfer = new Transfer({ ...options, limits, signal });
  try {
    return await fetchByScheme(config, transfer, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (deadline.aborted) {
      const limit = `${config.downloadTimeoutSeconds} s (--download-timeout-seconds)`;
      const failure = transfer.lastFailure === undefined ? "" : `; the last attempt failed: ${transfer.lastFailure}`;
      const message = `${labelOf(config.storageUri)}: not complete after ${limit}${failure}`;
      throw new LoadError("download", "DOWNLOAD_TIMEOUT", message, { cause: error });
    }
    throw error;
  }
}

async function fetchByScheme(config: StorageConfig, transfer: Transfer, options: FetchOptions): Promise<FetchedModel> {
  const { storageUri } = config;
  const keep = { modelDirectory: config.modelDirectory, sha256: config.storageSha256 };
  const scheme = schemeOf(storageUri);
  switch (scheme) {
    case undefined:
    case "file": {
      const target = await resolveLocalPath(storageUri);
      return openLocalModel({ target, label: storageUri }, transfer, keep);
    }
    case "pvc":
      return openLocalModel(labelled(await resolveClaimPath(storageUri, config.pvcRoot), storageUri), transfer, keep);
    case "oci":
      return openLocalModel(labelled(await resolveImagePath(storageUri, config.ociRoot), storageUri), transfer, keep);
    default:
      return fetchRemoteModel(await openRemote(scheme, config, options), transfer, keep);
  }
}

function labelled(mounted: MountedPath, label: string): MountedPath & { readonly label: string } {
  return { ...mounted, label };
}

/** Modules with large libraries are loaded only for their own schemes. */
async function openRemote(scheme: string, config: StorageConfig, options: FetchOptions): Promise<RemoteStorage> {
  const { storageUri } = config;
  const { environment, resolveHost, stallTimeoutMs } = options;
  const credentials = new StorageCredentials(environment, config.storageCredentialsDirectory);
  await credentials.requireFolder();
  const access: HttpAccess = makeHttpAccess(config.storageAllowedNetworks, resolveHost, stallTimeoutMs);
  const useInstanceCredentials = config.storageInstanceCredentials;
  switch (scheme) {
    case "http":
    case "https":
      return openHttpStorage(storageUri, access);
    case "s3": {
      const { openS3Storage } = await import("./s3.ts");
      const { s3Endpoint: endpoint, s3AddressingStyle: addressingStyle } = config;
      return openS3Storage(storageUri, { access, credentials, endpoint, addressingStyle, useInstanceCredentials });
    }
    case "gs": {
      const { openGoogleCloudStorage } = await import("./google-cloud.ts");
      return openGoogleCloudStorage(storageUri, { access, credentials, useInstanceCredentials });
    }
    case "hf": {
      const { openHuggingFaceStorage } = await import("./hugging-face.ts");
      return openHuggingFaceStorage(storageUri, { access, credentials });
    }
    default:
      throw invalidUri(`storage URI scheme ${JSON.stringify(scheme)} is not supported; give ${STORAGE_FORMS}`);
  }
}
