// The calibration's HTTP client against Node's own server: it counts what the server has answered, and ends in any case.

import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

import { expect, test, vi } from "vitest";

import { LOOPBACK, type ProbeConnections, startProbeClient } from "./probe-client.ts";

vi.setConfig({ testTimeout: 30_000 });

const BODY = "a body";
const bytes = Buffer.from(`POST /infer HTTP/1.1\r\nhost: x\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`);

/** Runs `use` with a client of a server that answers like this. */
async function withClient(
  answer: RequestListener,
  connections: number,
  use: (client: ProbeConnections) => Promise<void>,
) {
  const server = createServer(answer).listen(0, LOOPBACK);
  await vi.waitFor(() => expect(server.listening).toBe(true));
  const client = startProbeClient();
  try {
    await use(await client.open({ kind: "http", port: (server.address() as AddressInfo).port, connections }));
  } finally {
    await client.end();
    server.closeAllConnections();
    server.close();
  }
}

test("what it says was answered is what the server has answered, in each of two stretches", async () => {
  let asked = 0;
  const answer: RequestListener = (request, response) => {
    request.resume().on("end", () => {
      asked += 1;
      response.end("an answer");
    });
  };
  await withClient(answer, 4, async (client) => {
    for (let stretch = 0; stretch < 2; stretch += 1) {
      const before = asked;
      const { answered, failed, cpuSeconds, steady } = await client.slice({ bytes, warmUpMs: 20, milliseconds: 100 });
      expect(answered).toBe(asked - before);
      expect(answered).toBeGreaterThan(4);
      expect(failed).toBe(0);
      expect(cpuSeconds).toBeGreaterThan(0);
      expect(steady?.perSecond).toBeGreaterThan(0);
    }
  });
});

test("answers other than 200 have failed", async () => {
  const refuse: RequestListener = (request, response) => {
    request.resume().on("end", () => response.writeHead(503).end("no"));
  };
  await withClient(refuse, 2, async (client) => {
    const { answered, failed } = await client.slice({ bytes, warmUpMs: 0, milliseconds: 50 });
    expect(failed).toBe(answered);
    expect(failed).toBeGreaterThan(0);
  });
});

test("a server that cuts connections holds nobody up, then and in the next stretch", async () => {
  await withClient(
    (request) => request.destroy(),
    2,
    async (client) => {
      for (let stretch = 0; stretch < 2; stretch += 1) {
        const { answered, failed } = await client.slice({ bytes, warmUpMs: 0, milliseconds: 50 });
        expect(failed).toBe(answered);
        expect(failed).toBeGreaterThan(0);
      }
    },
  );
});
