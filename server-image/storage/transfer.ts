// One fetch of a model in progress: what it may take, how far it is, and who is told.

import { LoadError } from "../load-error.ts";
import type { Log } from "../log.ts";

export interface TransferLimits {
  /** The wait before the second attempt; it doubles with each, up to 30 s. */
  readonly firstWaitMs: number;
  /** Of all files together, as downloaded and, once more, as unpacked. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** Unpacked bytes per byte of an archive. */
  readonly maxExpansionRatio: number;
}

export interface Progress {
  readonly bytes: number;
  /** Undefined while unknown. */
  readonly totalBytes: number | undefined;
}

export interface TransferOptions {
  readonly limits: TransferLimits;
  readonly signal: AbortSignal;
  /** A number in [0, 1): jitter of the waits between attempts. */
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  readonly log: Log;
  readonly onProgress: (progress: Progress) => void;
}

const LOG_INTERVAL_MS = 5000;

/** Counts the bytes of one fetch, over all its files. */
export class Transfer {
  readonly limits: TransferLimits;
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly log: Log;
  /** Why the last failed attempt failed; undefined where none has. */
  lastFailure: string | undefined;
  #files = 0;
  #bytes = 0;
  #totalBytes: number | undefined;
  #totalIsFinal = false;
  readonly #options: TransferOptions;
  readonly #startedAtMs: number;
  #loggedAtMs: number;

  constructor(options: TransferOptions) {
    this.limits = options.limits;
    this.signal = options.signal;
    this.random = options.random;
    this.log = options.log;
    this.#options = options;
    this.#startedAtMs = options.clock();
    this.#loggedAtMs = this.#startedAtMs;
  }

  /** Throws a LoadError when one file more is too many. */
  beginFile(label: string): void {
    this.#files += 1;
    if (this.#files > this.limits.maxFiles) {
      throw tooManyFiles(label, this.limits.maxFiles);
    }
  }

  /** Says how much all files are together. Throws a LoadError when that is too much. */
  expectInAll(totalBytes: number, label: string): void {
    this.#requireRoomFor(totalBytes - this.#bytes, label);
    this.#totalBytes = totalBytes;
    this.#totalIsFinal = true;
  }

  /**
   * Says that one file has `totalBytes`, of which `received` are counted already. Throws a LoadError when that is too much.
   */
  expectFile(totalBytes: number | undefined, received: number, label: string): void {
    const missing = totalBytes === undefined ? undefined : totalBytes - received;
    this.#requireRoomFor(missing ?? 0, label);
    if (!this.#totalIsFinal) {
      this.#totalBytes = missing === undefined ? undefined : this.#bytes + missing;
    }
  }

  #requireRoomFor(bytes: number, label: string): void {
    if (this.#bytes + bytes > this.limits.maxBytes) {
      const message = `${label}: larger than ${this.limits.maxBytes} bytes (--max-model-bytes)`;
      throw new LoadError("download", "MODEL_TOO_LARGE", message);
    }
  }

  /** Throws a LoadError when these bytes are too many. */
  received(bytes: number, label: string): void {
    this.#requireRoomFor(bytes, label);
    this.#bytes += bytes;
    this.#report();
  }

  /** Bytes that have to be received once more. */
  lost(bytes: number): void {
    this.#bytes -= bytes;
    this.#report();
  }

  /** The last word: everything is there. */
  complete(): void {
    this.#options.onProgress({ bytes: this.#bytes, totalBytes: this.#bytes });
    const seconds = (this.#options.clock() - this.#startedAtMs) / 1000;
    this.log.info({ bytes: this.#bytes, files: this.#files, seconds }, "model downloaded");
  }

  #report(): void {
    const bytes = this.#bytes;
    const totalBytes = this.#totalBytes;
    this.#options.onProgress({ bytes, totalBytes });
    const nowMs = this.#options.clock();
    if (nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) {
      return;
    }
    this.#loggedAtMs = nowMs;
    const known = totalBytes === undefined ? {} : { totalBytes, percent: Math.floor((bytes / totalBytes) * 100) };
    this.log.info({ bytes, ...known }, "downloading the model");
  }
}

export function tooManyFiles(label: string, maxFiles: number): LoadError {
  return new LoadError("download", "MODEL_TOO_LARGE", `${label}: more than ${maxFiles} files (--max-model-files)`);
}
