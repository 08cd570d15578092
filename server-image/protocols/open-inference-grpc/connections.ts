// When connections of gRPC clients end: at their age or when the server drains, always without losing a call.

import { constants, type Http2Session } from "node:http2";

/** Connections are balanced over replicas only when they are made, so old ones are ended: a new replica gets its share. */
const CONNECTION_AGE_MS = 30_000;

/** Part of the age that is random, so that clients do not come back all at once. */
const CONNECTION_AGE_JITTER = 0.2;

/** So many calls in progress are a sign that the replica is short of company: then connections get less old. */
const BUSY_CALLS = 32;
const BUSY_AGE_SHARE = 1 / 3;

/** Means that all streams begun so far are still served, and those that the client begins before it reads this. */
const ANY_STREAM = 2 ** 31 - 1;

interface Connection {
  readonly openedAtMs: number;
  readonly maxAgeMs: number;
  ending: boolean;
}

export interface ConnectionsOptions {
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #connections = new Map<Http2Session, Connection>();
  #calls = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Inference calls without an answer. */
  get calls(): number {
    return this.#calls;
  }

  /** For each call when it arrives. */
  callBegan(session: Http2Session | undefined): void {
    this.#calls += 1;
    if (session === undefined || this.#connections.has(session)) {
      return;
    }
    const { clock, random } = this.#options;
    const maxAgeMs = CONNECTION_AGE_MS * (1 + CONNECTION_AGE_JITTER * (2 * random() - 1));
    this.#connections.set(session, { openedAtMs: clock(), maxAgeMs, ending: false });
    session.once("close", () => this.#connections.delete(session));
  }

  /** For each call once it is answered or gone. */
  callEnded(session: Http2Session | undefined): void {
    this.#calls -= 1;
    const connection = session && this.#connections.get(session);
    if (session && connection && this.#mustEnd(connection)) {
      end(session, connection);
    }
    if (this.#calls === 0) {
      this.#onIdle?.();
    }
  }

  /** Ends all connections that have no calls, and each other one after its next answer; new ones are still taken. */
  drain(): void {
    this.#draining = true;
    for (const [session, connection] of this.#connections) {
      end(session, connection);
    }
  }

  /** Sets the one listener for the moments when the last call has ended. */
  whenIdle(listener: () => void): void {
    this.#onIdle = listener;
  }

  #mustEnd({ openedAtMs, maxAgeMs }: Connection): boolean {
    const share = this.#calls > BUSY_CALLS ? BUSY_AGE_SHARE : 1;
    return this.#draining || this.#options.clock() - openedAtMs >= maxAgeMs * share;
  }
}

/**
 * First word that the connection ends, then the end of taking new streams: between them lies one round trip, so that no
 * stream is refused that the client began before it heard. Streams that are open go on.
 */
function end(session: Http2Session, connection: Connection): void {
  if (connection.ending || session.closed || session.destroyed) {
    return;
  }
  connection.ending = true;
  session.goaway(constants.NGHTTP2_NO_ERROR, ANY_STREAM);
  // Answered or not: a client that is gone needs no more patience.
  session.ping(() => session.close());
}
