// Reads a request body, decompressed, with a limit on its bytes and on those of all bodies together.

import type { IncomingMessage } from "node:http";
import { createGunzip, createInflate } from "node:zlib";

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import type { BodyShare } from "./body-budget.ts";

/** What a body may be compressed with, as the header Accept-Encoding of an answer lists it. */
export const ACCEPTED_ENCODINGS = "gzip, deflate";

/**
 * The whole body, decompressed. A body that is announced or found to be too long, compressed or not, rejects with
 * `TOO_LARGE` at once, one that finds no room in `share` with `UNAVAILABLE`, one that does not decompress with
 * `INVALID_ARGUMENT`; Node reads and drops the rest, so that the client gets the answer and not a reset connection.
 * Other encodings reject with `UNSUPPORTED_ENCODING`. The caller releases the share.
 */
export function readBody(message: IncomingMessage, maxBytes: number, share: Pick<BodyShare, "take">): Promise<Buffer> {
  const given = message.headers["content-encoding"];
  const encoding = contentEncoding(given);
  if (encoding === undefined) {
    return Promise.reject(unsupportedEncoding(given));
  }
  if (Number(message.headers["content-length"] ?? 0) > maxBytes) {
    return Promise.reject(tooLarge(maxBytes));
  }
  const body = new BodyParts(maxBytes, share);
  return encoding === "identity" ? readPlain(message, body) : readCompressed(message, encoding, body);
}

type Encoding = "identity" | "gzip" | "deflate";

/** Undefined where it is not supported. */
function contentEncoding(header: string | undefined): Encoding | undefined {
  if (header === undefined) {
    return "identity";
  }
  switch (header.trim().toLowerCase()) {
    case "":
    case "identity":
      return "identity";
    case "gzip":
    case "x-gzip":
      return "gzip";
    case "deflate":
      return "deflate";
    default:
      return undefined;
  }
}

function unsupportedEncoding(header: string | undefined): InferenceError {
  return new InferenceError(
    "UNSUPPORTED_ENCODING",
    `Content-Encoding ${JSON.stringify(header)} is not supported; send the body as gzip, deflate or uncompressed`,
  );
}

const NO_BLOCK = Buffer.alloc(0);
/** Parts from here on are kept as they are; shorter ones are gathered: each would cost hundreds of bytes beside its own. */
const GATHERED_BELOW_BYTES = 4096;
const MIN_BLOCK_BYTES = 1024;
const MAX_BLOCK_BYTES = 64 * 1024;

/** What arrived of a body. */
class BodyParts {
  readonly maxBytes: number;
  readonly #share: Pick<BodyShare, "take">;
  #parts: Buffer[] = [];
  #length = 0;
  /** Takes short parts, one behind the other; its filled part is the last of the parts once it is full. */
  #block: Buffer = NO_BLOCK;
  #filled = 0;

  constructor(maxBytes: number, share: Pick<BodyShare, "take">) {
    this.maxBytes = maxBytes;
    this.#share = share;
  }

  /** Why the part, and the whole body with it, is refused; nothing is held then. */
  add(part: Buffer): InferenceError | undefined {
    this.#length += part.length;
    if (this.#length <= this.maxBytes && this.#share.take(part.length)) {
      this.#keep(part);
      return undefined;
    }
    // The rest may take long to arrive.
    this.#parts = [];
    this.#block = NO_BLOCK;
    return this.#length > this.maxBytes ? tooLarge(this.maxBytes) : noRoom();
  }

  whole(): Buffer {
    this.#endBlock();
    const [only] = this.#parts;
    return this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#length);
  }

  #keep(part: Buffer): void {
    // Nearly all bodies have one part only.
    if (this.#parts.length === 0) {
      this.#parts.push(part);
      return;
    }
    // What the block still takes goes there also of a long part: many blocks that are hardly filled would be as costly.
    const copied = part.copy(this.#block, this.#filled);
    this.#filled += copied;
    if (copied === part.length) {
      return;
    }
    this.#endBlock();
    const rest = part.subarray(copied);
    if (rest.length >= GATHERED_BELOW_BYTES) {
      this.#parts.push(rest);
      return;
    }
    this.#block = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#length, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES));
    this.#filled = rest.copy(this.#block);
  }

  #endBlock(): void {
    if (this.#filled > 0) {
      this.#parts.push(this.#block.subarray(0, this.#filled));
      this.#block = NO_BLOCK;
      this.#filled = 0;
    }
  }
}

function readPlain(message: IncomingMessage, body: BodyParts): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onData = (chunk: Buffer) => {
    const refusal = body.add(chunk);
    if (refusal !== undefined) {
      message.off("data", onData);
      reject(refusal);
    }
  };
  message.on("data", onData);
  // Each comes once. `once` would wrap each listener for every request.
  message.on("end", () => resolve(body.whole()));
  message.on("error", (cause) => reject(brokenOff(cause)));
  message.on("close", () => {
    if (!message.complete) {
      reject(brokenOff());
    }
  });
  return promise;
}

/** Bytes are decompressed as they arrive, and no further than the limits allow. */
function readCompressed(message: IncomingMessage, encoding: "gzip" | "deflate", body: BodyParts): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const decompressor = encoding === "gzip" ? createGunzip() : createInflate();
  const refuse = (error: InferenceError) => {
    message.unpipe(decompressor);
    message.resume();
    decompressor.destroy();
    reject(error);
  };
  let arrived = 0;
  message.on("data", (chunk: Buffer) => {
    arrived += chunk.length;
    if (arrived > body.maxBytes) {
      refuse(tooLarge(body.maxBytes));
    }
  });
  decompressor.on("data", (chunk: Buffer) => {
    const refusal = body.add(chunk);
    if (refusal !== undefined) {
      refuse(refusal);
    }
  });
  decompressor.once("end", () => resolve(body.whole()));
  decompressor.once("error", () => {
    refuse(invalidArgument(`the body is not valid ${encoding} data, which its Content-Encoding says it is`));
  });
  message.once("error", (cause) => refuse(brokenOff(cause)));
  message.once("close", () => {
    if (!message.complete) {
      refuse(brokenOff());
    }
  });
  message.pipe(decompressor);
  return promise;
}

function tooLarge(maxBytes: number): InferenceError {
  return new InferenceError("TOO_LARGE", `the request body is larger than ${maxBytes} bytes, which is the limit`);
}

function noRoom(): InferenceError {
  return new InferenceError("UNAVAILABLE", "the server holds too many large request bodies now; try again later");
}

function brokenOff(cause?: unknown): InferenceError {
  return new InferenceError("CANCELLED", "the connection ended before the request was complete", { cause });
}
