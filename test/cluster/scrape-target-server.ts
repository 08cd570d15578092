// Answers Prometheus' question what to scrape, from the pods that the API server knows.

import { createServer } from "node:http";
import type { Pod } from "kubernetes-types/core/v1.js";
import { Reflector } from "../../operator/kube/reflector.ts";
import { Store } from "../../operator/kube/store.ts";
import { compact } from "../../operator/kube/transform.ts";
import type { KubeClient, Logger, ResourceType } from "../../operator/kube/types.ts";
import { scrapeTargetPort } from "./addresses.ts";
import { scrapeTargets } from "./scrape-targets.ts";

const pods: ResourceType<Pod> = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };

/** Listens on loopback until `signal` aborts. Resolves when the pods that exist are known. */
export async function serveScrapeTargets(client: KubeClient, logger: Logger, signal: AbortSignal): Promise<void> {
  const store = new Store<Pod>({
    onListenerError: (error) => logger.error({ err: error }, "a change of a pod was not followed"),
  });
  const reflector = new Reflector({ client, type: pods, store, logger, transform: compact() });
  void reflector.run(signal);
  await reflector.synced;
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(scrapeTargets(store.list())));
  });
  signal.addEventListener("abort", () => server.close());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(scrapeTargetPort, "127.0.0.1", resolve);
  });
}
