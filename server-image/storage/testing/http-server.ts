// For tests: an HTTP server on loopback that remembers what it was asked, and one that keeps a file as real servers do.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** @param count of this request, from 1 on */
export type Listener = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface TestHttpServer {
  readonly origin: string;
  readonly requests: readonly IncomingMessage[];
  readonly stop: () => Promise<void>;
}

export async function startHttpServer(listener: Listener, host = "127.0.0.1"): Promise<TestHttpServer> {
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request);
    listener(request, response, requests.length);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  };
  return { origin: `http://${host}:${port}`, requests, stop };
}

export interface ServedFile {
  readonly body: Buffer;
  readonly etag: string;
}

/** Answers as RFC 9110 wants: a part where Range and If-Range fit, else the whole. */
export function sendFile(request: IncomingMessage, response: ServerResponse, { body, etag }: ServedFile): void {
  const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  const condition = request.headers["if-range"];
  if (from === undefined || (condition !== undefined && condition !== etag)) {
    response.writeHead(200, { "content-length": body.length, etag }).end(body);
    return;
  }
  const start = Number(from);
  if (start >= body.length) {
    response.writeHead(416, { "content-range": `bytes */${body.length}` }).end();
    return;
  }
  const headers = { "content-range": `bytes ${start}-${body.length - 1}/${body.length}`, etag };
  response.writeHead(206, { ...headers, "content-length": body.length - start }).end(body.subarray(start));
}
