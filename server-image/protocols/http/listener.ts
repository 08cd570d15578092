// The HTTP server under the REST protocols: limits, connection age, and an end without lost requests.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { Cancellation } from "../../cancellation.ts";
import type { Log } from "../../log.ts";
import { readBody } from "./body.ts";
import { BodyBudget } from "./body-budget.ts";
import { compressAnswer } from "./compress.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "./exchange.ts";
import { sendAnswer } from "./send-answer.ts";
import { splitPath } from "./split-path.ts";
import { refuseUnreadable } from "./unreadable.ts";

/** Answers one request; must not reject for a fault of the client. */
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export interface ListenerOptions {
  readonly handle: HttpHandler;
  readonly maxBodyBytes: number;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Given where other threads listen on the same port. */
  readonly sharing?: ConnectionSharing;
}

/** How the connections to one port are kept even over the threads that listen on it: the kernel deals them by chance. */
export interface ConnectionSharing {
  readonly setConnections: (count: number) => void;
  /** Whether this thread holds clearly more connections than the others. */
  readonly isAhead: () => boolean;
}

const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request, body included. */
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 60_000;

/** Connections are balanced over replicas only when they are made, so old ones are ended: a new replica gets its share. */
const CONNECTION_AGE_MS = 30_000;
/** After the last answer, so long for connections that were made but have not asked yet. */
const LINGER_MS = 1000;

/** So many requests in progress are a sign that the replica is short of company: then connections get less old. */
const BUSY_REQUESTS = 32;
const BUSY_AGE_SHARE = 1 / 3;
/** A thread that is ahead of the others ends a connection at most so often: those that come back must count first. */
const SHED_INTERVAL_MS = 100;

/** Sockets cost memory before they have asked for anything. */
const MAX_CONNECTIONS = 10_000;

/** Part of the age that is random, so that clients do not come back all at once. */
const CONNECTION_AGE_JITTER = 0.2;

/** Bodies of all requests together, in bodies of the largest size: many small ones, but few large ones, at a time. */
const BODIES_HELD = 2;

interface Connection {
  readonly openedAtMs: number;
  readonly maxAgeMs: number;
  /** More than one where the client sends requests without waiting for answers. */
  readonly unanswered: Set<ServerResponse>;
}

export class HttpListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #budget: BodyBudget;
  #draining = false;
  #inProgress = 0;
  #open = 0;
  #mayShedAtMs = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(BODIES_HELD * options.maxBodyBytes);
    this.#server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      },
      (message, response) => {
        this.#serve(message, response).catch((err: unknown) => {
          options.log.error({ err, path: message.url }, "an answer could not be sent");
          response.destroy();
        });
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on("connection", (socket) => this.#accept(socket));
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      const unanswered = this.#connections.get(socket)?.unanswered ?? [];
      refuseUnreadable(error, socket, [...unanswered]);
    });
  }

  /**
   * Resolves with the port, which is a free one where 0 is asked for. Rejects when the port cannot be had.
   *
   * @param host the address to listen on; left out: all of them
   */
  async listen(port: number, host?: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ port, host, reusePort: this.#options.sharing !== undefined }, resolve);
    await promise;
    this.#server.off("error", reject);
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on each answer ends its connection; new connections are still taken. */
  startDraining(): void {
    this.#draining = true;
  }

  /** Takes no new connections and resolves when all requests in progress are answered and their connections closed. */
  async close(): Promise<void> {
    this.#draining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // A client that only holds its connection open must not hold up the end.
    let linger = setTimeout(() => this.#endUnused(), LINGER_MS);
    this.#onIdle = () => {
      clearTimeout(linger);
      linger = setTimeout(() => this.#endUnused(), LINGER_MS);
    };
    await promise;
    clearTimeout(linger);
  }

  #accept(socket: Socket): void {
    const { random, clock, sharing } = this.#options;
    const maxAgeMs = CONNECTION_AGE_MS * (1 + CONNECTION_AGE_JITTER * (2 * random() - 1));
    this.#connections.set(socket, { openedAtMs: clock(), maxAgeMs, unanswered: new Set() });
    this.#open += 1;
    sharing?.setConnections(this.#open);
    socket.once("close", () => {
      this.#open -= 1;
      sharing?.setConnections(this.#open);
    });
  }

  #endUnused(): void {
    if (this.#inProgress === 0) {
      this.#server.closeAllConnections();
    }
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new Cancellation();
    const unanswered = this.#connections.get(message.socket)?.unanswered;
    unanswered?.add(response);
    this.#inProgress += 1;
    response.once("close", () => {
      unanswered?.delete(response);
      this.#inProgress -= 1;
      this.#onIdle?.();
      if (!response.writableFinished) {
        gone.cancel();
      }
    });
    const plain = await this.#answer(message, gone);
    const accepted = message.headers["accept-encoding"];
    const answer = accepted === undefined ? plain : await compressAnswer(plain, accepted);
    if (gone.cancelled) {
      return;
    }
    // Asked after the wait for the answer: the server may have begun to stop meanwhile.
    if (this.#mustEnd(message.socket)) {
      response.setHeader("connection", "close");
      await discardRest(message);
      if (gone.cancelled) {
        return;
      }
    }
    sendAnswer(response, answer);
  }

  async #answer(message: IncomingMessage, cancellation: Cancellation): Promise<HttpAnswer> {
    const path = splitPath(message.url ?? "/");
    if (path === undefined) {
      return errorAnswer(400, "the path is not a valid URL path");
    }
    const share = this.#budget.open();
    try {
      return await this.#options.handle({
        method: message.method ?? "GET",
        path,
        headers: message.headers,
        cancellation,
        readBody: () => readBody(message, this.#options.maxBodyBytes, share),
      });
    } catch (err) {
      this.#options.log.error({ err, path: message.url }, "request handler failed");
      return errorAnswer(500, "internal error");
    } finally {
      // Until here the handler works on the body, or on values of about its size.
      share.release();
    }
  }

  #sheds(nowMs: number): boolean {
    if (this.#options.sharing === undefined || nowMs < this.#mayShedAtMs || !this.#options.sharing.isAhead()) {
      return false;
    }
    this.#mayShedAtMs = nowMs + SHED_INTERVAL_MS;
    return true;
  }

  #mustEnd(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (this.#draining || connection === undefined) {
      return true;
    }
    const nowMs = this.#options.clock();
    const share = this.#inProgress > BUSY_REQUESTS ? BUSY_AGE_SHARE : 1;
    return nowMs - connection.openedAtMs >= connection.maxAgeMs * share || this.#sheds(nowMs);
  }
}

/** Closing a connection with unread bytes resets it, and the client would lose an answer that came before its body ended. */
async function discardRest(message: IncomingMessage): Promise<void> {
  if (!message.complete && !message.destroyed) {
    const { promise, resolve } = Promise.withResolvers<void>();
    // A client that resets the connection makes an error, and then always the close that is waited for.
    message.on("error", () => undefined);
    message.once("close", () => resolve());
    message.resume();
    await promise;
  }
}
