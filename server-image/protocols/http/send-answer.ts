// Writes an answer to its connection, small ones in one piece.

import type { ServerResponse } from "node:http";

import type { HttpAnswer } from "./exchange.ts";

/** Up to so many bytes, a body that goes to Node as text is written together with the head in one piece. */
const SMALL_BODY_BYTES = 16 * 1024;

export function sendAnswer(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  const parts = typeof body === "string" || body instanceof Uint8Array ? [body] : body;
  const length = parts.reduce((total, part) => total + Buffer.byteLength(part), 0);
  response.writeHead(status, { ...headers, "content-length": length });
  if (length <= SMALL_BODY_BYTES) {
    // Latin-1 stands for bytes as they are.
    response.end(parts.map(toLatin1).join(""), "latin1");
    return;
  }
  // Together with the head in one packet where they fit.
  response.cork();
  for (const part of parts) {
    response.write(part);
  }
  response.end();
}

function toLatin1(part: string | Uint8Array): string {
  const bytes = typeof part === "string" ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.length);
  return bytes.toString("latin1");
}
