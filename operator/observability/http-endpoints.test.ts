// The operator's endpoints over real HTTP on the loopback address.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Gauge, Registry } from "prom-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createEndpoints } from "./http-endpoints.ts";
import { findStuck } from "./liveness.ts";

let registry: Registry;
let notReady: string | undefined;
let runningSeconds: number;
let server: ReturnType<typeof createEndpoints>;

beforeEach(async () => {
  registry = new Registry();
  notReady = undefined;
  runningSeconds = 0;
  const work = { what: "a reconcile", limitSeconds: 300, runningSeconds: () => runningSeconds };
  server = createEndpoints({ registry, notReady: () => notReady, stuck: () => findStuck([work]) }).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

async function get(path: string) {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
}

test("a program that answers is alive, ready or not", async () => {
  notReady = "caches are not filled yet";
  expect(await get("/healthz")).toMatchObject({ status: 200, body: "ok\n" });
});

test("a program of which a part hangs is neither alive nor ready, and says which part", async () => {
  runningSeconds = 300;
  expect(await get("/healthz")).toMatchObject({ status: 200 });
  runningSeconds = 301;
  const answer = { status: 503, body: "a reconcile has run for more than 300 s\n" };
  expect(await get("/healthz")).toMatchObject(answer);
  expect(await get("/readyz")).toMatchObject(answer);
});

test("it is ready when nothing says otherwise", async () => {
  expect(await get("/readyz")).toMatchObject({ status: 200, body: "ok\n" });
});

test("while it is not ready, the answer says why, at each request anew", async () => {
  notReady = "caches are not filled yet";
  expect(await get("/readyz")).toMatchObject({ status: 503, body: "caches are not filled yet\n" });
  notReady = undefined;
  expect(await get("/readyz")).toMatchObject({ status: 200 });
});

test("metrics are in Prometheus' format, with its content type", async () => {
  new Gauge({ name: "plimsoll_services", help: "Services.", registers: [registry] }).set(3);
  const { status, type, body } = await get("/metrics");
  expect(status).toBe(200);
  expect(type).toBe(registry.contentType);
  expect(body).toContain("# HELP plimsoll_services Services.\n# TYPE plimsoll_services gauge\nplimsoll_services 3\n");
});

test("a metric that cannot be collected is an error of that request alone", async () => {
  let outOfOrder = true;
  const collect = () => (outOfOrder ? Promise.reject(new Error("out of order")) : undefined);
  registry.registerMetric(new Gauge({ name: "plimsoll_fickle", help: "Fickle.", registers: [], collect }));
  expect(await get("/metrics")).toMatchObject({ status: 500, body: "Error: out of order\n" });
  outOfOrder = false;
  expect(await get("/metrics")).toMatchObject({ status: 200 });
});

test.each(["/healthz?verbose", "/readyz?x=1", "/metrics?name=x"])("%s: a query changes nothing", async (path) => {
  expect(await get(path)).toMatchObject({ status: 200 });
});

test.each(["/", "/metrics/", "/healthz/etcd", "//metrics"])(
  "%s is not there, and the answer says what is",
  async (path) => {
    expect(await get(path)).toMatchObject({
      status: 404,
      body: "not found: /healthz, /readyz and /metrics are here\n",
    });
  },
);
