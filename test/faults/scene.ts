// Where faults are tried: a real API server with faked Deployment status, the proxy before it, and the operator behind that.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { type ClosableKubeClient, createKubeClient } from "../../operator/kube/client.ts";
import { leases, namespaces } from "../../operator/kube/resource-types.ts";
import { silentLogger } from "../../operator/kube/testing.ts";
import type { KubeObject, ResourceType } from "../../operator/kube/types.ts";
import { fakeStatus } from "../bench/scale/fake-status.ts";
import { startCluster } from "../cluster/cluster.ts";
import { installDefinitions } from "../cluster/install.ts";
import type { Cluster } from "../cluster/running-cluster.ts";
import { until } from "../integration/until.ts";
import { ApiProxy } from "./proxy.ts";
import { Subject } from "./subject.ts";
import { namespacedTypes } from "./world.ts";

/** Namespace of the operator's own objects. */
const home = "default";

/** Deployments' status is faked and no pod runs: what is compared must be the operator's doing. */
const absentControllers = [
  "deployment-controller",
  "replicaset-controller",
  "horizontal-pod-autoscaler-controller",
  "endpoints-controller",
  "endpointslice-controller",
  "disruption-controller",
];

export interface SceneOptions {
  readonly name: string;
  /** Further flags of the operator. */
  readonly flags?: readonly string[];
  /** Bearer token in the operator's kubeconfig. The proxy takes any. */
  readonly token?: string;
}

export class Scene implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly client: ClosableKubeClient;
  readonly proxy: ApiProxy;
  /** Every kind of object that is compared. */
  readonly types: readonly ResourceType<KubeObject>[];
  /** The operator's log, of all its starts. */
  readonly log: string;
  readonly #options: SceneOptions;
  readonly #directory: string;
  readonly #helpers = new AbortController();
  readonly #fake: Promise<void>;
  /** Those that were killed on purpose. */
  readonly #crashed = new WeakSet<Subject>();
  #subject: Subject | undefined;
  #restart: Promise<void> | undefined;
  #namespaces = 0;
  /** Where the present story is played. */
  namespace = home;

  private constructor(
    options: SceneOptions,
    parts: Pick<Scene, "cluster" | "client" | "proxy" | "types"> & { readonly directory: string },
  ) {
    this.#options = options;
    this.cluster = parts.cluster;
    this.client = parts.client;
    this.proxy = parts.proxy;
    this.types = parts.types;
    this.#directory = parts.directory;
    this.log = join(parts.directory, "operator.log");
    // The fake stumbles over objects that are gone, and recovers.
    this.#fake = fakeStatus(parts.client, "faked", silentLogger, this.#helpers.signal);
  }

  static async start(options: SceneOptions): Promise<Scene> {
    const controllers = ["*", ...absentControllers.map((name) => `-${name}`)];
    const cluster = await startCluster({ name: options.name, controllers });
    await installDefinitions(cluster);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfig);
    const client = createKubeClient({ kubeConfig, userAgent: "faults" });
    const proxy = await ApiProxy.start(cluster.kubeconfig);
    const directory = await mkdtemp(join(tmpdir(), "plimsoll-faults-"));
    return new Scene(options, { cluster, client, proxy, types: await namespacedTypes(cluster), directory });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#restart?.catch(() => undefined);
    await this.#subject?.kill();
    this.#helpers.abort();
    await this.#fake;
    await this.proxy.stop();
    this.client.close();
    await this.cluster.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get subject(): Subject {
    if (this.#subject === undefined) throw new Error("no operator has been started");
    return this.#subject;
  }

  /** Starts an operator behind the proxy. */
  async startOperator(): Promise<void> {
    const kubeconfig = join(this.#directory, "kubeconfig");
    const { token = "none" } = this.#options;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "proxy",
      // Plain HTTP on loopback, which client-node allows under this condition only.
      clusters: [{ name: "proxy", cluster: { server: this.proxy.address, "insecure-skip-tls-verify": true } }],
      users: [{ name: "operator", user: { token } }],
      contexts: [{ name: "proxy", context: { cluster: "proxy", user: "operator" } }],
    };
    await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const { flags = [] } = this.#options;
    const { prometheusAddress } = this.cluster;
    this.#subject = await Subject.start({ kubeconfig, prometheusAddress, log: this.log, flags });
  }

  /** Kills the operator, this very moment: nothing that it sends from now on reaches the API server. Starts another one. */
  crash(): void {
    this.proxy.shut();
    this.subject.signal("SIGKILL");
    this.#crashed.add(this.subject);
    this.#restart = this.#startAgain();
  }

  /** Resolves when an operator runs that has looked at everything. Throws when one has ended by itself. */
  async operatorAtWork(): Promise<void> {
    for (;;) {
      await this.#restart;
      const { subject } = this;
      await subject.atWork(2);
      if (subject.isRunning) return;
      if (!this.#crashed.has(subject)) throw new Error("the operator has ended by itself");
    }
  }

  async #startAgain(): Promise<void> {
    await this.subject.ended();
    // Nobody waits in these tests for the lease of a dead leader to run out.
    const { items } = await this.client.list(leases, { namespace: home });
    for (const { metadata } of items) await this.client.delete(leases, { namespace: home, name: metadata?.name ?? "" });
    this.proxy.open();
    await this.startOperator();
  }

  /** A namespace that no story has been played in. */
  async newNamespace(): Promise<string> {
    this.#namespaces += 1;
    const name = `story-${this.#namespaces}`;
    await this.client.create(namespaces, { metadata: { name } }, { fieldManager: "faults" });
    this.namespace = name;
    return name;
  }

  /** Resolves when the operator has written nothing for this long. */
  async quiet(forMs: number, timeoutSeconds = 60): Promise<void> {
    let seen = -1;
    let sinceMs = 0;
    const isQuiet = (): boolean => {
      const { length } = this.proxy.writes;
      if (length !== seen) [seen, sinceMs] = [length, performance.now()];
      return performance.now() - sinceMs >= forMs;
    };
    await until(isQuiet, { what: `the operator writes nothing for ${forMs} ms`, timeoutSeconds, intervalMs: 50 });
  }
}
