// What the tests of this folder share: time moved by hand, an HTTP server that says what it is told, and waiting for a condition.

import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "./clock.ts";
import type { KubeObject, Logger, ResourceType } from "./types.ts";

/** A clock that stands still until `advance`. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Milliseconds until each timer is due, soonest first. */
  get timersMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs).toSorted((a, b) => a - b);
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = [...this.#timers].toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = next.dueMs;
      this.#timers.delete(next);
      next.callback();
    }
    this.#nowMs = endMs;
  }
}

/** Resolves when the condition holds; fails after five seconds, saying what was waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One request as it arrived, and the answer to write. */
export interface Exchange {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly url: URL;
  readonly body: string;
}

/** A real HTTP server on the loopback address; `handler` answers. */
export class ScriptedServer implements AsyncDisposable {
  readonly exchanges: Exchange[] = [];
  handler: (exchange: Exchange) => void = () => undefined;
  readonly #server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url ?? "/", "http://server");
      const exchange = { request, response, url, body: Buffer.concat(chunks).toString() };
      this.exchanges.push(exchange);
      this.handler(exchange);
    });
  });

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** A kubeconfig that leads here. */
  kubeConfig(user: object = {}): KubeConfig {
    return kubeConfigFor({ server: `http://127.0.0.1:${this.port}`, skipTLSVerify: true }, user);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function kubeConfigFor(cluster: object, user: object = {}): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromOptions({
    clusters: [{ name: "test", ...cluster }],
    users: [{ name: "test", ...user }],
    contexts: [{ name: "test", cluster: "test", user: "test" }],
    currentContext: "test",
  });
  return kubeConfig;
}

export function answerJson(response: http.ServerResponse, status: number, body: object, headers: object = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

export interface Thing extends KubeObject {
  readonly spec?: { readonly size?: number; readonly text?: string };
}

export const things: ResourceType<Thing> = {
  apiVersion: "example.com/v1",
  kind: "Thing",
  plural: "things",
  namespaced: true,
};

export function thing(name: string, resourceVersion: string, uid = `uid-${name}`): Thing {
  return { apiVersion: "example.com/v1", kind: "Thing", metadata: { namespace: "ns", name, uid, resourceVersion } };
}
