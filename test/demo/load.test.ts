// Tests of the load generator as the process that it is, against a server that answers in every way there is.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LoadReport } from "./request-account.ts";

const program = fileURLToPath(new URL("load.ts", import.meta.url));
const rightAnswer = JSON.stringify({ outputs: [{ name: "classes", data: [1, 0, 2] }] });
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "demo-load-"));
  await writeFile(join(directory, "body"), "{}");
  await writeFile(join(directory, "classes"), "[1,0,2]");
});

afterEach(() => rm(directory, { recursive: true }));

/** Runs the generator against `listener`, sets `rates` one after the other once `atLeast` requests were sent in each, and returns all reports. */
async function runLoad(listener: RequestListener, rates: readonly number[], atLeast = 20): Promise<LoadReport[]> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/models/reader/infer`;
  const argv = [program, url, join(directory, "body"), join(directory, "classes")];
  const generator = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(generator, "exit");
  const reports: LoadReport[] = [];
  const remaining = [...rates];
  const setNext = () => {
    const next = remaining.shift();
    return next === undefined ? generator.stdin.end() : generator.stdin.write(`${next}\n`);
  };
  setNext();
  for await (const line of createInterface({ input: generator.stdout })) {
    const report = JSON.parse(line) as LoadReport;
    reports.push(report);
    if (report.ratePerSecond > 0 && report.phase.sent >= atLeast) {
      setNext();
    }
  }
  expect(await ended).toEqual([0, null]);
  server.closeAllConnections();
  server.close();
  return reports;
}

describe("the load generator", () => {
  test("sorts every end of a request into answered, rejected and lost with its reason", async () => {
    const ways: RequestListener[] = [
      (_request, response) => response.end(rightAnswer),
      (_request, response) => response.writeHead(503, { "retry-after": "1" }).end('{"error":"queue full"}'),
      (_request, response) => response.writeHead(500).end(),
      (_request, response) => response.end(rightAnswer.replace("2", "3")),
      (_request, response) => response.end("<html>"),
      (request) => request.socket.resetAndDestroy(),
      (request, response) => {
        response.writeHead(200, { "content-length": 1000 }).write("half");
        setImmediate(() => request.socket.destroy());
      },
    ];
    const ended = ways.map(() => 0);
    let count = 0;
    const reports = await runLoad(
      (request, response) => {
        const way = count++ % ways.length;
        ended[way] = (ended[way] ?? 0) + 1;
        ways[way]?.(request, response);
      },
      [200],
      70,
    );
    const last = reports.at(-1);
    const [answered, rejected, failed, wrong, html, reset, cut] = ended;
    expect(last).toMatchObject({ sent: count, answered, rejected, inFlight: 0 });
    expect(last?.lossReasons).toMatchObject({ "status 500": failed, "wrong answer": wrong });
    expect(last?.lost).toBe((failed ?? 0) + (wrong ?? 0) + (html ?? 0) + (reset ?? 0) + (cut ?? 0));
  });

  test("does not wait for answers: it goes on sending to a server that answers none until the end", async () => {
    const held: (() => void)[] = [];
    let most = 0;
    const reports = await runLoad(
      (request, response) => {
        held.push(() => response.end(rightAnswer));
        most = Math.max(most, held.length);
        request.resume();
        if (most === 50) {
          held.splice(0).forEach((answer) => answer());
        }
      },
      [100],
      60,
    );
    expect(most).toBe(50);
    expect(reports.at(-1)).toMatchObject({ inFlight: 0, lost: 0 });
  });

  test("counts each phase from its change of rate on", async () => {
    const reports = await runLoad((_request, response) => response.end(rightAnswer), [50, 100]);
    const last = (rate: number) => reports.findLast((report) => report.ratePerSecond === rate) as LoadReport;
    expect([...new Set(reports.map((report) => report.ratePerSecond))]).toEqual([50, 100, 0]);
    expect(last(50).phase.sent).toBe(last(50).sent);
    expect(last(100).phase.sent).toBeLessThan(last(100).sent);
    // The last phase stays open until its last request has ended.
    expect(last(0).phase).toMatchObject({ answered: last(0).phase.sent, rejected: 0, lost: 0 });
    expect(last(0).phase.sent).toBeGreaterThanOrEqual(20);
  });

  test("says that a server that is not there loses requests, and goes on", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, "close");
    const argv = [program, `http://127.0.0.1:${port}/`, join(directory, "body"), join(directory, "classes")];
    const generator = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "inherit"] });
    generator.stdin.write("50\n");
    let last: LoadReport | undefined;
    for await (const line of createInterface({ input: generator.stdout })) {
      last = JSON.parse(line) as LoadReport;
      if (last.sent >= 20) {
        generator.stdin.end();
      }
    }
    expect(last).toMatchObject({ answered: 0, lost: last?.sent, lossReasons: { ECONNREFUSED: last?.sent } });
  });
});
