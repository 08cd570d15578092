// The service proxy, which follows what the API server tells and outlives what it cannot understand.

import { EventEmitter, on } from "node:events";
import { connect } from "node:net";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointPort, EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { afterEach, expect, test } from "vitest";
import type { KubeClient, KubeObject, Logger, ResourceType, WatchEvent } from "../../operator/kube/types.ts";
import { freePort } from "../free-port.ts";
import { runServiceProxy } from "./service-proxy.ts";

const stop = new AbortController();
afterEach(() => stop.abort());

/** An API server's answers: `items` by plural, then what is emitted under the plural. */
function clientOf(items: Record<string, KubeObject[]>, news: EventEmitter): Pick<KubeClient, "list" | "watch"> {
  return {
    list: async <T extends KubeObject>({ plural }: ResourceType<T>) => ({
      metadata: { resourceVersion: "1" },
      items: (items[plural] ?? []) as T[],
    }),
    async *watch<T extends KubeObject>({ plural }: ResourceType<T>) {
      for await (const [event] of on(news, plural, { signal: stop.signal })) yield event as WatchEvent<T>;
    },
  };
}

function loggerOf(errors: string[]): Logger {
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (_fields, message) => errors.push(message),
    child: () => logger,
  };
  return logger;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("close", () => socket.destroy()).end();
  });
}

test("an object that cannot be understood is told to the log, and later changes are followed", async () => {
  const port = await freePort();
  const metadata = { namespace: "vision", name: "resnet", uid: "u", resourceVersion: "1" };
  const service: Service = { metadata, spec: { clusterIP: "127.0.0.1", ports: [{ port }] } };
  const slice = (resourceVersion: string, ports: EndpointPort[]): EndpointSlice => ({
    metadata: { ...metadata, resourceVersion, labels: { "kubernetes.io/service-name": "resnet" } },
    addressType: "IPv4",
    ports,
    endpoints: [{ addresses: ["127.0.0.1"] }],
  });
  const news = new EventEmitter();
  const errors: string[] = [];
  await runServiceProxy(clientOf({ services: [service] }, news), loggerOf(errors), stop.signal);
  await expect.poll(() => news.listenerCount("endpointslices")).toBe(1);

  news.emit("endpointslices", { type: "ADDED", object: slice("2", [null as unknown as EndpointPort]) });
  await expect.poll(() => errors).toEqual(["service proxy failed to follow a change"]);
  expect(await accepts(port)).toBe(false);

  news.emit("endpointslices", { type: "MODIFIED", object: slice("3", [{ name: "", port: 1 }]) });
  await expect.poll(() => accepts(port)).toBe(true);

  news.emit("services", { type: "DELETED", object: service });
  await expect.poll(() => accepts(port)).toBe(false);
});
