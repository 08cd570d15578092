// HTTP requests to the API server: authenticated, with a deadline, over kept connections, tried again where that is safe.

import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { KubeConfig } from "@kubernetes/client-node";
import { apiError, parseJson, readBody } from "./answer.ts";
import { backoffMs } from "./backoff.ts";
import { type Clock, systemClock, wait } from "./clock.ts";
import { AnswerTooLargeError, ApiError, ConnectionError, NotLeaderError } from "./errors.ts";
import { Lifeline } from "./lifeline.ts";

/** One answered or failed try, for metrics. */
export interface RequestObservation {
  readonly verb: string;
  /** Of HTTP. */
  readonly method: string;
  /** Of the API server, with its port where the URL has one. */
  readonly host: string;
  /** Plural of the kind, with its subresource: `deployments`, `deployments/scale`. */
  readonly resource: string;
  /** HTTP status, or `error` when no answer came. */
  readonly status: number | "error";
  /** Until the head of the answer. */
  readonly seconds: number;
}

export interface TransportOptions {
  /** Where the API server is and who we are; its current context is used. */
  readonly kubeConfig: KubeConfig;
  readonly userAgent: string;
  /** For one try, from connecting to the last byte; watches only until the head of the answer. Default 30 000. */
  readonly requestTimeoutMs?: number;
  /** Default 64 MiB. */
  readonly maxAnswerBytes?: number;
  readonly onRequest?: (observation: RequestObservation) => void;
  /** Asked for each try of a call that changes something, when nothing but its bytes remains to be sent. Default: always. */
  readonly mayWrite?: () => boolean;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export interface Call {
  readonly verb: string;
  readonly resource: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Doing it twice is the same as doing it once. */
  readonly idempotent: boolean;
  /** What is attempted, for messages: `get Deployment vision/resnet-predictor`. */
  readonly attempted: string;
  /** A POST that only asks something, such as a review: it is sent even by those that may not write. */
  readonly asks?: boolean;
  readonly contentType?: string;
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
}

const maxTries = 4;
const maxRetryAfterSeconds = 10;
const retryBackoff = { baseMs: 1_000, maxMs: 10_000 };
// Linux then probes each second and gives up after ten: a cut connection is noticed within half a minute.
const keepAliveDelayMs = 15_000;

export class Transport {
  readonly clock: Clock;
  readonly maxAnswerBytes: number;
  readonly #options: TransportOptions;
  readonly #server: string;
  readonly #host: string;
  readonly #agent: http.Agent;
  readonly #random: () => number;
  readonly #timeoutMs: number;
  readonly #mayWrite: () => boolean;

  /** Throws `TypeError` when the kubeconfig's current context names no cluster. */
  constructor(options: TransportOptions) {
    const cluster = options.kubeConfig.getCurrentCluster();
    if (!cluster) {
      const context = options.kubeConfig.getCurrentContext();
      throw new TypeError(`kubeconfig: current-context ${JSON.stringify(context)} names no cluster`);
    }
    this.#options = options;
    this.#server = cluster.server.replace(/\/+$/, "");
    this.#host = new URL(cluster.server).host;
    this.#agent = cluster.server.startsWith("http:")
      ? new http.Agent({ keepAlive: true, keepAliveMsecs: keepAliveDelayMs })
      : new https.Agent({ keepAlive: true, keepAliveMsecs: keepAliveDelayMs });
    this.#timeoutMs = options.requestTimeoutMs ?? 30_000;
    this.#random = options.random ?? Math.random;
    this.#mayWrite = options.mayWrite ?? (() => true);
    this.clock = options.clock ?? systemClock;
    this.maxAnswerBytes = options.maxAnswerBytes ?? 64 * 1024 * 1024;
  }

  /** Closes idle and busy connections; calls in flight end with `ConnectionError`. */
  close(): void {
    this.#agent.destroy();
  }

