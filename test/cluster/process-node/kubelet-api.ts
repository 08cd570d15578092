// The part of the kubelet's HTTPS API that `kubectl logs` needs, one server per node.

import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ProcessNodeConfig } from "./config.ts";
import type { ContainerLog, LogReadOptions } from "./container-log.ts";

export interface KubeletApiOptions {
  readonly certificate: ProcessNodeConfig["kubeletCertificate"];
  readonly host: string;
  readonly port: number;
  readonly now: () => Date;
  /** Undefined when the node has no such pod. */
  findPod(
    namespace: string,
    name: string,
  ): { log(container: string, which: "current" | "previous"): ContainerLog | undefined } | undefined;
}

/** @throws Error when the port is taken or a certificate file is missing. Only clients with a certificate are answered. */
export async function serveKubeletApi(options: KubeletApiOptions): Promise<Server> {
  const { cert, key, clientCA } = options.certificate;
  const files = await Promise.all([cert, key, clientCA].map((path) => readFile(path)));
  const server = createServer(
    { cert: files[0], key: files[1], ca: files[2], requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      answer(request, response, options).catch(() => response.destroy());
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.port, options.host, resolve);
  await promise;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, options: KubeletApiOptions): Promise<void> {
  const url = new URL(request.url ?? "/", "https://node");
  if (url.pathname === "/healthz") {
    response.end("ok");
    return;
  }
  const [, resource, namespace = "", pod = "", container = "", ...rest] = url.pathname
    .split("/")
    .map(decodeURIComponent);
  if (resource !== "containerLogs" || rest.length > 0) {
    fail(
      response,
      404,
      `a process node serves /healthz and /containerLogs/NAMESPACE/POD/CONTAINER, not ${url.pathname}`,
    );
    return;
  }
  const worker = options.findPod(namespace, pod);
  if (worker === undefined) {
    fail(response, 404, `pod "${namespace}/${pod}" not found on this node`);
    return;
  }
  const which = url.searchParams.get("previous") === "true" ? "previous" : "current";
  const log = worker.log(container, which);
  if (log === undefined) {
    const what = which === "previous" ? "no earlier attempt" : "not been started since the process node has";
    fail(response, 400, `container "${container}" in pod "${pod}" has ${what}`);
    return;
  }
  response.writeHead(200, { "content-type": "text/plain" });
  // A follower of a silent container is told at once that the stream is open.
  response.flushHeaders();
  await pipeline(Readable.fromWeb(log.read(readOptions(url.searchParams, options.now()))), response);
}

function fail(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "content-type": "text/plain" });
  response.end(message);
}

/** The query of a log request as the API server sends it on. */
export function readOptions(query: URLSearchParams, now: Date): LogReadOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    return text === null || text === "" ? undefined : Number(text);
  };
  const tailLines = number("tailLines");
  const limitBytes = number("limitBytes");
  const sinceSeconds = number("sinceSeconds");
  const sinceTime = query.get("sinceTime");
  const sinceMs = sinceSeconds === undefined ? Date.parse(sinceTime ?? "") : now.getTime() - sinceSeconds * 1000;
  return {
    follow: query.get("follow") === "true",
    timestamps: query.get("timestamps") === "true",
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(!Number.isNaN(sinceMs) && { sinceMs }),
  };
}
