// For tests: one real server for each model that a file of tests asks for, started when first needed, stopped at the end.

import { afterAll } from "vitest";

import { startTestServer, type TestServer, testModel } from "../../test-server.ts";

/** @returns the server of a model in testdata, loaded */
export function testServers(): (name: string) => Promise<TestServer> {
  const servers = new Map<string, Promise<TestServer>>();
  afterAll(async () => {
    for (const server of servers.values()) {
      await (await server).stop();
    }
  });
  return (name) => {
    const server = servers.get(name) ?? start(name);
    servers.set(name, server);
    return server;
  };
}

async function start(name: string): Promise<TestServer> {
  const server = await startTestServer(testModel(name));
  await server.loaded;
  return server;
}
