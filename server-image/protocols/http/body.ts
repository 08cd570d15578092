// Reads a request body with a limit on its bytes and on those of all bodies together.

import type { IncomingMessage } from "node:http";

import { InferenceError } from "../../inference-error.ts";
import type { BodyShare } from "./body-budget.ts";

/**
 * The whole body. A body that is announced or found to be too long rejects with `TOO_LARGE` at once, one that
 * finds no room in `share` with `UNAVAILABLE`; Node reads and drops the rest, so that the client gets the answer and not
 * a reset connection. The caller releases the share.
 */
export async function readBody(message: IncomingMessage, maxBytes: number, share: BodyShare): Promise<Buffer> {
  const encoding = message.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") {
    throw new InferenceError(
      "UNSUPPORTED_ENCODING",
      `Content-Encoding ${JSON.stringify(encoding)} is not supported; send the body uncompressed`,
    );
  }
  if (Number(message.headers["content-length"] ?? 0) > maxBytes) {
    throw tooLarge(maxBytes);
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let received = 0;
  const onData = (chunk: Buffer) => {
    received += chunk.length;
    const refusal = received > maxBytes ? tooLarge(maxBytes) : share.take(chunk.length) ? undefined : noRoom();
    if (refusal === undefined) {
      chunks.push(chunk);
      return;
    }
    message.off("data", onData);
    // The rest may take long to arrive.
    chunks.length = 0;
    reject(refusal);
  };
  message.on("data", onData);
  message.once("end", () =>
    resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
  );
  message.once("error", (cause) => reject(brokenOff(cause)));
  message.once("close", () => reject(brokenOff()));
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
