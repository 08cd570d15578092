// For tests: zip archives, byte by byte, so that they can be hostile.

import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  readonly name: string | Buffer;
  readonly content?: Buffer | string;
  /** Unix mode with its type bits; 0: none is given. */
  readonly mode?: number;
  readonly flags?: number;
  readonly method?: number;
  /** What the directory says, where that is not the truth. */
  readonly claimedSize?: number;
  readonly claimedChecksum?: number;
}

const DEFLATE = 8;
const UTF8 = 0x800;

export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const [local, central] = encodeEntry(entry, offset);
    locals.push(local);
    directory.push(central);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, central, end]);
}

function encodeEntry(entry: ZipEntry, offset: number): [Buffer, Buffer] {
  const { mode = 0, flags = UTF8, method = DEFLATE } = entry;
  const name = Buffer.from(entry.name);
  const content = Buffer.from(entry.content ?? "");
  const packed = method === DEFLATE ? deflateRawSync(content) : content;
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(flags, 2);
  common.writeUInt16LE(method, 4);
  common.writeUInt32LE(entry.claimedChecksum ?? crc32(content), 10);
  common.writeUInt32LE(packed.length, 14);
  common.writeUInt32LE(entry.claimedSize ?? content.length, 18);
  common.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), common, name, packed]);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE((mode << 16) >>> 0, 6);
  rest.writeUInt32LE(offset, 10);
  const madeBy = Buffer.from([20, 3]);
  const central = Buffer.concat([Buffer.from("PK\x01\x02", "latin1"), madeBy, common, rest, name]);
  return [local, central];
}
