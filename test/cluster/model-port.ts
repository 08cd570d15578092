// A loopback port through which people reach every Service of the cluster: http://127.0.0.1:PORT/NAMESPACE/SERVICE/PATH.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import type { Cluster, Gate } from "./running-cluster.ts";

const servicePort = 80;

/** What the path of a request asks for, or `undefined` if it names no Service. */
export function parseServicePath(path: string): { namespace: string; name: string; rest: string } | undefined {
  const match = /^\/([a-z\d-]+)\/([a-z\d-]+)(\/.*|$)/.exec(path);
  if (match === null) return undefined;
  const [, namespace = "", name = "", rest = ""] = match;
  return { namespace, name, rest: rest === "" ? "/" : rest };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { "content-type": "text/plain" }).end(`${message}\n`);
}

function passOn(incoming: IncomingMessage, response: ServerResponse, gate: Gate, path: string): void {
  const upstream = request(
    {
      host: gate.host,
      port: gate.port,
      method: incoming.method,
      path,
      headers: { ...incoming.headers, connection: "close" },
      agent: false,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // An answer that breaks off breaks the response too, where a pipe would leave the client waiting.
      pipeline(answer, response, () => {});
    },
  );
  upstream.on("error", (error) => refuse(response, 502, `the service does not answer: ${error.message}`));
  response.on("close", () => upstream.destroy());
  incoming.pipe(upstream);
}

/** Listens on a free loopback port and resolves with it and with the way to close it. */
export async function openModelPort(
  cluster: Pick<Cluster, "forwardService">,
): Promise<{ port: number; server: Server }> {
  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = parseServicePath(incoming.url ?? "");
    if (target === undefined) {
      refuse(
        response,
        404,
        "The path is /NAMESPACE/SERVICE/PATH, for example /default/resnet-predictor/v2/health/ready",
      );
      return;
    }
    // One gate per request: a Service that is made anew has another address.
    const gate = await cluster.forwardService({ ...target, port: servicePort });
    // Closing fails only when the cluster has ended, and its gates with it.
    const close = (): void => void gate.close().catch(() => {});
    if (response.destroyed) {
      close();
      return;
    }
    response.on("close", close);
    passOn(incoming, response, gate, target.rest);
  };
  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: Error) => refuse(response, 502, error.message));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return { port: (server.address() as AddressInfo).port, server };
}
