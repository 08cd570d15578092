// Archives that hold a model: recognised by their first bytes or their name, and unpacked.

import { open } from "node:fs/promises";
import { LoadError } from "../load-error.ts";
import { type Archive, ArchiveWriter, invalidArchive } from "./archive-writer.ts";
import type { Staging } from "./staging.ts";
import { unpackTar } from "./tar-archive.ts";
import type { Transfer } from "./transfer.ts";
import { unpackZip } from "./zip-archive.ts";

export type ArchiveKind = "tar" | "tar.gz" | "zip";

/** Where the bytes "ustar" of a tar archive are. */
const TAR_MAGIC_OFFSET = 257;

/** Undefined: no archive. @param name the file's name at its storage, which says what an archive without magic is */
export async function archiveKindOf(file: string, name: string): Promise<ArchiveKind | undefined> {
  const head = await readHead(file);
  if (head.subarray(0, 4).equals(Buffer.from("PK\x03\x04")) || head.subarray(0, 4).equals(Buffer.from("PK\x05\x06"))) {
    return "zip";
  }
  if (head[0] === 0x1f && head[1] === 0x8b) {
    return "tar.gz";
  }
  if (head.subarray(TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5).toString("latin1") === "ustar") {
    return "tar";
  }
  return kindByName(name);
}

function kindByName(name: string): ArchiveKind | undefined {
  const lower = name.toLowerCase();
  if (lower.endsWith(".tar.gz") || lower.endsWith(".tgz")) {
    return "tar.gz";
  }
  if (lower.endsWith(".tar")) {
    return "tar";
  }
  return lower.endsWith(".zip") ? "zip" : undefined;
}

async function readHead(file: string): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Unpacks into the model's folder. Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function unpack(kind: ArchiveKind, archive: Archive, staging: Staging, transfer: Transfer): Promise<void> {
  const writer = new ArchiveWriter(archive, staging, transfer);
  try {
    await (kind === "zip"
      ? unpackZip(archive.file, writer)
      : unpackTar(archive.file, { compressed: kind === "tar.gz", writer, signal: transfer.signal }));
  } catch (error) {
    transfer.signal.throwIfAborted();
    throw error instanceof LoadError ? error : invalidArchive(archive.label, problemOf(error), { cause: error });
  }
  await writer.finish();
}

/** Errors of the file system name the path, which may be a temporary one. */
function problemOf(error: unknown): string {
  const { code, path, message } = error as NodeJS.ErrnoException;
  return path === undefined ? message : String(code);
}
