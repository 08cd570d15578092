// JSON heads of binary requests that came before: clients send the same one again and again, only the tensors differ.

import type { RequestHead } from "./request-head.ts";

/** Bounds the memory, and the time of a search that finds nothing. */
const MAX_ENTRIES = 8;
const MAX_HEAD_BYTES = 4096;

interface Entry {
  readonly bytes: Buffer;
  readonly head: RequestHead;
}

/** Comparing bytes takes a tenth of the time of parsing and checking them, which would be half of a small request's. */
export class HeadCache {
  readonly #entries: Entry[] = [];
  #oldest = 0;

  /** What `keep` was given for the same bytes as the first `length` of a body. */
  find(body: Buffer, length: number): RequestHead | undefined {
    for (const { bytes, head } of this.#entries) {
      if (bytes.length === length && bytes.compare(body, 0, length) === 0) {
        return head;
      }
    }
    return undefined;
  }

  /** Keeps what is worth it: a head with an id is unlikely to come again, one with data has it in its JSON. */
  keep(bytes: Buffer, head: RequestHead): void {
    if (bytes.length > MAX_HEAD_BYTES || head.id !== undefined || head.inputs.some((input) => "data" in input)) {
      return;
    }
    // A copy, or the whole body would stay in memory.
    this.#entries[this.#oldest] = { bytes: Buffer.from(bytes), head };
    this.#oldest = (this.#oldest + 1) % MAX_ENTRIES;
  }
}
