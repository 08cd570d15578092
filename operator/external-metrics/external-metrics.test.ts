// The whole: started against an API server in memory, and followed through what can happen to it.

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../kube/clock.ts";
import { ConnectionError } from "../kube/errors.ts";
import { apiServices, configMaps, secrets } from "../kube/resource-types.ts";
import type { Logger } from "../kube/types.ts";
import { ExternalMetrics, type ExternalMetricsState, ListenError } from "./external-metrics.ts";
import { makeAuthority, makeClient } from "./front-proxy-certificates.ts";
import { InMemoryClient } from "./in-memory-client.ts";
import { splitPem } from "./pem.ts";
import { apiServiceName } from "./registration-objects.ts";

const namespace = "plimsoll-system";
const apiService = { name: apiServiceName };
const dayMs = 24 * 60 * 60 * 1000;
const frontProxy = await makeAuthority("front-proxy-ca");
const trustMap = { namespace: "kube-system", name: "extension-apiserver-authentication" };

let client: InMemoryClient;
let nowMs: number;
let mayWrite: boolean;
let log: { fields: object; message: string }[];
let controller: AbortController;
let running: Promise<void>;
let metrics: ExternalMetrics;

beforeEach(() => {
  client = new InMemoryClient();
  nowMs = Date.now();
  mayWrite = true;
  log = [];
  controller = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  controller.abort();
  await running;
});

const note = (fields: object, message: string): void => void log.push({ fields, message });
const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };

function start(port = 0): void {
  metrics = new ExternalMetrics({
    client,
    source: { metricNames: [], value: () => undefined, list: () => [] },
    namespace,
    reach: { endpoint: { ip: "10.10.0.1", port: 6443 } },
    listen: { host: "127.0.0.1", port },
    maxSampleAgeMs: 30_000,
    mayWrite: () => mayWrite,
    clock: systemClock,
    now: () => nowMs,
    logger,
    checkIntervalMs: 5,
  });
  running = metrics.run(controller.signal);
}

async function publishTrust(authority = frontProxy.cert): Promise<void> {
  const data = {
    "requestheader-client-ca-file": authority,
    "requestheader-allowed-names": "[]",
    "requestheader-username-headers": '["X-Remote-User"]',
  };
  if ((await client.get(configMaps, trustMap)) === undefined)
    await client.create(configMaps, { metadata: trustMap, data });
  else await client.patch(configMaps, trustMap, { data });
}

/** As kube-apiserver does once it has reached the server. */
async function findAvailable(): Promise<void> {
  await expect.poll(() => client.get(apiServices, apiService)).toBeDefined();
  const conditions = [{ type: "Available", status: "True" }];
  await client.patch(apiServices, apiService, { status: { conditions } });
}

async function startServing(): Promise<void> {
  await publishTrust();
  start();
  await findAvailable();
  await reach({ kind: "serving" });
  client.writes.length = 0;
}

async function reach(state: Partial<ExternalMetricsState>): Promise<void> {
  await expect.poll(() => metrics.state()).toMatchObject(state);
}

function listeningPort(): number {
  const entry = log.find(({ message }) => message === "external metrics server listening");
  return (entry?.fields as { port: number } | undefined)?.port ?? 0;
}

/**
 * The certificate that a new connection is shown, the authorities that the APIService tells clients to trust, and
 * whether one of them issued it. Dates are left out: the server lives at a date of the test's choice.
 */
