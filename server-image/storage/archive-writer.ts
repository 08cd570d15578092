// Writes the entries of an archive into the model's folder: counted, and nothing outside it, neither files nor links.

import { LoadError } from "../load-error.ts";
import { writeAt } from "./disk.ts";
import { linkTarget, plainRelativePath, quote, unsafePath } from "./safe-path.ts";
import type { Staging } from "./staging.ts";
import type { Transfer } from "./transfer.ts";

/** Small archives of zeros are no bombs: so much may be unpacked from any. */
const FREE_BYTES = 16 * 1024 ** 2;

export interface Archive {
  readonly file: string;
  /** Of the archive itself. */
  readonly bytes: number;
  /** For messages. */
  readonly label: string;
}

/** An archive that does not say what it holds in a way that can be read. */
export function invalidArchive(label: string, problem: string, options?: ErrorOptions): LoadError {
  return new LoadError(
    "download",
    "ARCHIVE_INVALID",
    `${label}: the archive is damaged or of an unknown kind: ${problem}`,
    options,
  );
}

export class ArchiveWriter {
  readonly #archive: Archive;
  readonly #staging: Staging;
  readonly #transfer: Transfer;
  readonly #maxBytes: number;
  /** Target by the path of the link. */
  readonly #links = new Map<string, string>();
  #entries = 0;
  #bytes = 0;

  constructor(archive: Archive, staging: Staging, transfer: Transfer) {
    this.#archive = archive;
    this.#staging = staging;
    this.#transfer = transfer;
    const { maxBytes, maxExpansionRatio } = transfer.limits;
    this.#maxBytes = Math.min(maxBytes, Math.max(FREE_BYTES, archive.bytes * maxExpansionRatio));
  }

  async folder(name: string): Promise<void> {
    await this.#staging.createFolder(this.#admit(name));
  }

  async file(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#staging.create(this.#admit(name), async (handle) => {
      let position = 0;
      for await (const chunk of chunks) {
        this.#transfer.signal.throwIfAborted();
        this.#count(chunk.length);
        await writeAt(handle, chunk, position);
        position += chunk.length;
      }
    });
  }

  /** @param target from the link's own folder */
  symbolicLink(name: string, target: string): void {
    const plain = this.#admit(name);
    this.#remember(plain, target, linkTarget(plain, target));
  }

  /** @param target from the archive's root */
  hardLink(name: string, target: string): void {
    this.#remember(this.#admit(name), target, plainRelativePath(target));
  }

  /** A device, a pipe, or whatever else is neither a file nor a folder. Throws a LoadError. */
  refuse(name: string, type: string): never {
    throw unsafePath(`${this.#archive.label}: the archive holds a ${type}, ${quote(name)}`);
  }

  /**
   * Makes the links, all of them as second names of files. While files are written there is thus no link on the disk
   * that one of them could be written through.
   */
  async finish(): Promise<void> {
    for (const [name, target] of this.#links) {
      const file = this.#follow(target);
      try {
        await this.#staging.link(file, name);
      } catch (cause) {
        if (cause instanceof LoadError) {
          throw cause;
        }
        const problem = `the link ${quote(name)} leads to no file of the archive`;
        throw invalidArchive(this.#archive.label, problem, { cause });
      }
    }
  }

  #follow(target: string): string {
    let file = target;
    const seen = new Set<string>();
    for (let next = this.#links.get(file); next !== undefined && !seen.has(file); next = this.#links.get(file)) {
      seen.add(file);
      file = next;
    }
    return file;
  }

  #remember(name: string, target: string, plainTarget: string | undefined): void {
    if (plainTarget === undefined) {
      const names = `${quote(name)} to ${quote(target)}`;
      throw unsafePath(`${this.#archive.label}: the archive holds a link that leads out, ${names}`);
    }
    this.#links.set(name, plainTarget);
  }

  /** The plain form of an entry's name. Throws a LoadError when it leads out, or when there are too many. */
  #admit(name: string): string {
    const { limits, signal } = this.#transfer;
    signal.throwIfAborted();
    this.#entries += 1;
    if (this.#entries > limits.maxFiles) {
      throw this.#tooLarge(`more than ${limits.maxFiles} files and folders (--max-model-files)`);
    }
    const plain = plainRelativePath(name);
    if (plain === undefined) {
      throw unsafePath(`${this.#archive.label}: the archive holds a name that leads out, ${quote(name)}`);
    }
    return plain;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#transfer.limits.maxBytes) {
      throw this.#tooLarge(`more than ${this.#transfer.limits.maxBytes} bytes (--max-model-bytes)`);
    }
    if (this.#bytes > this.#maxBytes) {
      const { maxExpansionRatio } = this.#transfer.limits;
      throw this.#tooLarge(`more than ${maxExpansionRatio} times its own size (--max-expansion-ratio)`);
    }
  }

  #tooLarge(what: string): LoadError {
    return new LoadError("download", "MODEL_TOO_LARGE", `${this.#archive.label}: the archive unpacks to ${what}`);
  }
}
