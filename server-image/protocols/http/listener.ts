// The HTTP server under the REST protocols: limits, connection age, and an end without lost requests.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

import { Cancellation } from "../../cancellation.ts";
import { InferenceError } from "../../inference-error.ts";
import type { Log } from "../../log.ts";
import { readBody } from "./body.ts";
import { BodyBudget, type BodyShare } from "./body-budget.ts";
import { checkMessage, keepsBodyBack, MAX_HEADERS } from "./check-message.ts";
import { compressAnswer } from "./compress.ts";
import { Connections, type ConnectionsOptions } from "./connections.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "./exchange.ts";
import { sendAnswer } from "./send-answer.ts";
import { endStalledRequests } from "./slow-requests.ts";
import { splitPath } from "./split-path.ts";
import { refuseUnreadable } from "./unreadable.ts";
import { UnsentAnswers } from "./unsent-answers.ts";

/** Answers one request; must not reject for a fault of the client. */
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

export interface ListenerOptions extends ConnectionsOptions {
  readonly handle: HttpHandler;
  readonly maxBodyBytes: number;
  readonly log: Log;
}

const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request, body included. */
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/** How exactly limits of time are kept. */
const CHECK_INTERVAL_MS = 1000;

/** After the last answer, so long for connections that were made but have not asked yet. */
const LINGER_MS = 1000;

/** Bodies of all requests together, in bodies of the largest size: many small ones, but few large ones, at a time. */
const BODIES_HELD = 2;
/** The same of answers that clients have not taken yet. */
const ANSWERS_HELD = 4;

class Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly share: BodyShare;
  readonly cancellation = new Cancellation();
  /** Whether the client sends its body only when it is told to go on. */
  keepsBody: boolean;

  constructor(message: IncomingMessage, response: ServerResponse, share: BodyShare) {
    this.message = message;
    this.response = response;
    this.share = share;
    this.keepsBody = keepsBodyBack(message);
  }
}

