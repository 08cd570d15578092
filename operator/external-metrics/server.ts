// The HTTPS server: health for everybody, everything else for users that the front proxy vouches for.

import { constants } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../kube/types.ts";
import { authenticate, peerOf } from "./authentication.ts";
import type { Authorizer } from "./authorization.ts";
import type { ServingCertificate } from "./certificate.ts";
import type { FrontProxyTrust } from "./front-proxy-trust.ts";
import { attributesOf, findRoute, readRoute } from "./routes.ts";
import type { ExternalMetricsSource } from "./source.ts";
import { type StatusCode, StatusError, statusBody } from "./status-error.ts";

/** What the server shows its clients, and which of theirs it believes. */
export interface Credentials {
  readonly serving: ServingCertificate;
  readonly trust: FrontProxyTrust;
}

export interface MetricsServerOptions {
  readonly source: ExternalMetricsSource;
  readonly authorizer: Authorizer;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Samples older than this are not served. */
  readonly maxSampleAgeMs: number;
  readonly logger: Logger;
}

const healthPaths = new Set(["/healthz", "/livez", "/readyz"]);
const refusals: ReadonlyMap<string, [StatusCode, string]> = new Map([
  ["HPE_HEADER_OVERFLOW", [431, "Request Header Fields Too Large"]],
  ["ERR_HTTP_REQUEST_TIMEOUT", [408, "Request Timeout"]],
]);
const maxConnections = 1024;
const closeGraceMs = 5_000;

const limits = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than kube-apiserver keeps an idle connection (90 s), so that none is closed under a request.
  keepAliveTimeout: 120_000,
  // A user with some hundred groups exceeds Node's 16 KiB.
  maxHeaderSize: 256 * 1024,
} as const;

export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #server: Server;
  /** Below TLS, so that a handshake under way counts. */
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Set<Promise<void>>();
  #credentials: Credentials;

  constructor(options: MetricsServerOptions, credentials: Credentials) {
    this.#options = options;
    this.#credentials = credentials;
    // Health is open to everybody, so the certificate is asked for here and judged with each request.
    this.#server = createServer({ ...limits, requestCert: true, rejectUnauthorized: false, ...contextOf(credentials) });
    this.#server.maxConnections = maxConnections;
    this.#server.on("request", (request, response) => this.#serve(request, response));
    this.#server.on("connection", (socket: Socket) => this.#remember(socket));
    this.#server.on("tlsClientError", (err) => options.logger.debug({ err }, "TLS handshake failed"));
    this.#server.on("clientError", refuse);
  }

  /** Resolves with the address once connections are accepted; rejects when the port cannot be had. */
  listen(host: string, port: number): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>();
    this.#server.once("error", reject);
    this.#server.listen({ host, port }, () => {
      this.#server.off("error", reject);
      this.#server.on("error", (err) => this.#options.logger.error({ err }, "the external metrics server failed"));
      resolve(this.#server.address() as AddressInfo);
    });
    return promise;
  }

  /** For connections from now on. Those made under another trust end: whom they belong to was judged by it. */
  use(credentials: Credentials): void {
    const trustChanged = !isDeepStrictEqual(credentials.trust, this.#credentials.trust);
    if (!trustChanged && credentials.serving === this.#credentials.serving) return;
    this.#credentials = credentials;
    this.#server.setSecureContext(contextOf(credentials));
    if (trustChanged) for (const socket of this.#sockets) socket.destroy();
  }

  /** Answers what has arrived, for a few seconds at most, then closes. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const { promise: grace, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, closeGraceMs);
    await Promise.race([grace, Promise.all(this.#answers)]);
    clearTimeout(timer);
    // Node counts connections that never carried a request as busy; clients hold those in reserve.
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answers.add(promise);
    response.once("close", () => {
      this.#answers.delete(promise);
      resolve();
    });
    void this.#answer(request, response);
  }

  #remember(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const path = (request.url ?? "").split("?")[0] ?? "";
      if (healthPaths.has(path)) return send(response, 200, "text/plain; charset=utf-8", "ok");
      sendJson(response, 200, await this.#read(request));
    } catch (error) {
      const refusal = error instanceof StatusError ? error : this.#unexpected(error);
      const { status, message } = refusal;
      this.#options.logger.debug({ method: request.method, url: request.url, status, message }, "request refused");
      if (status === 405) response.setHeader("allow", "GET");
      sendJson(response, status, statusBody(refusal));
    }
  }

  async #read(request: IncomingMessage): Promise<object> {
    const { source, authorizer, now, maxSampleAgeMs } = this.#options;
    const peer = peerOf(request.socket as TLSSocket);
    const user = authenticate(peer, request.headersDistinct, this.#credentials.trust, now());
    const route = findRoute(request.url ?? "");
    if (request.method !== "GET") throw new StatusError(405, `${request.method} is not allowed: metrics are read-only`);
    await authorizer.authorize(user, attributesOf(route));
    return readRoute(route, { source, nowMs: now(), maxSampleAgeMs });
  }

  #unexpected(err: unknown): StatusError {
    this.#options.logger.error({ err }, "request failed");
    return new StatusError(500, "Internal error: the operator's log says more", { cause: err });
  }
}

function contextOf({ serving, trust }: Credentials): ServerOptions {
  return {
    minVersion: "TLSv1.2",
    cert: serving.certificate,
    key: serving.key,
    ca: [...trust.authorities],
    // A resumed session would carry a verdict over the client's certificate that was passed under another trust.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-cache, private",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, "application/json", JSON.stringify(body));
}

/** Answers what is not HTTP, too slow or too large, as far as the connection still allows it. */
function refuse({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const [status, phrase] = refusals.get(code ?? "") ?? [400, "Bad Request"];
  const body = JSON.stringify(statusBody(new StatusError(status, phrase)));
  const head = `HTTP/1.1 ${status} ${phrase}\r\nConnection: close\r\nContent-Type: application/json`;
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}
