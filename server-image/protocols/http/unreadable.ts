// The answer to what Node could not read as a request.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * What Node could not read as a request: the answer in this server's form of errors. While a request before it has no
 * complete answer the client would take this for that answer, so then the connection just ends.
 */
export function refuseUnreadable(
  error: { readonly code?: string | undefined },
  socket: Socket,
  unanswered: readonly ServerResponse[],
): void {
  const answersAnother = unanswered.some(({ headersSent, req }) => headersSent || req.complete);
  if (!socket.writable || error.code === "ECONNRESET" || answersAnother) {
    socket.destroy();
    return;
  }
  const [status, message] = explainUnreadable(error.code);
  const body = JSON.stringify({ error: message });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    // The client need not end its side, and nothing else would.
    () => socket.destroySoon(),
  );
}

function explainUnreadable(code: string | undefined): [string, string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return ["431 Request Header Fields Too Large", "the request headers are too large"];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["408 Request Timeout", "the request did not arrive in time"];
    default:
      return ["400 Bad Request", "this is no valid HTTP request"];
  }
}
