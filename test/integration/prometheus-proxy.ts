// Stands between the operator and the real Prometheus, and spoils its answers in every way that has been seen.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Cluster, Gate } from "../cluster/running-cluster.ts";

/** What becomes of the answers. `pass` lets them through. */
export type Fault = "pass" | "refused" | "empty" | "nan" | "html" | "slow" | "error";

export class PrometheusProxy {
  fault: Fault = "pass";
  readonly #server: Server;
  readonly #upstream: Gate;
  readonly #entrance: Gate;

  private constructor(server: Server, upstream: Gate, entrance: Gate) {
    this.#server = server;
    this.#upstream = upstream;
    this.#entrance = entrance;
  }

  static async start(cluster: Cluster): Promise<PrometheusProxy> {
    const { hostname, port } = new URL(cluster.insidePrometheusAddress);
    const upstream = await cluster.forward({ host: hostname, port: Number(port) });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const entrance = await cluster.reverse({ port: (server.address() as AddressInfo).port });
    const proxy = new PrometheusProxy(server, upstream, entrance);
    server.on("request", (request, response) => {
      // Prometheus being away is what a refused connection looks like from here.
      proxy.#answer(request, response).catch(() => request.socket.destroy());
    });
    return proxy;
  }

  /** As seen from inside the cluster's network. */
  get address(): string {
    return `http://${this.#entrance.host}:${this.#entrance.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#entrance.close();
    await this.#upstream.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (this.fault) {
      case "refused":
        return void request.socket.destroy();
      case "slow":
        // Held for 30 s, far longer than anybody should wait; a client that gives up frees it.
        return void setTimeout(() => response.destroy(), 30_000).unref();
      case "html":
        return void response.end("<!doctype html><title>Sign in</title>");
      case "error":
        return void response.writeHead(503).end('{"status":"error","errorType":"unavailable","error":"starting up"}');
      case "empty":
        return void response.end('{"status":"success","data":{"resultType":"vector","result":[]}}');
      case "nan":
        return void response.end((await this.#ask(request)).replaceAll(/,"[^"]*"\]/g, ',"NaN"]'));
      case "pass":
        return void response.end(await this.#ask(request));
    }
  }

  async #ask(request: IncomingMessage): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#upstream.port}${request.url}`, {
      method: request.method ?? "GET",
      headers: { "content-type": request.headers["content-type"] ?? "text/plain" },
      body: await text(request),
    });
    return answer.text();
  }
}
