// The connections to one HTTP port: how old they may get, how many there may be, and which one makes room for another.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** How the connections to one port are kept even over the threads that listen on it: the kernel deals them by chance. */
export interface ConnectionSharing {
  readonly setConnections: (count: number) => void;
  /** Whether this thread holds clearly more connections than the others. */
  readonly isAhead: () => boolean;
}

export interface ConnectionsOptions {
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Asked for each new connection. */
  readonly maxConnections: () => number;
  /** Given where other threads listen on the same port. */
  readonly sharing?: ConnectionSharing;
}

export interface Connection {
  readonly openedAtMs: number;
  readonly maxAgeMs: number;
  /** More than one where the client sends requests without waiting for answers. */
  readonly unanswered: Set<ServerResponse>;
  /** Whether there was a request on it. */
  asked: boolean;
  /** Bytes that had arrived when it was last looked at. */
  bytesRead: number;
  /** When that number was last seen to be another. */
  movedAtMs: number;
  /** While the rest of a body is thrown away before its answer is sent: sends it now. */
  stopDiscarding: (() => void) | undefined;
}

/** Connections are balanced over replicas only when they are made, so old ones are ended: a new replica gets its share. */
const CONNECTION_AGE_MS = 30_000;

/** Part of the age that is random, so that clients do not come back all at once. */
const CONNECTION_AGE_JITTER = 0.2;

/** So many requests in progress are a sign that the replica is short of company: then connections get less old. */
const BUSY_REQUESTS = 32;
const BUSY_AGE_SHARE = 1 / 3;

/** A thread that is ahead of the others ends a connection at most so often: those that come back must count first. */
const SHED_INTERVAL_MS = 100;

export class Connections {
  readonly #options: ConnectionsOptions;
  /** The oldest first. */
  readonly #open = new Map<Socket, Connection>();
  /** Those without a request so far, the oldest first. */
  readonly #silent = new Set<Socket>();
  #mayShedAtMs = 0;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get all(): Iterable<readonly [Socket, Connection]> {
    return this.#open;
  }

  /** Undefined once it is closed. */
  find(socket: Socket): Connection | undefined {
    return this.#open.get(socket);
  }

  /** For each new one. Ends it again where there are too many and all others wait for an answer. */
  accept(socket: Socket): void {
    const { random, clock, sharing, maxConnections } = this.#options;
    if (this.#open.size >= maxConnections() && !this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const nowMs = clock();
    const maxAgeMs = CONNECTION_AGE_MS * (1 + CONNECTION_AGE_JITTER * (2 * random() - 1));
    this.#open.set(socket, {
      openedAtMs: nowMs,
      maxAgeMs,
      unanswered: new Set(),
      asked: false,
      bytesRead: 0,
      movedAtMs: nowMs,
      stopDiscarding: undefined,
    });
    this.#silent.add(socket);
    sharing?.setConnections(this.#open.size);
    socket.once("close", () => this.#forget(socket));
  }

  /** For each request when its headers are there. */
  requestBegan(socket: Socket, response: ServerResponse): void {
    const connection = this.#open.get(socket);
    connection?.unanswered.add(response);
    if (connection?.asked === false) {
      connection.asked = true;
      this.#silent.delete(socket);
    }
  }

  /** Once for each that began, when it is answered or gone. */
  requestEnded(socket: Socket, response: ServerResponse): void {
    this.#open.get(socket)?.unanswered.delete(response);
  }

  /** Whether the connection must end with the answer that is about to be sent. @param inProgress requests, on all of them */
  mustEnd(socket: Socket, inProgress: number): boolean {
    const connection = this.#open.get(socket);
    if (connection === undefined) {
      return true;
    }
    const nowMs = this.#options.clock();
    const share = inProgress > BUSY_REQUESTS ? BUSY_AGE_SHARE : 1;
    return nowMs - connection.openedAtMs >= connection.maxAgeMs * share || this.#sheds(nowMs);
  }

  #sheds(nowMs: number): boolean {
    const { sharing } = this.#options;
    if (sharing === undefined || nowMs < this.#mayShedAtMs || !sharing.isAhead()) {
      return false;
    }
    this.#mayShedAtMs = nowMs + SHED_INTERVAL_MS;
    return true;
  }

  /**
   * Refusing new connections would refuse the probes of Kubernetes as well, which then ends the pod: anybody could bring
   * that about by holding connections. Those that never asked go first, so clients at work notice nothing of it.
   */
  #makeRoom(): boolean {
    const [silent] = this.#silent;
    const leaving = silent ?? this.#findWaitingForNothing();
    if (leaving === undefined) {
      return false;
    }
    leaving.destroy();
    this.#forget(leaving);
    return true;
  }

  #findWaitingForNothing(): Socket | undefined {
    for (const [socket, { unanswered }] of this.#open) {
      if (![...unanswered].some(({ req }) => req.complete)) {
        return socket;
      }
    }
    return undefined;
  }

  #forget(socket: Socket): void {
    this.#silent.delete(socket);
    if (this.#open.delete(socket)) {
      this.#options.sharing?.setConnections(this.#open.size);
    }
  }
}
