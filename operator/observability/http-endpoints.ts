// The operator's own plain HTTP endpoints: liveness, readiness and metrics.

import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";

export interface EndpointOptions {
  readonly registry: Registry;
  /** Why the operator is not ready yet; undefined when it is. */
  readonly notReady: () => string | undefined;
  /** What hangs, so that only a restart helps; undefined when nothing does. An unreachable API server is none of that. */
  readonly stuck: () => string | undefined;
}

/** Serves /healthz, /readyz and /metrics. */
export function createEndpoints(options: EndpointOptions): Server {
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8") => {
      response.writeHead(status, { "content-type": type }).end(body);
    };
    const check = (reason: string | undefined) =>
      reason === undefined ? answer(200, "ok\n") : answer(503, `${reason}\n`);
    if (path === "/healthz") return check(options.stuck());
    if (path === "/readyz") return check(options.stuck() ?? options.notReady());
    if (path !== "/metrics") return answer(404, "not found: /healthz, /readyz and /metrics are here\n");
    void options.registry.metrics().then(
      (text) => answer(200, text, options.registry.contentType),
      (error: unknown) => answer(500, `${String(error)}\n`),
    );
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  return server;
}
