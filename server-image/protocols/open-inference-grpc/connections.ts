// When connections of gRPC clients end: at their age or when the server drains, always without losing a call.

import type { Http2Session } from "node:http2";

/** Connections are balanced over replicas only when they are made, so old ones are ended: a new replica gets its share. */
const CONNECTION_AGE_MS = 30_000;

/** Part of the age that is random, so that clients do not come back all at once. */
const CONNECTION_AGE_JITTER = 0.2;

/** So many calls in progress are a sign that the replica is short of company: then connections get less old. */
const BUSY_CALLS = 32;
const BUSY_AGE_SHARE = 1 / 3;

/**
 * Of connections made while the server drains. A call that was refused because its connection ended is begun again once
 * only, so the connection for that must not end at once as well.
 */
const DRAINING_AGE_MS = 1000;

/**
 * A connection is ended with `close`: open streams go on, those that the client began too late are named to it as not
 * begun, and it begins them elsewhere. A first notice that promises to take late ones as well would be kinder, but Node
 * ignores them after it without a word, which is how calls are lost.
 */
interface Connection {
  readonly openedAtMs: number;
  readonly maxAgeMs: number;
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

  /** For each call of any kind when it arrives. */
  seen(session: Http2Session | undefined): void {
    if (session === undefined || this.#connections.has(session)) {
      return;
    }
    const { clock, random } = this.#options;
    const maxAgeMs = CONNECTION_AGE_MS * (1 + CONNECTION_AGE_JITTER * (2 * random() - 1));
    this.#connections.set(session, { openedAtMs: clock(), maxAgeMs });
    session.once("close", () => this.#connections.delete(session));
  }

  callBegan(): void {
    this.#calls += 1;
  }

  /** Once for each that began, when it is answered or gone. */
  callEnded(session: Http2Session | undefined): void {
    this.#calls -= 1;
    const connection = session && this.#connections.get(session);
    if (session && connection && this.#mustEnd(connection)) {
      session.close();
    }
    if (this.#calls === 0) {
      this.#onIdle?.();
    }
  }

  /** Ends all connections as far as calls on them allow it; new ones are still taken, and end soon. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#connections.keys()) {
      session.close();
    }
  }

  /** Sets the one listener for the moments when the last call has ended. */
  whenIdle(listener: () => void): void {
    this.#onIdle = listener;
  }

  #mustEnd({ openedAtMs, maxAgeMs }: Connection): boolean {
    const share = this.#calls > BUSY_CALLS ? BUSY_AGE_SHARE : 1;
    return this.#options.clock() - openedAtMs >= (this.#draining ? DRAINING_AGE_MS : maxAgeMs * share);
  }
}
