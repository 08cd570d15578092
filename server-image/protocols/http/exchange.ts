// One HTTP request and its answer as the protocols see them, independent of sockets.

import type { IncomingHttpHeaders } from "node:http";

import type { Cancellation } from "../../cancellation.ts";

export interface HttpRequest {
  /** In capitals. */
  readonly method: string;
  /** The decoded parts of the path: `/v2/models/a%2Fb` is ["v2", "models", "a/b"]. A slash at the end adds nothing. */
  readonly path: readonly string[];
  readonly headers: IncomingHttpHeaders;
  /** Cancelled when the client goes away before it has the answer. */
  readonly cancellation: Cancellation;
  /** The whole body. Rejects with an InferenceError: `TOO_LARGE`, `UNAVAILABLE`, `UNSUPPORTED_ENCODING`, `CANCELLED`. */
  readonly readBody: () => Promise<Buffer>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parts are sent one after the other, without joining them first. */
  readonly body: string | Uint8Array | readonly Uint8Array[];
}

export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** An error as both REST protocols write it. */
export function errorAnswer(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return jsonAnswer(status, { error: message }, headers);
}
