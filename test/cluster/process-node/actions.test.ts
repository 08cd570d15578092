// Tests of probe and hook actions against real servers on the loopback interface.

import { createServer, type Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import type { Container } from "kubernetes-types/core/v1.js";
import { afterEach, describe, expect, test } from "vitest";
import { type Action, type ActionTarget, portNumber, runAction } from "./actions.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listen(server: TcpServer): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function httpServer(listener: Parameters<typeof createServer>[1]): Promise<number> {
  const server: Server = createServer(listener);
  closers.push(() => server.closeAllConnections());
  return listen(server);
}

const tools = { ip: "", mount: "", nsenter: "", setpriv: "", sh: "", umount: "", unshare: "" };
const target = (port = 0): ActionTarget => ({
  tools,
  container: { name: "server", ports: [{ name: "http", containerPort: port }] },
  podAddress: "127.0.0.1",
  pid: 0,
  environment: {},
  processFiles: [],
});
const forever = new AbortController().signal;
const run = (action: Action, port?: number): ReturnType<typeof runAction> => runAction(action, target(port), forever);

describe("httpGet", () => {
  test.each([
    [200, true],
    [204, true],
    [302, true],
    [404, false],
    [503, false],
  ])("status %d: success %s", async (status, success) => {
    const port = await httpServer((_request, response) => response.writeHead(status).end("body"));
    const result = await run({ httpGet: { port } });
    expect(result.success).toBe(success);
    if (!success) expect(result.message).toBe(`HTTP probe failed with statuscode: ${status}: body`);
  });

  test("names its port, path and headers, and says who asks", async () => {
    let seen: unknown;
    const port = await httpServer(({ url, headers }, response) => {
      seen = { url, header: headers["x-model"], agent: headers["user-agent"] };
      response.end();
    });
    await run(
      { httpGet: { port: "http", path: "/v2/health/ready", httpHeaders: [{ name: "X-Model", value: "m" }] } },
      port,
    );
    expect(seen).toEqual({ url: "/v2/health/ready", header: "m", agent: "kube-probe/1.36" });
  });

  test("a refused connection and an unknown port name are failures with their reason", async () => {
    const port = await listen(createTcpServer());
    closers.pop()?.();
    expect((await run({ httpGet: { port } })).message).toContain("ECONNREFUSED");
    expect((await run({ httpGet: { port: "grpc" } })).message).toBe('container "server" has no port named "grpc"');
  });

  test("a server that does not answer fails when the time is over", async () => {
    const ended = new AbortController();
    const port = await httpServer(() => ended.abort());
    const result = await runAction({ httpGet: { port } }, target(), ended.signal);
    expect(result).toEqual({ success: false, message: "context deadline exceeded" });
  });
});

test("tcpSocket succeeds when a connection is accepted", async () => {
  const port = await listen(createTcpServer((socket) => socket.destroy()));
  expect(await run({ tcpSocket: { port } })).toEqual({ success: true, message: "" });
});

describe("grpc", () => {
  async function healthServer(status: number): Promise<number> {
    const server = createHttp2Server();
    server.on("stream", (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const service = Buffer.concat(chunks).subarray(7).toString();
        if (headers[":path"] !== "/grpc.health.v1.Health/Check" || service === "unknown") {
          stream.respond(
            { ":status": 200, "grpc-status": "5", "grpc-message": "unknown service" },
            { endStream: true },
          );
          return;
        }
        stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, status]));
      });
    });
    return listen(server);
  }

  test.each([
    [1, { success: true, message: "" }],
    [2, { success: false, message: 'service unhealthy (responded with "NOT_SERVING")' }],
  ])("status %d", async (status, expected) => {
    expect(await run({ grpc: { port: await healthServer(status), service: "inference" } })).toEqual(expected);
  });

  test("an error of the server is the failure's reason", async () => {
    const result = await run({ grpc: { port: await healthServer(1), service: "unknown" } });
    expect(result.message).toBe("health check failed with gRPC status 5: unknown service");
  });

  test("a refused connection fails", async () => {
    const port = await listen(createTcpServer());
    closers.pop()?.();
    expect((await run({ grpc: { port } })).message).toContain("ECONNREFUSED");
  });
});

describe("portNumber", () => {
  const container: Container = { name: "server", ports: [{ name: "http", containerPort: 8080 }] };
  test.each([
    [8081, 8081],
    ["http", 8080],
    ["9000", 9000],
  ])("%j is %d", (port, expected) => {
    expect(portNumber(port, container)).toBe(expected);
  });
});