export class HttpListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #budget: BodyBudget;
  readonly #unsent: UnsentAnswers;
  #draining = false;
  /** When clients that are slow are waited for no longer. */
  #impatientAtMs = Number.POSITIVE_INFINITY;
  #inProgress = 0;
  #checks: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#connections = new Connections(options);
    this.#budget = new BodyBudget(BODIES_HELD * options.maxBodyBytes);
    this.#unsent = new UnsentAnswers({ maxBytes: ANSWERS_HELD * options.maxBodyBytes, clock: options.clock });
    this.#server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // Node would answer without a body, and take several in silence.
      requireHostHeader: false,
      joinDuplicateHeaders: true,
    });
    this.#server.maxHeadersCount = MAX_HEADERS + 1;
    // Without a listener Node would answer those two by itself, before the request is looked at.
    for (const event of ["request", "checkContinue", "checkExpectation"] as const) {
      this.#server.on(event, (message: IncomingMessage, response: ServerResponse) => this.#receive(message, response));
    }
    this.#server.on("connection", (socket) => this.#connections.accept(socket));
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      refuseUnreadable(error, socket, [...(this.#connections.find(socket)?.unanswered ?? [])]);
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
    this.#checks = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on each answer ends its connection; new connections are still taken. */
  startDraining(): void {
    this.#draining = true;
  }

  /**
   * Takes no new connections and resolves when all requests in progress are answered and their connections closed.
   *
   * @param patienceMs how long clients are waited for that send their request, or take their answer, slowly
   */
  async close(patienceMs: number): Promise<void> {
    this.#draining = true;
    this.#impatientAtMs = this.#options.clock() + patienceMs;
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
    clearInterval(this.#checks);
  }

  #endUnused(): void {
    if (this.#inProgress === 0) {
      this.#server.closeAllConnections();
    }
  }

  #check(): void {
    const nowMs = this.#options.clock();
    const impatient = nowMs >= this.#impatientAtMs;
    endStalledRequests(this.#connections.all, nowMs, impatient);
    this.#unsent.sweep(impatient);
  }

  /** Each promise on the way costs every small request its part, so there is one only where there is something to wait for. */
  #receive(message: IncomingMessage, response: ServerResponse): void {
    const exchange = new Exchange(message, response, this.#budget.open());
    this.#begin(exchange);
    const answer = checkMessage(message) ?? this.#answer(exchange);
    if (answer instanceof Promise) {
      answer.then(
        (settled) => this.#finish(exchange, settled),
        (error: unknown) => this.#finish(exchange, this.#handlerFailed(exchange, error)),
      );
    } else {
      this.#finish(exchange, answer);
    }
  }

  /** Counts the request until it is answered or its client is gone. */
  #begin({ message: { socket }, response, cancellation }: Exchange): void {
    this.#connections.requestBegan(socket, response);
    this.#inProgress += 1;
    // It comes once. `once` would wrap the listener for every request.
    response.on("close", () => {
      this.#connections.requestEnded(socket, response);
      this.#inProgress -= 1;
      this.#onIdle?.();
      if (!response.writableFinished) {
        cancellation.cancel();
      }
    });
  }

  #answer(exchange: Exchange): HttpAnswer | Promise<HttpAnswer> {
    const { message, cancellation } = exchange;
    const path = splitPath(message.url ?? "/");
    if (path === undefined) {
      return errorAnswer(400, "the path is not a valid URL path");
    }
    try {
      return this.#options.handle({
        method: message.method ?? "GET",
        path,
        headers: message.headers,
        cancellation,
        readBody: () => this.#readBody(exchange),
      });
    } catch (error) {
      return this.#handlerFailed(exchange, error);
    }
  }

  #handlerFailed({ message }: Exchange, err: unknown): HttpAnswer {
    this.#options.log.error({ err, path: message.url }, "request handler failed");
    return errorAnswer(500, "internal error");
  }

  #finish(exchange: Exchange, answer: HttpAnswer): void {
    const { message, response, share, cancellation } = exchange;
    // Until here the handler worked on the body, or on values of about its size.
    share.release();
    if (cancellation.cancelled) {
      return;
    }
    const accepted = message.headers["accept-encoding"];
    if (accepted !== undefined || !message.complete) {
      this.#finishSlowly(exchange, answer, accepted).catch((error: unknown) => this.#sendingFailed(exchange, error));
      return;
    }
    if (this.#mustEnd(message)) {
      response.setHeader("connection", "close");
    }
    this.#send(exchange, answer);
  }

  /** The same with what takes time: compressing the answer, and reading the rest of a body that nobody wants. */
  async #finishSlowly(exchange: Exchange, plain: HttpAnswer, accepted: string | undefined): Promise<void> {
    const { message, response, cancellation } = exchange;
    const answer = accepted === undefined ? plain : await compressAnswer(plain, accepted);
    if (cancellation.cancelled) {
      return;
    }
    const bodyWillNotCome = exchange.keepsBody && !message.complete;
    // Asked after the wait for the answer: the server may have begun to stop meanwhile.
    if (bodyWillNotCome || this.#mustEnd(message)) {
      response.setHeader("connection", "close");
      if (!bodyWillNotCome) {
        await this.#discardRest(message);
      }
      if (cancellation.cancelled) {
        return;
      }
    }
    this.#send(exchange, answer);
  }

  #send(exchange: Exchange, answer: HttpAnswer): void {
    try {
      sendAnswer(exchange.response, answer);
      this.#unsent.add(exchange.response);
    } catch (error) {
      this.#sendingFailed(exchange, error);
    }
  }

  #sendingFailed({ message, response }: Exchange, err: unknown): void {
    this.#options.log.error({ err, path: message.url }, "an answer could not be sent");
    response.destroy();
  }

  /** Once for each answer: a thread that is ahead counts those that it ends. */
  #mustEnd({ socket }: IncomingMessage): boolean {
    return this.#draining || this.#connections.mustEnd(socket, this.#inProgress);
  }

  #readBody(exchange: Exchange): Promise<Buffer> {
    const { message, response, share } = exchange;
    const { maxBodyBytes } = this.#options;
    if (this.#unsent.isFull) {
      const reason = "the server holds too many answers that clients do not take; try again later";
      return Promise.reject(new InferenceError("UNAVAILABLE", reason));
    }
    if (exchange.keepsBody && Number(message.headers["content-length"] ?? 0) <= maxBodyBytes) {
      exchange.keepsBody = false;
      response.writeContinue();
    }
    return readBody(message, maxBodyBytes, share);
  }

  /** Closing a connection with unread bytes resets it, and the client would lose an answer that came before its body ended. */
  async #discardRest(message: IncomingMessage): Promise<void> {
    const connection = this.#connections.find(message.socket);
    if (message.complete || message.destroyed || connection === undefined) {
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.stopDiscarding = resolve;
    // A client that resets the connection makes an error, and then always the close that is waited for.
    message.on("error", () => undefined);
    message.once("close", () => resolve());
    message.resume();
    await promise;
  }
}
