// What every storage scheme offers to the download: files that can be read from any position, and folders of them.

export interface RetryableErrorOptions extends ErrorOptions {
  readonly retryAfterMs?: number | undefined;
  readonly isCorrupt?: boolean;
}

/** A failure that another attempt may not meet: connection, stall, overload. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
  /** How long the storage asked to be left alone; undefined where it did not. */
  readonly retryAfterMs: number | undefined;
  /** What has come so far is not to be trusted: the next attempt begins anew. */
  readonly isCorrupt: boolean;

  constructor(message: string, { retryAfterMs, isCorrupt = false, ...options }: RetryableErrorOptions = {}) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.isCorrupt = isCorrupt;
  }
}

/** Where to go on reading: `bytes` are there already, of the very content that `validator` stands for. */
export interface Position {
  readonly bytes: number;
  readonly validator: string;
}

/** A body in progress. */
export interface OpenedFile {
  /** Where the body begins: the asked position, or 0 where the storage begins anew. */
  readonly startsAt: number;
  /** Of the whole file; undefined where the storage does not say. */
  readonly totalBytes: number | undefined;
  /** Stands for exactly this content, such as an ETag; undefined: reading cannot be resumed. */
  readonly validator: string | undefined;
  /** Throws a RetryableError when the connection breaks, stalls or ends too early. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Ends the connection; harmless after the last chunk. */
  readonly close: () => void;
}

export interface RemoteFile {
  /** For messages: no user name, password or signed query. */
  readonly label: string;
  /** Rejects with a RetryableError, a LoadError, or the signal's reason. */
  readonly open: (position: Position | undefined, signal: AbortSignal) => Promise<OpenedFile>;
}

export interface ListedFile {
  /** Below the listed folder, with "/" between segments; as the storage says it, so not to be trusted. */
  readonly path: string;
  readonly bytes: number;
  readonly file: RemoteFile;
}

/** Repeats an action that rejects with RetryableErrors. */
export type Retrying = <T>(action: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** What is at a storage URI. */
export interface RemoteStorage {
  /** The storage URI for messages. */
  readonly label: string;
  /** The last part of its path: the name that the file has there. */
  readonly name: string;
  /** The file at the address; undefined where the address can only be a folder. */
  readonly file: RemoteFile | undefined;
  /** A file by its path from the folder of `file`. */
  readonly sibling: (relativePath: string) => RemoteFile;
  /** The files below the address; absent where the storage has no folders. Throws like `open`, but after retries. */
  readonly list?: (retrying: Retrying) => AsyncIterable<ListedFile>;
}
