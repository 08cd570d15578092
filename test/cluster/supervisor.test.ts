// The order in which components start, with real processes and a real server that says when they are ready.

import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StartStep } from "./inside-protocol.ts";
import { Supervisor } from "./supervisor.ts";

let folder = "";
let server: Server;
/** Answers after the current one in which the server says that it is not ready. */
let refusals: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "supervisor-test-"));
  refusals = 0;
  server = createServer((_request, response) => {
    response.writeHead(refusals > 0 ? 503 : 200).end();
    refusals -= 1;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  await supervisor.stopAll(10);
  server.close();
  await rm(folder, { recursive: true });
});

let supervisor: Supervisor;
function supervise(steps: readonly StartStep[], news: string[] = []): Supervisor {
  supervisor = new Supervisor({
    steps,
    logDirectory: folder,
    onReady: (component) => news.push(`${component} is ready`),
    onUnexpectedExit: (component) => news.push(`${component} has ended`),
  });
  return supervisor;
}

/** Writes its name into the folder's diary, then runs `then`. */
function step(name: string, after: readonly string[], then = "exec sleep 600", waits = false): StartStep {
  const { port } = server.address() as AddressInfo;
  return {
    component: { name, command: "sh", args: ["-c", `echo ${name} >> ${join(folder, "diary")}; ${then}`] },
    after,
    ...(waits ? { readyUrl: `http://127.0.0.1:${port}/` } : {}),
  };
}

test("a component starts once those that it needs are ready, and readiness is asked for until it comes", async () => {
  const news: string[] = [];
  refusals = 3;
  await supervise(
    [
      step("store", [], "exec sleep 600", true),
      step("server", ["store"], "exec sleep 600", true),
      step("client", ["server"]),
    ],
    news,
  ).startAll();
  await expect.poll(() => readFile(join(folder, "diary"), "utf8")).toBe("store\nserver\nclient\n");
  expect(news).toEqual(["store is ready", "server is ready"]);
});

test("a component that ends before it is ready ends the start, and what needs it never starts", async () => {
  const news: string[] = [];
  refusals = Number.POSITIVE_INFINITY;
  const start = supervise([step("store", [], "exit 1", true), step("server", ["store"])], news).startAll();
  await expect(start).rejects.toThrow("store ended before it was ready");
  expect(await readFile(join(folder, "diary"), "utf8")).toBe("store\n");
  expect(news).toEqual(["store has ended"]);
});

test("a component that nobody knows is refused with the names of those that exist", async () => {
  await expect(supervise([step("store", []), step("server", [])]).start("sever")).rejects.toThrow(
    'no component "sever"; there are store, server',
  );
});
