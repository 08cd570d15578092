// The operator as a process in the cluster's network, outside any pod: for tests that kill, pause and restart it.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster, Gate } from "../cluster/running-cluster.ts";
import { until } from "./until.ts";

/** The sources, by the Node that runs this. */
const ownCommand = [process.execPath, join(import.meta.dirname, "../../operator/main.ts")];
const firstExternalMetricsPort = 16_443;
const firstEndpointsPort = 18_081;

export interface OperatorOptions {
  /** As seen from inside the cluster's network. */
  readonly prometheusAddress: string;
  /** Further flags; they win over those that tests are run with. */
  readonly flags?: readonly string[];
  /** Which of several operators at the same time this is: 0, the default, 1, ... */
  readonly replica?: number;
  /** What `run` and its flags are given to. Default: the sources, by the Node that runs this. */
  readonly command?: readonly string[];
}

export class OperatorProcess {
  readonly #child: ChildProcess;
  readonly #endpoints: Gate;
  readonly #log: string;

  private constructor(child: ChildProcess, endpoints: Gate, log: string) {
    this.#child = child;
    this.#endpoints = endpoints;
    this.#log = log;
  }

  /** Starts an operator and resolves when it is ready. */
  static async start(
    cluster: Cluster,
    { prometheusAddress, flags: furtherFlags = [], command = ownCommand, replica = 0 }: OperatorOptions,
  ): Promise<OperatorProcess> {
    const log = join(cluster.directory, `operator-${Date.now()}-${replica}.log`);
    const file = openSync(log, "w");
    const externalMetricsPort = firstExternalMetricsPort + replica;
    const endpointsPort = firstEndpointsPort + replica;
    const flags = [
      `--kubeconfig=${cluster.insideKubeconfig}`,
      `--prometheus-address=${prometheusAddress}`,
      "--server-image=plimsoll/server:dev",
      "--namespace=default",
      "--scrape-interval=2",
      "--tick-interval=1",
      `--external-metrics-port=${externalMetricsPort}`,
      `--external-metrics-endpoint=10.10.0.1:${externalMetricsPort}`,
      `--endpoints-port=${endpointsPort}`,
      // Alone, and not to wait for the lease of an operator that the test has killed.
      "--leader-elect=false",
      ...furtherFlags,
    ];
    const child = cluster.spawn([...command, "run", ...flags], { stdio: ["ignore", file, file] });
    const endpoints = await cluster.forward({ host: "10.10.0.1", port: endpointsPort });
    const operator = new OperatorProcess(child, endpoints, log);
    try {
      await until(async () => (await operator.#get("/readyz")).ok, {
        what: "the operator is ready",
        timeoutSeconds: 30,
      });
    } catch (error) {
      throw new Error(`the operator did not become ready; its log:\n${await operator.log()}`, { cause: error });
    }
    return operator;
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("the operator could not be started");
    return this.#child.pid;
  }

  log(): Promise<string> {
    return readFile(this.#log, "utf8");
  }

  /** The operator's own /metrics. */
  async metrics(): Promise<string> {
    return (await this.#get("/metrics")).text();
  }

  /** The sum over a metric's series, from the operator's own /metrics; undefined when there is none. */
  async metric(name: string, labels = ""): Promise<number | undefined> {
    const values = (await this.metrics())
      .split("\n")
      .filter((line) => line.startsWith(name) && line.includes(labels) && !line.startsWith("#"))
      .map((line) => Number(line.slice(line.lastIndexOf(" "))));
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
  }

  /** Resolves when so many more ticks of the autoscaler have ended. */
  async ticks(count: number): Promise<void> {
    const ended = async () => (await this.metric("plimsoll_operator_autoscaler_tick_seconds_count")) ?? 0;
    const before = await ended();
    await until(async () => (await ended()) >= before + count, { what: `${count} ticks of the autoscaler` });
  }

  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended();
  }

  /** Resolves with the exit code, null after a signal, when the process has ended for whatever reason. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    await this.#endpoints.close();
    return this.#child.exitCode;
  }

  #get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#endpoints.port}${path}`);
  }
}
