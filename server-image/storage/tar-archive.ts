// Reads tar archives, compressed with gzip or not.

import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

import type { ArchiveWriter } from "./archive-writer.ts";

export interface UnpackTarOptions {
  /** With gzip. */
  readonly compressed: boolean;
  readonly writer: ArchiveWriter;
  readonly signal: AbortSignal;
}

/** Gives every entry to the writer, in order. Rejects with what the writer throws, or with what tar-stream or zlib say. */
export async function unpackTar(file: string, { compressed, writer, signal }: UnpackTarOptions): Promise<void> {
  const { extract } = await import("tar-stream");
  const entries = extract();
  const source = createReadStream(file);
  const feeding = compressed
    ? pipeline(source, createGunzip(), entries, { signal })
    : pipeline(source, entries, { signal });
  // What fails there fails the loop below as well, and that one says it.
  feeding.catch(() => undefined);
  for await (const entry of entries) {
    const { name, type, linkname } = entry.header;
    switch (type) {
      case "file":
      case "contiguous-file":
        await writer.file(name, entry as AsyncIterable<Uint8Array>);
        break;
      case "directory":
        await writer.folder(name);
        break;
      case "symlink":
        writer.symbolicLink(name, linkname ?? "");
        break;
      case "link":
        writer.hardLink(name, linkname ?? "");
        break;
      default:
        writer.refuse(name, type ?? "entry of an unknown type");
    }
    entry.resume();
  }
  await feeding;
}
