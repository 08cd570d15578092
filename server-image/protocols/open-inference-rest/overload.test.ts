// More requests than the workers take: rejections, waiting, clients that leave, and what the metrics say of it.

import { expect, test, vi } from "vitest";

import { startTestServer, testModel } from "../../test-server.ts";

vi.setConfig({ testTimeout: 30_000 });

const busy = (iterations: number) => ({
  inputs: [{ name: "iterations", shape: [], datatype: "INT64", data: [iterations] }],
});

test("a full queue answers 503 with Retry-After, and nothing accepted is lost", async () => {
  const server = await startTestServer(testModel("busy"), { maxQueueLength: 2 });
  await server.loaded;
  const answers = await Promise.all(Array.from({ length: 12 }, () => server.infer(busy(200))));
  const rejected = answers.filter(({ status }) => status === 503);
  expect(rejected.length).toBeGreaterThan(0);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(answers.length - rejected.length);
  expect(rejected[0]?.headers.get("retry-after")).toBe("1");
  expect(rejected[0]?.json).toMatchObject({
    error: expect.stringContaining("Exceeds maximum queue size") as unknown,
  });
  const { text } = await server.get("/metrics");
  expect(text).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 12');
  expect(text).toContain(`plimsoll_requests_total{protocol="v2-rest",code="503"} ${rejected.length}`);
  await server.stop();
});

test("health and metrics answer while the model runs; waiting requests and those of clients that left are counted right", async () => {
  const server = await startTestServer(testModel("busy"));
  await server.loaded;
  const metric = async (name: string) => {
    const { text } = await server.get("/metrics");
    return Number(new RegExp(`^${name.replaceAll(/[{}]/g, String.raw`\$&`)} (.*)$`, "m").exec(text)?.[1]);
  };
  const running = server.infer(busy(3000));
  await vi.waitFor(async () => expect(await metric("plimsoll_requests_in_flight")).toBe(1), 5000);
  expect(await metric("plimsoll_queue_depth")).toBe(0);
  const client = new AbortController();
  const body = JSON.stringify(busy(1));
  const left = fetch(`${server.url}/v2/models/m/infer`, { method: "POST", body, signal: client.signal });
  await vi.waitFor(async () => expect(await metric("plimsoll_queue_depth")).toBe(1), 5000);
  expect((await server.get("/v2/health/live")).status).toBe(200);
  client.abort();
  await expect(left).rejects.toThrow();
  await vi.waitFor(async () => expect(await metric("plimsoll_queue_depth")).toBe(0), 5000);
  expect((await running).status).toBe(200);
  expect(await metric('plimsoll_requests_total{protocol="v2-rest",code="499"}')).toBe(1);
  expect(await metric("plimsoll_compute_duration_seconds_count")).toBe(1);
  await server.stop();
});

test("a client that leaves during its run is counted as gone, and the next request runs", async () => {
  const server = await startTestServer(testModel("busy"));
  await server.loaded;
  const client = new AbortController();
  const body = JSON.stringify(busy(1000));
  const left = fetch(`${server.url}/v2/models/m/infer`, { method: "POST", body, signal: client.signal });
  await vi.waitFor(async () => {
    expect((await server.get("/metrics")).text).toMatch(/^plimsoll_requests_in_flight 1$/m);
  }, 5000);
  client.abort();
  await expect(left).rejects.toThrow();
  expect((await server.infer(busy(1))).status).toBe(200);
  const { text } = await server.get("/metrics");
  expect(text).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 2');
  expect(text).toContain('plimsoll_requests_total{protocol="v2-rest",code="499"} 1');
  expect(text).toContain('plimsoll_requests_total{protocol="v2-rest",code="200"} 1');
  await server.stop();
});

test("a request whose own timeout is over is answered 503 before its turn, others wait on", async () => {
  const server = await startTestServer(testModel("busy"));
  await server.loaded;
  const running = server.infer(busy(3000));
  await vi.waitFor(async () => {
    expect((await server.get("/metrics")).text).toMatch(/^plimsoll_requests_in_flight 1$/m);
  }, 5000);
  const waiting = server.infer(busy(1));
  // Microseconds.
  const hurried = await server.infer({ ...busy(1), parameters: { timeout: 5000 } });
  expect(hurried.status).toBe(503);
  expect(hurried.json).toMatchObject({ error: expect.stringMatching(/^Request timeout expired/) as unknown });
  expect((await server.get("/metrics")).text).toMatch(/^plimsoll_requests_in_flight 2$/m);
  expect([(await running).status, (await waiting).status]).toEqual([200, 200]);
  await server.stop();
});
