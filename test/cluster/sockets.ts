// Joins two TCP sockets so that each receives what the other sends.

import type { Socket } from "node:net";

/**
 * Both sockets must allow half-open connections: the end of one direction is passed on without cutting the other.
 * A broken connection on one side breaks the other.
 */
export function joinSockets(client: Socket, upstream: Socket): void {
  client.setNoDelay(true);
  upstream.setNoDelay(true);
  client.on("error", () => upstream.resetAndDestroy());
  upstream.on("error", () => client.resetAndDestroy());
  client.pipe(upstream);
  upstream.pipe(client);
}
