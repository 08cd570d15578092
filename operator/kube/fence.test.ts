// What a replica that does not lead sends to a real HTTP server: questions, and no write at whatever moment it lost the lease.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClosableKubeClient, createKubeClient } from "./client.ts";
import { NotLeaderError } from "./errors.ts";
import { answerJson, ManualClock, ScriptedServer, type Thing, thing, things, until } from "./testing.ts";
import type { ResourceType } from "./types.ts";

const ref = { namespace: "ns", name: "a" };
const write = { fieldManager: "tester" };
let server: ScriptedServer;
let client: ClosableKubeClient;
let clock: ManualClock;

function connect(mayWrite: () => boolean): void {
  client = createKubeClient({ kubeConfig: server.kubeConfig(), userAgent: "test", clock, random: () => 0.5, mayWrite });
}

beforeEach(async () => {
  server = await ScriptedServer.start();
  server.handler = ({ response }) => answerJson(response, 200, { kind: "Thing" });
  clock = new ManualClock();
});

afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

describe("a replica that does not lead", () => {
  const question: ResourceType<Thing> = { ...things, review: true };
  const writes: Record<string, () => Promise<unknown>> = {
    create: () => client.create(things, thing("a", "1"), write),
    apply: () => client.apply(things, thing("a", "1"), write),
    patch: () => client.patch(things, ref, {}, write),
    "patch of a subresource": () => client.patch(things, ref, {}, { ...write, subresource: "scale" }),
    delete: () => client.delete(things, ref),
  };

  test.each(Object.keys(writes))("sends no %s, and says so", async (call) => {
    connect(() => false);
    await expect(writes[call]?.()).rejects.toThrow(NotLeaderError);
    expect(server.exchanges).toEqual([]);
  });

  test("reads and asks like any other", async () => {
    connect(() => false);
    expect(await client.get(things, ref)).toEqual({ kind: "Thing" });
    expect(await client.create(question, thing("a", "1"), write)).toEqual({ kind: "Thing" });
  });

  test("does not repeat what it sent while it led", async () => {
    let leads = true;
    connect(() => leads);
    server.handler = ({ response }) => {
      leads = false;
      answerJson(response, 429, {}, { "retry-after": "1" });
    };
    const patched = client.patch(things, ref, {}, write);
    await until(() => clock.timersMs.some((ms) => ms < 5_000), "the client waits before it tries again");
    clock.advance(2_000);
    await expect(patched).rejects.toThrow(NotLeaderError);
    expect(server.exchanges).toHaveLength(1);
  });

  test("is asked again when the connection stands: the process may have been stopped while it was made", async () => {
    const answers = [true, false];
    connect(() => answers.shift() ?? false);
    await expect(client.patch(things, ref, {}, write)).rejects.toThrow(NotLeaderError);
    expect([server.exchanges, answers]).toEqual([[], []]);
  });
});
