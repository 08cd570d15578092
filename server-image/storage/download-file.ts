// Downloads one file: tried again when that can help, from where it broke off if the storage allows it.

import type { FileHandle } from "node:fs/promises";

import { writeAt, writing } from "./disk.ts";
import { type OpenedFile, type RemoteFile, RetryableError } from "./remote-file.ts";
import { withRetries } from "./retry.ts";
import type { Transfer } from "./transfer.ts";

/** Fills an empty file. Rejects with a LoadError, or with the signal's reason when it aborts. */
export async function downloadFile(file: RemoteFile, handle: FileHandle, transfer: Transfer): Promise<void> {
  transfer.beginFile(file.label);
  const download = new Download(file, handle, transfer);
  const { label } = file;
  await withRetries({ action: () => download.attempt(), progress: () => download.furthest, label }, transfer);
}

class Download {
  readonly #file: RemoteFile;
  readonly #handle: FileHandle;
  readonly #transfer: Transfer;
  /** What is in the handle's file. */
  #bytes = 0;
  #furthest = 0;
  #validator: string | undefined;

  constructor(file: RemoteFile, handle: FileHandle, transfer: Transfer) {
    this.#file = file;
    this.#handle = handle;
    this.#transfer = transfer;
  }

  /** The most bytes that any attempt has got. */
  get furthest(): number {
    return this.#furthest;
  }

  async attempt(): Promise<void> {
    const opened = await this.#file.open(this.#position(), this.#transfer.signal);
    try {
      await this.#goTo(opened.startsAt);
      this.#validator = opened.validator;
      await this.#receive(opened);
    } catch (error) {
      if (error instanceof RetryableError && error.isCorrupt) {
        this.#validator = undefined;
      }
      throw error;
    } finally {
      opened.close();
    }
  }

  #position() {
    return this.#validator === undefined || this.#bytes === 0
      ? undefined
      : { bytes: this.#bytes, validator: this.#validator };
  }

  async #goTo(startsAt: number): Promise<void> {
    if (startsAt === this.#bytes) {
      return;
    }
    if (startsAt !== 0) {
      throw new RetryableError("the answer begins at another place than asked for", { isCorrupt: true });
    }
    this.#transfer.lost(this.#bytes);
    this.#bytes = 0;
    await writing(() => this.#handle.truncate(0));
  }

  async #receive({ chunks, totalBytes }: OpenedFile): Promise<void> {
    const { label } = this.#file;
    this.#transfer.expectFile(totalBytes, this.#bytes, label);
    for await (const chunk of chunks) {
      this.#transfer.received(chunk.length, label);
      await writeAt(this.#handle, chunk, this.#bytes);
      this.#bytes += chunk.length;
      this.#furthest = Math.max(this.#furthest, this.#bytes);
    }
    if (totalBytes !== undefined && this.#bytes !== totalBytes) {
      const isCorrupt = this.#bytes > totalBytes;
      throw new RetryableError(`${this.#bytes} bytes came where ${totalBytes} were announced`, { isCorrupt });
    }
  }
}
