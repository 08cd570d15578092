// The port that leads to Services: its paths, and what becomes of doors and clients when one side leaves.

import { once } from "node:events";
import { type ClientRequest, createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ClusterError } from "./errors.ts";
import { openModelPort, parseServicePath } from "./model-port.ts";
import type { Gate } from "./running-cluster.ts";

test.each([
  [
    "/vision/resnet-predictor/v2/health/ready?x=1",
    { namespace: "vision", name: "resnet-predictor", rest: "/v2/health/ready?x=1" },
  ],
  ["/vision/resnet-predictor", { namespace: "vision", name: "resnet-predictor", rest: "/" }],
  ["/vision/resnet-predictor/", { namespace: "vision", name: "resnet-predictor", rest: "/" }],
  ["/", undefined],
  ["/vision", undefined],
  ["/../secrets/x", undefined],
  ["/Vision/resnet/", undefined],
])("%s", (path, expected) => {
  expect(parseServicePath(path)).toEqual(expected);
});

describe("a request", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  /** A port whose doors `open` makes, and a client of it. */
  async function startRequest(open: () => Promise<Gate>): Promise<{ server: Server; client: ClientRequest }> {
    const { port, server } = await openModelPort({ forwardService: open });
    servers.push(server);
    return { server, client: request({ host: "127.0.0.1", port, path: "/vision/resnet/", agent: false }) };
  }

  test("of a client that leaves while its door is being opened leaves no door open", async () => {
    const asked = Promise.withResolvers<void>();
    const opening = Promise.withResolvers<Gate>();
    const closed = Promise.withResolvers<void>();
    const { server, client } = await startRequest(() => {
      asked.resolve();
      return opening.promise;
    });
    const connected = once(server, "connection") as Promise<[Socket]>;
    client.on("error", () => {});
    client.end();
    await asked.promise;
    const [socket] = await connected;
    client.destroy();
    await once(socket, "close");
    opening.resolve({ host: "127.0.0.1", port: 1, close: async () => closed.resolve() });
    await closed.promise;
  });

  test("whose answer breaks off breaks off too, and its door is closed although the cluster has ended", async () => {
    const model = createServer((_incoming, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    servers.push(model);
    model.listen(0, "127.0.0.1");
    await once(model, "listening");
    const { port } = model.address() as AddressInfo;
    const closed = Promise.withResolvers<void>();
    const close = async (): Promise<void> => {
      closed.resolve();
      throw new ClusterError("NOT_RUNNING", "close: the cluster has ended");
    };
    const { client } = await startRequest(async () => ({ host: "127.0.0.1", port, close }));
    client.end();
    const [answer] = (await once(client, "response")) as [IncomingMessage];
    await expect(answer.toArray()).rejects.toThrow("aborted");
    await closed.promise;
  });
});
