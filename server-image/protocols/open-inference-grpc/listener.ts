// The gRPC server: its services on one port, limits, and an end without lost calls.

import { type AddressInfo, createServer, type Socket, type Server as SocketServer } from "node:net";

import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
} from "@grpc/grpc-js";

import type { ProtocolContext } from "../context.ts";
import { BodyBudget } from "../http/body-budget.ts";
import { internalsOf } from "./call-internals.ts";
import { CallLimit, RefusedCall } from "./call-limit.ts";
import type { CallOptions } from "./call-options.ts";
import { Connections } from "./connections.ts";
import { Health } from "./health.ts";
import { registerReflection } from "./reflection.ts";
import { INFERENCE_SERVICE, registerInferenceService } from "./service.ts";
import { Slots } from "./slots.ts";
import { Sockets } from "./sockets.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";
import { UnsentAnswers } from "./unsent-answers.ts";

export interface GrpcListenerOptions {
  readonly context: ProtocolContext;
  /** Of one message, compressed and not. */
  readonly maxMessageBytes: number;
  /** Asked for each new connection; for one beyond, one without calls is ended. */
  readonly maxConnections: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Open at once, of any kind, of all connections together; further ones are refused. */
  readonly maxCalls?: number;
  /** Whether other threads listen on the same port. */
  readonly reusePort?: boolean;
}

/** Far more than can be waiting with profit, and less memory than a container has. */
const MAX_CALLS = 10_000;
/** Of one connection. Further calls wait in the client. */
const MAX_CONCURRENT_CALLS = 1024;
/** Headers and answers that a client does not read, for one connection. */
const MAX_SESSION_MEGABYTES = 256;
/** Without calls. grpc-js' own limit of age is not used: calls that begin at that moment are lost. */
const IDLE_TIMEOUT_MS = 60_000;
/** Finds clients that are gone without a word. */
const KEEPALIVE_MS = 30_000;

/** Messages of all calls together, in messages of the largest size: many small ones, but few large ones, at a time. */
const MESSAGES_HELD = 2;
/** The same of answers that clients have not taken yet. */
const ANSWERS_HELD = 4;
/** Of unknown size until they are decompressed. */
const COMPRESSED_MESSAGES = 4;

/** How often calls are looked through for clients that keep them waiting. */
const CHECK_INTERVAL_MS = 250;

/** After the last answer, so long for connections that were made but have not asked yet. */
const LINGER_MS = 1000;

const INFER = `/${INFERENCE_SERVICE}/ModelInfer`;
const STREAM_INFER = `/${INFERENCE_SERVICE}/ModelStreamInfer`;

export class GrpcListener {
  readonly #options: GrpcListenerOptions;
  readonly #connections: Connections;
  readonly #open: CallOptions["open"] = new Set();
  readonly #health: Health;
  readonly #server: Server;
  readonly #sockets: SocketServer;
  readonly #injector: ConnectionInjector;
  readonly #connected: Sockets;
  #impatientAtMs = Number.POSITIVE_INFINITY;
  #checks: NodeJS.Timeout | undefined;

  constructor(options: GrpcListenerOptions) {
    const { context, maxMessageBytes, wallClock, random } = options;
    this.#options = options;
    this.#connections = new Connections({ clock: context.clock, random });
    this.#connected = new Sockets(options.maxConnections);
    this.#health = new Health(context);
    this.#server = new Server({
      "grpc.max_receive_message_length": maxMessageBytes,
      "grpc.max_concurrent_streams": MAX_CONCURRENT_CALLS,
      "grpc-node.max_session_memory": MAX_SESSION_MEGABYTES,
      "grpc.max_connection_idle_ms": IDLE_TIMEOUT_MS,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.enable_channelz": 0,
      interceptors: [
        inferenceCalls(new CallLimit(options.maxCalls ?? MAX_CALLS), this.#connected, {
          context,
          connections: this.#connections,
          budget: new BodyBudget(MESSAGES_HELD * maxMessageBytes),
          slots: new Slots(COMPRESSED_MESSAGES),
          unsent: new UnsentAnswers(ANSWERS_HELD * maxMessageBytes),
          open: this.#open,
          wallClock,
        }),
      ],
    });
    this.#register();
    // grpc-js could listen by itself, but neither limits connections nor says why a port cannot be had.
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#sockets = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves with the port, which is a free one where 0 is asked for. Rejects when the port cannot be had. */
  async listen(port: number, host?: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#sockets.once("error", reject);
    this.#sockets.listen({ port, host, reusePort: this.#options.reusePort ?? false }, resolve);
    await promise;
    this.#sockets.off("error", reject);
    this.#checks = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
    return (this.#sockets.address() as AddressInfo).port;
  }

  /** From now on connections end after their next answer, idle ones at once; new ones are still taken. */
  startDraining(): void {
    this.#connections.drain();
    this.#health.update();
  }

  /**
   * Takes no new connections and resolves when all calls are answered and their connections closed.
   *
   * @param patienceMs how long clients are waited for that send a request, or take an answer, slowly
   */
  async close(patienceMs: number): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    this.#sockets.close(() => resolve());
    this.startDraining();
    this.#health.close();
    for (const call of this.#open) {
      call.finish();
    }
    this.#impatientAtMs = this.#options.context.clock() + patienceMs;
    // A client that only holds its connection open must not hold up the end.
    let linger = setTimeout(() => this.#endUnused(), LINGER_MS);
    this.#connections.whenIdle(() => {
      clearTimeout(linger);
      linger = setTimeout(() => this.#endUnused(), LINGER_MS);
    });
    await closed;
    clearTimeout(linger);
    clearInterval(this.#checks);
    this.#server.forceShutdown();
  }

  #check(): void {
    const nowMs = this.#options.context.clock();
    for (const call of this.#open) {
      call.check(nowMs, nowMs >= this.#impatientAtMs);
    }
  }

  #endUnused(): void {
    if (this.#connections.calls === 0) {
      this.#connected.endAll();
    }
  }

  #accept(socket: Socket): void {
    if (this.#connected.accept(socket)) {
      this.#injector.injectConnection(socket);
    }
  }

  #register(): void {
    const { context } = this.#options;
    for (const path of [INFER, STREAM_INFER]) {
      const type = path === INFER ? "unary" : "bidi";
      this.#server.register(
        path,
        answeredByInterceptor,
        (message: Buffer) => message,
        (bytes) => bytes,
        type,
      );
    }
    registerInferenceService(this.#server, context);
    this.#health.register(this.#server);
    registerReflection(this.#server, [INFERENCE_SERVICE, "grpc.health.v1.Health"]);
  }
}

function inferenceCalls(limit: CallLimit, sockets: Sockets, options: CallOptions): ServerInterceptor {
  return ({ path }, call) => {
    const internals = internalsOf(call);
    options.connections.seen(internals.session);
    sockets.callBegan(internals);
    if (!limit.admits(internals)) {
      return new RefusedCall(call, internals);
    }
    switch (path) {
      case INFER:
        return new UnaryCall(call, internals, options);
      case STREAM_INFER:
        return new StreamCall(call, internals, options);
      default:
        return new ServerInterceptingCall(call);
    }
  };
}

function answeredByInterceptor(): never {
  throw new Error("inference calls never reach their handler");
}
