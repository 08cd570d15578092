// Reads a request body with a limit on its bytes.

import type { IncomingMessage } from "node:http";

import { InferenceError } from "../../inference-error.ts";

/**
 * The whole body. A body that is announced or found to be too long rejects with `TOO_LARGE` at once; Node reads and
 * drops the rest, so that the client gets the answer and not a reset connection.
 */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
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
    if (received > maxBytes) {
      message.off("data", onData);
      reject(tooLarge(maxBytes));
      return;
    }
    chunks.push(chunk);
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

function brokenOff(cause?: unknown): InferenceError {
  return new InferenceError("CANCELLED", "the connection ended before the request was complete", { cause });
}
