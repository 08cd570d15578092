// Watches the pods that are bound to one node and has a worker for each.

import type { Pod } from "kubernetes-types/core/v1.js";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { Store } from "../../../operator/kube/store.ts";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";
import type { PodWorker } from "./pod-worker.ts";
import { pods } from "./resource-types.ts";

export interface PodsOfNodeOptions {
  readonly nodeName: string;
  readonly client: KubeClient;
  readonly logger: Logger;
  startWorker(pod: Pod): PodWorker;
}

export class PodsOfNode {
  readonly #options: PodsOfNodeOptions;
  /** By UID. A worker stays here until the API server says that the pod is gone. */
  readonly #workers = new Map<string, PodWorker>();
  readonly #unfinished = new Set<PodWorker>();
  readonly #store: Store<Pod>;

  constructor(options: PodsOfNodeOptions) {
    this.#options = options;
    this.#store = new Store<Pod>({
      onListenerError: (error) => options.logger.error({ err: error }, "change of a pod not handled"),
    });
    this.#store.subscribe((before, after) => this.#podChanged(before, after));
  }

  /** Runs until the signal aborts, then kills all pods; resolves when nothing of them is left on this machine. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, logger, nodeName } = this.#options;
    const fieldSelector = `spec.nodeName=${nodeName}`;
    await new Reflector({ client, type: pods, store: this.#store, logger, fieldSelector }).run(signal);
    const left = [...this.#unfinished];
    for (const worker of left) worker.kill();
    await Promise.all(left.map((worker) => worker.finished));
  }

  /** Undefined when no such pod is on this node. */
  worker(namespace: string, name: string): PodWorker | undefined {
    return this.#workers.get(this.#store.get(`${namespace}/${name}`)?.metadata?.uid ?? "");
  }

  #podChanged(before: Pod | undefined, after: Pod | undefined): void {
    const uid = (after ?? before)?.metadata?.uid ?? "";
    const worker = this.#workers.get(uid);
    if (after === undefined) {
      this.#workers.delete(uid);
      worker?.kill();
    } else if (worker !== undefined) worker.update(after);
    else {
      const started = this.#options.startWorker(after);
      this.#workers.set(uid, started);
      this.#unfinished.add(started);
      void started.finished.then(() => this.#unfinished.delete(started));
    }
  }
}
