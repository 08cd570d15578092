// A stream that fails when nothing comes for too long.

import type { Readable } from "node:stream";

import { toRetryable } from "./http-request.ts";
import { RetryableError } from "./remote-file.ts";

/**
 * The chunks of `body`. Throws a RetryableError when one is awaited for longer than `stallTimeoutMs`, and for every
 * other failure of the stream; the time that the reader takes does not count.
 */
export async function* withStallTimeout(body: Readable, stallTimeoutMs: number): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const timer = setTimeout(() => {
        body.destroy(new RetryableError(`no data for ${stallTimeoutMs / 1000} s`));
      }, stallTimeoutMs);
      const next = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done === true) {
        return;
      }
      yield next.value as Uint8Array;
    }
  } catch (error) {
    throw toRetryable(error);
  } finally {
    body.destroy();
  }
}
