// Memory for the inputs of runs, used again and again: fresh memory costs a large input more than copying into it.

/** Smaller buffers are cheaper to make than to keep. */
const SMALLEST_KEPT_BYTES = 1024;

/** Sizes in use lie at most this factor apart, so that at most a fifth of a buffer is wasted. */
const STEPS_PER_DOUBLING = 4;

export class BufferPool {
  readonly #maxKeptBytes: number;
  readonly #free = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  /** @param maxKeptBytes memory that may lie unused */
  constructor(maxKeptBytes: number) {
    this.#maxKeptBytes = maxKeptBytes;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** At least so many bytes, of any content; never a slice of something else, so that it can be moved to a thread. */
  take(bytes: number): ArrayBuffer {
    if (bytes < SMALLEST_KEPT_BYTES) {
      return new ArrayBuffer(bytes);
    }
    const size = roundUp(bytes);
    const found = this.#free.get(size)?.pop();
    if (found === undefined) {
      return new ArrayBuffer(size);
    }
    this.#keptBytes -= size;
    return found;
  }

  /** Takes back what is worth keeping; nobody else may use it from then on. */
  give(buffer: ArrayBuffer): void {
    const size = buffer.byteLength;
    if (size < SMALLEST_KEPT_BYTES || this.#keptBytes + size > this.#maxKeptBytes || size !== roundUp(size)) {
      return;
    }
    const alike = this.#free.get(size);
    if (alike === undefined) {
      this.#free.set(size, [buffer]);
    } else {
      alike.push(buffer);
    }
    this.#keptBytes += size;
  }
}

/** The next of 4, 5, 6, 7, 8, 10, 12, 14, 16 ... times a power of two. */
function roundUp(bytes: number): number {
  const step = 2 ** Math.ceil(Math.log2(bytes)) / 2 / STEPS_PER_DOUBLING;
  return Math.ceil(bytes / step) * step;
}
