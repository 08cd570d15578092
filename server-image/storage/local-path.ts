// Models in the local file system: a plain path or a file:// address.

import { realpath } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { LoadError } from "../load-error.ts";
import { invalidUri } from "./storage-uri.ts";

/** The absolute path without symbolic links. Rejects with a LoadError. */
export async function resolveLocalPath(storageUri: string): Promise<string> {
  return realPathOf(storageUri.startsWith("file:") ? pathOfUrl(storageUri) : storageUri, storageUri);
}

function pathOfUrl(storageUri: string): string {
  try {
    return fileURLToPath(storageUri);
  } catch (cause) {
    throw invalidUri(`${storageUri}: give file:///ABSOLUTE/PATH`, { cause });
  }
}

/** Resolves symbolic links. Rejects with a LoadError that names `storageUri`, as the user wrote it. */
export async function realPathOf(file: string, storageUri: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (cause) {
    throw fileSystemError(cause, storageUri);
  }
}

/** A LoadError for a failed file system call. */
export function fileSystemError(cause: unknown, what: string): LoadError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new LoadError("download", "MODEL_NOT_FOUND", `${what}: there is no such file or folder`, { cause });
    case "EACCES":
    case "EPERM":
      return new LoadError("download", "ACCESS_DENIED", `${what}: this process may not read it`, { cause });
    default:
      return new LoadError("download", "STORAGE_UNAVAILABLE", `${what}: ${String(code ?? cause)}`, { cause });
  }
}
