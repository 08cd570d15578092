// Calls of the file system while a model is written, with errors that say what to do and not where a temporary folder is.

import { type FileHandle, open } from "node:fs/promises";

import { LoadError } from "../load-error.ts";

/** Runs an action on the file system. Rejects with a LoadError. */
export async function writing<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw writeError(cause);
  }
}

function writeError(cause: unknown): LoadError {
  const { code } = cause as NodeJS.ErrnoException;
  const reason = code === "ENOSPC" || code === "EDQUOT" ? `the disk is full (${code})` : String(code);
  const message = `the model cannot be written to its folder (--model-directory): ${reason}`;
  return new LoadError("download", "WRITE_FAILED", message, { cause });
}

/** All of `bytes`, at `position` of the file. Rejects with a LoadError. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  await writing(async () => {
    for (let written = 0; written < bytes.length; ) {
      const result = await handle.write(bytes, written, bytes.length - written, position + written);
      written += result.bytesWritten;
    }
  });
}

/** Puts the names in `folder` on the disk. Rejects with a LoadError. */
export async function syncFolder(folder: string): Promise<void> {
  await writing(async () => {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}
