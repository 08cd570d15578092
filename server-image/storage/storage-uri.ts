// Reads storage URIs: what forms there are, and what no form may contain.

import { LoadError } from "../load-error.ts";

export const STORAGE_FORMS =
  "https://HOST/PATH, http://HOST/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH, hf://OWNER/REPO[@REVISION]/FILE, " +
  "pvc://CLAIM/PATH, oci://REGISTRY/IMAGE, or a local path such as ./model.onnx";

/** In lower case; undefined for a plain path. */
export function schemeOf(storageUri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(storageUri)?.[1]?.toLowerCase();
}

/** Messages end in logs and in status: no user name, password or signed query. */
export function withoutSecrets(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** The storage URI for messages. */
export function labelOf(storageUri: string): string {
  return schemeOf(storageUri) === undefined
    ? storageUri
    : storageUri.replace(/[?#].*$/s, "").replace(/^([^/]+:\/\/)[^/]*@/, "$1");
}

export function invalidUri(message: string, options?: ErrorOptions): LoadError {
  return new LoadError("download", "INVALID_STORAGE_URI", message, options);
}

export function invalidSetting(message: string): LoadError {
  return new LoadError("download", "INVALID_STORAGE_SETTING", message);
}

/** A bucket and the path in it, which is empty or ends with "/" where it names a folder. */
export interface BucketAddress {
  readonly bucket: string;
  readonly key: string;
}

/**
 * Reads `s3://BUCKET/KEY` and `gs://BUCKET/KEY`; keys are taken as they are, without percent-decoding.
 * Throws a LoadError.
 */
export function parseBucketAddress(storageUri: string, scheme: "s3" | "gs"): BucketAddress {
  // Names of buckets end up in host names.
  const match = /^\w+:\/\/([a-z0-9](?:[a-z0-9._-]{1,220})[a-z0-9])(?:\/(.*))?$/s.exec(storageUri);
  const [, bucket, key = ""] = match ?? [];
  if (bucket === undefined || bucket.includes("..")) {
    throw invalidUri(
      `the storage URI must be ${scheme}://BUCKET/PATH, BUCKET being lower case letters, digits, ., - and _`,
    );
  }
  const segments = key.split("/");
  const inner = key.endsWith("/") ? segments.slice(0, -1) : segments;
  if (key !== "" && inner.some((segment) => segment === "" || segment === "." || segment === "..")) {
    throw invalidUri(`${storageUri}: the path must not contain ".", ".." or empty segments`);
  }
  return { bucket, key };
}
