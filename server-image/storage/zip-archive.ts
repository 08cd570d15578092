// Reads zip archives.

import { crc32 } from "node:zlib";

import type { Entry, ZipFile } from "yauzl";

import type { ArchiveWriter } from "./archive-writer.ts";
import { quote } from "./safe-path.ts";

/** Bits of the Unix mode that say what an entry is, and their values. */
const TYPE_BITS = 0o170000;
const TYPES = { folder: 0o040000, file: 0o100000, link: 0o120000 } as const;

/** As long as Linux allows paths to be. */
const MAX_LINK_BYTES = 4096;

/** Gives every entry to the writer, in order. Rejects with what the writer throws, or with what yauzl says. */
export async function unpackZip(file: string, writer: ArchiveWriter): Promise<void> {
  const { openPromise } = await import("yauzl");
  // Names as bytes: their own check is stricter and says why.
  const zip = await openPromise(file, { lazyEntries: true, decodeStrings: false });
  for await (const entry of zip.eachEntry()) {
    await unpackEntry(zip, entry, writer);
  }
}

async function unpackEntry(zip: ZipFile, entry: Entry, writer: ArchiveWriter): Promise<void> {
  const name = nameOf(entry);
  const type = (entry.externalFileAttributes >>> 16) & TYPE_BITS;
  if (!entry.canDecodeFileData()) {
    throw new Error(`${quote(name)} is encrypted or compressed with another method than deflate`);
  }
  if (name.endsWith("/") || type === TYPES.folder) {
    await writer.folder(name);
  } else if (type === TYPES.link) {
    writer.symbolicLink(name, await readLink(zip, entry));
  } else if (type === TYPES.file || type === 0) {
    await writer.file(name, checkedChunks(zip, entry));
  } else {
    writer.refuse(name, "device or pipe");
  }
}

/** Some programs on Windows write backslashes between folders. */
function nameOf(entry: Entry): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(entry.fileNameRaw).replaceAll("\\", "/");
}

/** Throws when the bytes are not those that were packed, which yauzl does not look at. */
async function* checkedChunks(zip: ZipFile, entry: Entry): AsyncGenerator<Uint8Array> {
  let checksum = 0;
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    checksum = crc32(chunk as Buffer, checksum);
    yield chunk as Buffer;
  }
  if (checksum !== entry.crc32) {
    throw new Error(`the checksum of ${quote(nameOf(entry))} is wrong`);
  }
}

async function readLink(zip: ZipFile, entry: Entry): Promise<string> {
  if (entry.uncompressedSize > MAX_LINK_BYTES) {
    throw new Error(`the link ${quote(nameOf(entry))} is too long`);
  }
  return Buffer.concat(await Array.fromAsync(checkedChunks(zip, entry))).toString();
}
