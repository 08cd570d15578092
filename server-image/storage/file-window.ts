// Reads small pieces of a large file in rising order, a window at a time.

import type { FileHandle } from "node:fs/promises";

const WINDOW_BYTES = 64 * 1024;

export class FileWindow {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #buffer = Buffer.alloc(WINDOW_BYTES);
  #start = 0;
  #end = 0;

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  /**
   * The bytes from `position` on, valid until the next call. Rejects with a RangeError beyond the end of the file.
   * @param length at most 64 KiB
   */
  async read(position: number, length: number): Promise<Buffer> {
    if (position < this.#start || position + length > this.#end) {
      await this.#load(position);
    }
    if (position + length > this.#end) {
      throw new RangeError(`the file ends at byte ${this.#end}`);
    }
    return this.#buffer.subarray(position - this.#start, position - this.#start + length);
  }

  async #load(position: number): Promise<void> {
    this.#start = position;
    this.#end = position;
    const wanted = Math.min(WINDOW_BYTES, this.#size - position);
    while (this.#end - position < wanted) {
      const have = this.#end - position;
      const { bytesRead } = await this.#handle.read(this.#buffer, have, wanted - have, this.#end);
      if (bytesRead === 0) {
        return;
      }
      this.#end += bytesRead;
    }
  }
}
