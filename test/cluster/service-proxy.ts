// Serves every Service's address inside the cluster's network: what kube-proxy does, with sockets instead of kernel rules.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Service } from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import { Reflector } from "../../operator/kube/reflector.ts";
import { Store } from "../../operator/kube/store.ts";
import type { KubeClient, Logger, ResourceType } from "../../operator/kube/types.ts";
import { type ServiceTable, serviceTable } from "./service-endpoints.ts";
import { ServiceListener } from "./service-listener.ts";

const services: ResourceType<Service> = { apiVersion: "v1", kind: "Service", plural: "services", namespaced: true };
const endpointSlices: ResourceType<EndpointSlice> = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
};

type WatchClient = Pick<KubeClient, "list" | "watch">;

/** Holds one listener per served address. */
class ServiceProxy {
  readonly #listeners = new Map<string, ServiceListener>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** An address that nobody serves has no listener: the kernel then refuses connections, as kube-proxy does. */
  update(table: ServiceTable): void {
    for (const [key, listener] of this.#listeners) {
      if (table.has(key)) continue;
      listener.close();
      this.#listeners.delete(key);
    }
    for (const [key, endpoints] of table) {
      const listener = this.#listeners.get(key) ?? this.#listen(key);
      listener.endpoints = endpoints;
    }
  }

  #listen(key: string): ServiceListener {
    const [host = "", port = ""] = key.split(":");
    const listener = new ServiceListener({ host, port: Number(port) }, (error) =>
      this.#logger.error({ err: error, address: key }, "a service address cannot be served"),
    );
    this.#listeners.set(key, listener);
    void listener.listen();
    return listener;
  }
}

/** Follows Services and EndpointSlices until `signal` aborts. Resolves when those that exist are served. */
export async function runServiceProxy(client: WatchClient, logger: Logger, signal: AbortSignal): Promise<void> {
  const onListenerError = (error: unknown) => logger.error({ err: error }, "service proxy failed to follow a change");
  const serviceStore = new Store<Service>({ onListenerError });
  const sliceStore = new Store<EndpointSlice>({ onListenerError });
  const reflectors = [
    new Reflector({ client, type: services, store: serviceStore, logger }),
    new Reflector({ client, type: endpointSlices, store: sliceStore, logger }),
  ];
  const proxy = new ServiceProxy(logger);
  const update = (): void => proxy.update(serviceTable(serviceStore.list(), sliceStore.list()));
  let waiting = false;
  // A roll-out changes many slices within one turn; the table is made once for all of them.
  const updateSoon = (): void => {
    if (waiting) return;
    waiting = true;
    nextTurn()
      .then(() => {
        waiting = false;
        update();
      })
      // One object that cannot be understood must not end the cluster; the addresses stay as they were.
      .catch(onListenerError);
  };
  for (const reflector of reflectors) void reflector.run(signal);
  await Promise.all(reflectors.map((reflector) => reflector.synced));
  update();
  serviceStore.subscribe(updateSoon);
  sliceStore.subscribe(updateSoon);
}
