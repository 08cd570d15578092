// Stands between the operator and the API server: passes everything on, except for what the present fault does to it.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createInterface } from "node:readline";
import { buffer, text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { type Call, callOf } from "./call.ts";
import type { EventSink, Fault } from "./fault.ts";

const noFault: Fault = { name: "none" };
/** The client's own; those of the connection to the API server are Node's business. */
const droppedHeaders: ReadonlySet<string> = new Set(["authorization", "connection", "host", "transfer-encoding"]);

export class ApiProxy {
  /** Changed at any time; requests under way keep the one that they came under. */
  fault: Fault = noFault;
  /** Writes that the API server has answered with 2xx, oldest first. */
  readonly writes: Call[] = [];
  /** Value of the last request's authorization header. */
  authorization: string | undefined;
  readonly #server: Server;
  readonly #upstream: { readonly url: URL; readonly agent: Agent };
  readonly #sockets = new Set<Socket>();
  #shut = false;

  private constructor(server: Server, upstream: { url: URL; agent: Agent }) {
    this.#server = server;
    this.#upstream = upstream;
  }

  /** Leads to the API server of a kubeconfig, with the rights of its user; clients need no credentials. */
  static async start(kubeconfig: string): Promise<ApiProxy> {
    const config = new KubeConfig();
    config.loadFromString(await readFile(kubeconfig, "utf8"));
    const cluster = config.getCurrentCluster();
    const user = config.getCurrentUser();
    if (cluster === null || user === null) throw new Error(`${kubeconfig} names no cluster or no user`);
    const pem = (base64: string | undefined) => Buffer.from(base64 ?? "", "base64");
    const agent = new Agent({
      keepAlive: true,
      ca: pem(cluster.caData),
      cert: pem(user.certData),
      key: pem(user.keyData),
    });
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0 });
    const proxy = new ApiProxy(server, { url: new URL(cluster.server), agent });
    server.on("connection", (socket) => {
      proxy.#sockets.add(socket);
      socket.on("close", () => proxy.#sockets.delete(socket));
      // A killed client's connections break in every way.
      socket.on("error", () => undefined);
    });
    server.on("request", (request, response) => {
      proxy.#serve(request, response).catch(() => request.socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets every connection. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Lets nothing more through, and resets what there is, until `open`. */
  shut(): void {
    this.#shut = true;
    this.resetAll();
  }

  open(): void {
    this.#shut = false;
  }

  async stop(): Promise<void> {
    this.resetAll();
    this.#server.close();
    this.#upstream.agent.destroy();
  }

  /** A list as the API server has it now, asked for with the proxy's own rights. */
  async read(path: string): Promise<string> {
    return text(await this.#forward({ method: "GET", path, headers: { accept: "application/json" } }, undefined));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    if (this.#shut) return void request.socket.resetAndDestroy();
    this.authorization = request.headers.authorization;
    const { fault } = this;
    const call = callOf(request.method ?? "GET", request.url ?? "/");
    const verdict = (await fault.arrives?.(call)) ?? { kind: "pass" };
    // A killed operator's last words must not reach the API server.
    if (this.#shut || verdict.kind === "reset") return void request.socket.resetAndDestroy();
    if (verdict.kind === "answer") {
      if (verdict.retryAfterSeconds !== undefined) response.setHeader("retry-after", verdict.retryAfterSeconds);
      return void response.writeHead(verdict.status, { "content-type": "application/json" }).end(verdict.body);
    }
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !droppedHeaders.has(name)));
    const answer = await this.#forward({ method: call.method, path: call.path, headers }, body);
    if (call.kind === "watch" && answer.statusCode === 200) return this.#passEvents(call, answer, response);
    await this.#passAnswer(call, answer, response);
  }

  async #passAnswer(call: Call, answer: IncomingMessage, response: ServerResponse): Promise<void> {
    const { fault } = this;
    const status = answer.statusCode ?? 500;
    const ok = status >= 200 && status < 300;
    let body: Buffer | string = await buffer(answer);
    const wrote = ok && call.kind === "write";
    if (wrote) this.writes.push(call);
    if (wrote && fault.written?.(call) === "lose") return void response.socket?.resetAndDestroy();
    if (this.#shut) return void response.socket?.resetAndDestroy();
    if (ok && call.kind === "list") body = fault.listed?.(call, body.toString()) ?? body;
    const { "retry-after": retryAfter, "content-type": type = "application/json" } = answer.headers;
    if (retryAfter !== undefined) response.setHeader("retry-after", retryAfter);
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(body, () => {
      if (wrote) fault.delivered?.(call);
    });
  }

  #passEvents(call: Call, answer: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const sink: EventSink = {
      send: (line) => void (response.writable && response.write(`${line}\n`)),
      gone: () => {
        if (response.writable) response.end(`${JSON.stringify({ type: "ERROR", object: goneStatus })}\n`);
      },
    };
    const filter = this.fault.watching?.(call, sink) ?? sink.send;
    response.on("close", () => answer.destroy());
    answer.on("error", () => response.destroy());
    const lines = createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on("line", filter);
    lines.on("error", () => response.destroy());
    lines.on("close", () => response.end());
  }

  #forward(
    options: { readonly method: string; readonly path: string; readonly headers: IncomingMessage["headers"] },
    body: Buffer | undefined,
  ): Promise<IncomingMessage> {
    const { url, agent } = this.#upstream;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpsRequest({ ...options, host: url.hostname, port: url.port, agent }, resolve);
    request.on("error", reject);
    request.end(body !== undefined && body.length > 0 ? body : undefined);
    return promise;
  }
}

/** What the API server says when it no longer has what a watch or a list asks for. */
export const goneStatus = {
  kind: "Status",
  apiVersion: "v1",
  status: "Failure",
  reason: "Expired",
  message: "too old resource version",
  code: 410,
};