async function shown(): Promise<{ certificate: string; trusted: boolean; bundle: string[] }> {
  const { caBundle = "" } = (await client.get(apiServices, apiService))?.spec ?? {};
  const bundle = splitPem(Buffer.from(caBundle, "base64").toString());
  const socket = connect({ host: "127.0.0.1", port: listeningPort(), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const certificate = new X509Certificate(String(socket.getPeerX509Certificate()));
  socket.destroy();
  const trusted = bundle.some((pem) => certificate.verify(new X509Certificate(pem).publicKey));
  return { certificate: certificate.toString(), trusted, bundle };
}

test("it listens before it registers, and serves once kube-apiserver has found it", async () => {
  let listening: boolean | undefined;
  client.before = (verb, what) => {
    if (verb === "create" && what.startsWith("APIService")) listening = listeningPort() !== 0;
  };
  await startServing();
  expect(listening).toBe(true);
  expect(await shown()).toMatchObject({ trusted: true });
});

test("until kube-apiserver has found it, it says so", async () => {
  await publishTrust();
  start();
  await reach({ kind: "unavailable", message: "kube-apiserver has not checked the APIService yet" });
});

test("a cluster that names no front proxy gets no server, and an explanation, until it does", async () => {
  start();
  await reach({
    kind: "unavailable",
    message: expect.stringContaining("extension-apiserver-authentication") as string,
  });
  expect(await client.get(apiServices, apiService)).toBeUndefined();
  await publishTrust();
  await findAvailable();
  await reach({ kind: "serving" });
});

test("a replica that may not write serves what the leader has prepared", async () => {
  await publishTrust();
  mayWrite = false;
  start();
  await reach({ kind: "unavailable", message: expect.stringContaining("leader") as string });
  expect(client.writes).toEqual([`create ConfigMap ${trustMap.namespace}/${trustMap.name}`]);
  mayWrite = true;
  await findAvailable();
  mayWrite = false;
  await reach({ kind: "serving" });
});

test("at rest and after a restart nothing is written, and nothing is deleted when it stops", async () => {
  await startServing();
  controller.abort();
  await running;
  await expect(shown()).rejects.toThrow("ECONNREFUSED");
  controller = new AbortController();
  start();
  await reach({ kind: "serving" });
  let checks = 0;
  client.before = (verb, what) => {
    if (verb === "get" && what.startsWith("Secret")) checks += 1;
  };
  await expect.poll(() => checks).toBeGreaterThan(3);
  expect(client.writes).toEqual([]);
});

describe("another provider", () => {
  test("coming and going is noticed, and left alone while it is there", async () => {
    await startServing();
    await client.patch(apiServices, apiService, { spec: { service: { namespace: "keda", name: "keda" } } });
    client.writes.length = 0;
    await reach({ kind: "foreign", owner: "keda/keda" });
    expect(client.writes).toEqual([]);
    await client.delete(apiServices, apiService);
    await findAvailable();
    await reach({ kind: "serving" });
  });

  test("does not keep certificate and authority from being renewed", async () => {
    await startServing();
    await client.patch(apiServices, apiService, { spec: { service: { namespace: "keda", name: "keda" } } });
    await reach({ kind: "foreign" });
    const { certificate } = await shown();
    nowMs += 2921 * dayMs;
    await expect.poll(async () => (await shown()).certificate).not.toBe(certificate);
  });
});

describe("certificates are replaced without a restart", () => {
  test("when the serving certificate nears its end", async () => {
    await startServing();
    const before = await shown();
    nowMs += 310 * dayMs;
    await expect.poll(async () => (await shown()).certificate).not.toBe(before.certificate);
    expect(await shown()).toMatchObject({ trusted: true, bundle: before.bundle });
    expect(client.writes).toEqual([]);
  });

  test("when the authority nears its end, and at no time with one that kube-apiserver does not trust", async () => {
    await startServing();
    const before = await shown();
    client.before = (verb, what) => {
      if (verb === "patch" && what.startsWith("APIService")) throw new ConnectionError("cut off");
    };
    nowMs += 2921 * dayMs;
    await expect.poll(() => client.writes).toContain("patch Secret plimsoll-system/plimsoll-external-metrics");
    await expect.poll(() => log.filter(({ message }) => message.endsWith("check failed")).length).toBeGreaterThan(2);
    expect(await shown()).toMatchObject({ certificate: before.certificate, trusted: true });
    client.before = () => undefined;
    await expect.poll(async () => (await shown()).certificate).not.toBe(before.certificate);
    const after = await shown();
    expect(after).toMatchObject({ trusted: true });
    expect(after.bundle.slice(1)).toEqual(before.bundle);
  });

  test("when the front proxy's authority changes", async () => {
    await startServing();
    const next = await makeAuthority("next-front-proxy-ca");
    const { cert, key } = await makeClient(next);
    const ends = async (): Promise<boolean> => {
      const socket = connect({ host: "127.0.0.1", port: listeningPort(), cert, key, rejectUnauthorized: false });
      socket.write("GET /apis HTTP/1.1\r\nHost: x\r\nX-Remote-User: a\r\nConnection: close\r\n\r\n");
      let text = "";
      for await (const chunk of socket) text += String(chunk);
      return text.startsWith("HTTP/1.1 404");
    };
    expect(await ends()).toBe(false);
    await publishTrust(next.cert);
    await expect.poll(ends).toBe(true);
  });
});

test("a Secret that is deleted under the running server comes back, and no client notices", async () => {
  await startServing();
  const before = await shown();
  await client.delete(secrets, { namespace, name: "plimsoll-external-metrics" });
  await expect.poll(() => client.writes).toContain("create Secret plimsoll-system/plimsoll-external-metrics");
  expect(await shown()).toEqual(before);
});

test("while the API server is away, what was known stays known, and the server goes on", async () => {
  await startServing();
  client.before = () => {
    throw new ConnectionError("refused");
  };
  await expect.poll(() => log.filter(({ message }) => message.endsWith("check failed")).length).toBeGreaterThan(2);
  expect(metrics.state()).toEqual({ kind: "serving" });
  client.before = () => undefined;
  expect(await shown()).toMatchObject({ trusted: true });
});

test("a port that is taken ends it with advice", async () => {
  await startServing();
  const taken = listeningPort();
  const [first, second] = [metrics, controller];
  controller = new AbortController();
  start(taken);
  await expect(running).rejects.toThrow(ListenError);
  await expect(running).rejects.toThrow(`127.0.0.1:${taken}`);
  expect(first.state()).toEqual({ kind: "serving" });
  second.abort();
  running = Promise.resolve();
});