  /** Sends the call and returns its JSON answer, trying again when the server asks for it or a kept connection was dead. */
  async request(call: Call): Promise<unknown> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#try(call);
      } catch (error) {
        const delayMs = tried < maxTries ? this.#retryDelayMs(error, call, tried) : undefined;
        if (delayMs === undefined) throw error;
        if (delayMs > 0) await wait(this.clock, delayMs, call.signal);
        call.signal?.throwIfAborted();
      }
    }
  }

  /** Sends the call and returns the answer as soon as its head is there; the caller reads it to its end or destroys it. */
  async open(call: Call): Promise<http.IncomingMessage> {
    const lifeline = this.#lifeline(call);
    try {
      const response = await this.#send(call, lifeline.signal);
      if (response.statusCode !== 200) {
        throw apiError(response, await readBody(response, call.attempted, this.maxAnswerBytes), call.attempted);
      }
      lifeline.liftDeadline();
      response.once("close", () => lifeline.end());
      return response;
    } catch (error) {
      lifeline.end();
      throw this.#explain(error, call, lifeline);
    }
  }

  async #try(call: Call): Promise<unknown> {
    const lifeline = this.#lifeline(call);
    try {
      const response = await this.#send(call, lifeline.signal);
      const body = await readBody(response, call.attempted, this.maxAnswerBytes);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw apiError(response, body, call.attempted);
      return parseJson(body, call.attempted);
    } catch (error) {
      throw this.#explain(error, call, lifeline);
    } finally {
      lifeline.end();
    }
  }

  #lifeline(call: Call): Lifeline {
    return new Lifeline(this.clock, this.#timeoutMs, call.signal);
  }

  /** Resolves with the head of the answer. */
  async #send(call: Call, signal: AbortSignal): Promise<http.IncomingMessage> {
    const started = this.clock.nowMs();
    const observe = (status: number | "error"): void =>
      this.#options.onRequest?.({
        verb: call.verb,
        method: call.method,
        host: this.#host,
        resource: call.resource,
        status,
        seconds: (this.clock.nowMs() - started) / 1000,
      });
    try {
      const response = await this.#exchange(await this.#requestOptions(call, signal), call);
      observe(response.statusCode ?? "error");
      return response;
    } catch (error) {
      observe("error");
      throw error;
    }
  }

  /** Credentials and certificates come from client-node at each request: it re-reads files and renews tokens. */
  async #requestOptions(call: Call, signal: AbortSignal): Promise<https.RequestOptions> {
    const options: https.RequestOptions = {
      method: call.method,
      signal,
      headers: { accept: "application/json", "user-agent": this.#options.userAgent },
    };
    try {
      await this.#options.kubeConfig.applyToHTTPSOptions(options);
    } catch (error) {
      throw new ConnectionError(`${call.attempted}: the credentials of the kubeconfig cannot be used`, {
        cause: error,
      });
    }
    // Its agent opens a connection per request and keeps the first certificate for ever; with a proxy it is the only way.
    if (!this.#options.kubeConfig.getCurrentCluster()?.proxyUrl) options.agent = this.#agent;
    const headers = options.headers as http.OutgoingHttpHeaders;
    // A token file may end with a newline, which is not allowed in a header.
    const authorization = headers["Authorization"];
    if (typeof authorization === "string") headers["Authorization"] = authorization.trim();
    return options;
  }

  #exchange(options: https.RequestOptions, call: Call): Promise<http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    this.#fence(call);
    const send = this.#server.startsWith("http:") ? http.request : https.request;
    const request = send(`${this.#server}${call.path}`, options);
    request.setSocketKeepAlive(true, keepAliveDelayMs);
    request.setNoDelay(true);
    request.once("response", resolve);
    request.on("error", (error: NodeJS.ErrnoException) => {
      const broken = error.code === "ECONNRESET" || error.code === "EPIPE";
      reject(request.reusedSocket && broken ? new DeadConnectionError(error) : error);
    });
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    if (body !== undefined) {
      request.setHeader("content-type", call.contentType ?? "application/json");
      request.setHeader("content-length", body.length);
    }
    // Nothing is sent before this. Connecting takes a while, and a process may be stopped meanwhile.
    request.once("socket", (socket) => {
      whenConnected(socket, () => {
        try {
          this.#fence(call);
          request.end(body);
        } catch (error) {
          request.destroy(error as Error);
        }
      });
    });
    return promise;
  }

  /** Election alone keeps nobody from writing: a process that was stopped for a while goes on where it was. */
  #fence(call: Call): void {
    if (call.method !== "GET" && call.asks !== true && !this.#mayWrite()) throw new NotLeaderError(call.attempted);
  }

  #explain(error: unknown, call: Call, lifeline: Lifeline): unknown {
    if (call.signal?.aborted) return call.signal.reason;
    if (lifeline.timedOut) {
      return new ConnectionError(`${call.attempted}: no answer within ${this.#timeoutMs / 1000} s`, { cause: error });
    }
    if (passedOn.some((kind) => error instanceof kind)) return error;
    const what = error instanceof Error ? error.message : String(error);
    return new ConnectionError(`${call.attempted}: ${what}`, { cause: error });
  }

  /** Milliseconds to wait before trying again, or undefined when the call has failed for good. */
  #retryDelayMs(error: unknown, call: Call, tried: number): number | undefined {
    // The server closes idle connections whenever it likes; the next call then finds a dead one.
    const deadConnection = error instanceof ConnectionError && error.cause instanceof DeadConnectionError;
    if (deadConnection && call.idempotent) return tried === 1 ? 0 : undefined;
    if (!(error instanceof ApiError)) return undefined;
    const { status, retryAfterSeconds } = error;
    // 429 is said before anything was done, so even a create may be repeated.
    const worthwhile = status === 429 || (status === 503 && call.idempotent && retryAfterSeconds !== undefined);
    if (!worthwhile || (retryAfterSeconds ?? 0) > maxRetryAfterSeconds) return undefined;
    const jitterMs = backoffMs(tried, { ...retryBackoff, random: this.#random });
    return retryAfterSeconds === undefined ? jitterMs : retryAfterSeconds * 1000 + this.#random() * 500;
  }
}

/** Errors that say by themselves what went wrong. */
const passedOn = [ApiError, ConnectionError, AnswerTooLargeError, NotLeaderError];

function whenConnected(socket: Socket, callback: () => void): void {
  // A kept connection is neither; one that is being made to a TLS server is both, one after the other.
  if ((socket as Partial<TLSSocket> & { secureConnecting?: boolean }).secureConnecting) {
    socket.once("secureConnect", callback);
  } else if (socket.connecting) {
    socket.once("connect", callback);
  } else {
    callback();
  }
}

/** A kept connection broke while a request was on its way. */
class DeadConnectionError extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
    this.name = "DeadConnectionError";
  }
}
