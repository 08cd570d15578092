// Requests whose bodies do not arrive: nobody may hold a place by sending nothing.

import type { Socket } from "node:net";

import type { Connection } from "./connections.ts";
import { refuseUnreadable } from "./unreadable.ts";

/** Without a byte of a request's body. Node itself limits the time of the headers and of the whole. */
const BODY_IDLE_MS = 10_000;

/** To be called now and then. @param impatient whether to end those as well whose bodies do arrive, but have not yet */
export function endStalledRequests(
  connections: Iterable<readonly [Socket, Connection]>,
  nowMs: number,
  impatient: boolean,
): void {
  for (const [socket, connection] of connections) {
    if (isArriving(connection) && (hasStalled(socket, connection, nowMs) || impatient)) {
      end(socket, connection);
    }
  }
}

function isArriving({ unanswered }: Connection): boolean {
  for (const { req } of unanswered) {
    if (!req.complete) {
      return true;
    }
  }
  return false;
}

function hasStalled(socket: Socket, connection: Connection, nowMs: number): boolean {
  if (connection.bytesRead !== socket.bytesRead) {
    connection.bytesRead = socket.bytesRead;
    connection.movedAtMs = nowMs;
  }
  return nowMs - connection.movedAtMs >= BODY_IDLE_MS;
}

function end(socket: Socket, { unanswered, stopDiscarding }: Connection): void {
  if (stopDiscarding === undefined) {
    refuseUnreadable({ code: "ERR_HTTP_REQUEST_TIMEOUT" }, socket, [...unanswered]);
  } else {
    stopDiscarding();
  }
}
