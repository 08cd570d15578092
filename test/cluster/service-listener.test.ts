// One address of a Service, over real sockets.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import type { Address } from "./service-endpoints.ts";
import { ServiceListener } from "./service-listener.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listening(server: Server): Promise<Address> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

/** Answers with its name, and with how many bytes came before the client was done. */
function endpoint(name: string): Promise<Address> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    socket.on("end", () => socket.end(`${name} got ${bytes}`));
    socket.on("error", () => {});
  });
  return listening(server);
}

/** A port that refuses: it was free a moment ago. */
async function nobody(): Promise<Address> {
  const server = createServer();
  const address = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return address;
}

async function serve(endpoints: readonly Address[]): Promise<Address> {
  const address = await nobody();
  const listener = new ServiceListener(address, (error) => {
    throw error;
  });
  listener.endpoints = endpoints;
  await listener.listen();
  closing.push(() => listener.close());
  return address;
}

function open(address: Address): Socket {
  return connect({ ...address, allowHalfOpen: true });
}

function ask(address: Address, body: string | Buffer = "hello"): Promise<string> {
  const socket = open(address);
  socket.end(body);
  return text(socket);
}

test("connections go to the endpoints in turn", async () => {
  const service = await serve([await endpoint("one"), await endpoint("two")]);
  const answers = [await ask(service), await ask(service), await ask(service), await ask(service)];
  expect(answers).toEqual(["one got 5", "two got 5", "one got 5", "two got 5"]);
});

test("a refusing endpoint is skipped, and what the client has sent is not lost", async () => {
  const service = await serve([await nobody(), await endpoint("two")]);
  expect(await ask(service)).toBe("two got 5");
});

test("megabytes pass, and the end of one direction leaves the other open", async () => {
  const service = await serve([await endpoint("one")]);
  expect(await ask(service, Buffer.alloc(5_000_000))).toBe("one got 5000000");
});

test("a client is cut when no endpoint can be reached", async () => {
  const service = await serve([await nobody(), await nobody()]);
  await expect(ask(service)).rejects.toThrow(/ECONNRESET/);
});

test("a client is cut when its endpoint breaks the connection", async () => {
  const breaking = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  const service = await serve([await listening(breaking)]);
  await expect(ask(service)).rejects.toThrow(/ECONNRESET/);
});

test("an endpoint hears of a client that breaks off", async () => {
  const gone = Promise.withResolvers<void>();
  const target = createServer((socket) => {
    socket.write("x");
    socket.on("error", () => {});
    socket.on("close", () => gone.resolve());
  });
  const service = await serve([await listening(target)]);
  const client = open(service);
  await once(client, "data");
  client.resetAndDestroy();
  await gone.promise;
});

test("after close, new connections are refused and old ones go on", async () => {
  const address = await nobody();
  const listener = new ServiceListener(address, () => {});
  listener.endpoints = [await endpoint("one")];
  await listener.listen();
  const old = open(address);
  await once(old, "connect");
  listener.close();
  await expect(ask(address)).rejects.toThrow(/ECONNREFUSED/);
  old.end("still here");
  expect(await text(old)).toBe("one got 10");
});
