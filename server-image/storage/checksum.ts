// Compares a downloaded file with the SHA-256 that was asked for.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

import { LoadError } from "../load-error.ts";
import { invalidSetting } from "./storage-uri.ts";

/** Rejects with a LoadError when the file has another checksum. @param sha256 64 hexadecimal digits in lower case */
export async function requireChecksum(file: string, sha256: string, label: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk as Buffer);
  }
  const actual = hash.digest("hex");
  if (actual !== sha256) {
    const message = `${label}: its SHA-256 is ${actual}, not ${sha256} (--storage-sha256)`;
    throw new LoadError("download", "CHECKSUM_MISMATCH", message);
  }
}

/** A checksum that would not cover everything is refused rather than believed. */
export function checksumOfMany(label: string, what: string): LoadError {
  return invalidSetting(`${label} is ${what}, but --storage-sha256 is of one file; pack it as an archive`);
}
