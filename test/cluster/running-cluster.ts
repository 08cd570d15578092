// A cluster that runs: how tests and people reach it, disturb it, look into it, and end it.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { basename } from "node:path";
import { hostAddress, prometheusPort } from "./addresses.ts";
import { type AuditEntry, isWrite, operatorUser, parseAuditLog } from "./audit-log.ts";
import { ClusterError } from "./errors.ts";
import { Gates, type GateTarget, listen } from "./gates.ts";
import { get } from "./https-get.ts";
import type { InsideChannel } from "./inside-channel.ts";
import { type MemoryUse, measureMemory } from "./memory.ts";
import { inNetworkOf } from "./namespaces.ts";
import { adminTls, type ClusterFiles } from "./plan.ts";
import { removeControlGroups } from "./process-node/control-groups.ts";
import { type ToolResult, toolEnvironment, tryTool } from "./tool.ts";

const stopTimeoutMs = 10_000;
const loopback = "127.0.0.1";

export type ComponentName =
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kube-scheduler"
  | "process-node"
  | "prometheus";

/** A door between the cluster's network and the host's. */
export interface Gate {
  /** Where it is entered: `127.0.0.1` outside for `forward`, the host's address inside for `reverse`. */
  readonly host: string;
  readonly port: number;
  /** Closes it and cuts the connections that go through it. */
  close(): Promise<void>;
}

export interface ClusterParts {
  readonly files: ClusterFiles;
  readonly channel: InsideChannel;
  /** The process whose end is the end of the cluster. */
  readonly root: ChildProcess;
  readonly kubectl: string;
  /** Loopback ports outside that lead to the API server and to Prometheus. */
  readonly ports: { readonly api: number; readonly prometheus: number };
}

export class Cluster implements AsyncDisposable {
  /** The folder of its logs and configuration; gone after `stop`. */
  readonly directory: string;
  /** kubeconfig for programs outside the cluster's network, with all rights. */
  readonly kubeconfig: string;
  /** The same for programs that `spawn` starts inside it. */
  readonly insideKubeconfig: string;
  /** The API server's URL outside. */
  readonly apiServerAddress: string;
  /** kubectl's path, of the version of this cluster. */
  readonly kubectlPath: string;
  /** Prometheus' URL outside. */
  readonly prometheusAddress: string;
  /** Prometheus' URL for programs inside. */
  readonly insidePrometheusAddress = `http://${hostAddress}:${prometheusPort}`;
  /** Resolves when the cluster is gone, asked or unasked. */
  readonly ended: Promise<void>;
  readonly #parts: ClusterParts;
  readonly #gates = new Gates();
  readonly #spawned = new Set<ChildProcess>();
  #stopping: Promise<void> | undefined;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
    this.directory = parts.files.directory;
    this.kubeconfig = parts.files.kubeconfig;
    this.insideKubeconfig = parts.files.insideKubeconfig;
    this.kubectlPath = parts.kubectl;
    this.apiServerAddress = `https://${loopback}:${parts.ports.api}`;
    this.prometheusAddress = `http://${loopback}:${parts.ports.prometheus}`;
    const { root } = parts;
    this.ended =
      root.exitCode !== null || root.signalCode !== null
        ? Promise.resolve()
        : new Promise((resolve) => root.once("exit", () => resolve()));
  }

  /** Opens a loopback port outside that leads to `target`, an address in the cluster's network. */
  async forward(target: GateTarget): Promise<Gate> {
    const server = await listen(loopback, 0);
    const { port } = server.address() as AddressInfo;
    const { id } = await this.#parts.channel.request({ method: "forward", ...target }, server);
    return { host: loopback, port, close: () => this.#closeInside(id) };
  }

  /** Opens a loopback port outside that leads to a Service. Throws `ClusterError` when there is no such Service. */
  async forwardService(service: { namespace: string; name: string; port: number }): Promise<Gate> {
    const path = `/api/v1/namespaces/${service.namespace}/services/${service.name}`;
    const answer = await get(`${this.apiServerAddress}${path}`, adminTls(this.#parts.files.certificates));
    if (answer?.status !== 200) {
      throw new ClusterError("REQUEST_FAILED", `GET ${path}: ${answer?.body ?? "the API server does not answer"}`);
    }
    const { spec } = JSON.parse(answer.body) as { spec: { clusterIP: string } };
    return this.forward({ host: spec.clusterIP, port: service.port });
  }

  /** Listens inside, on the host's address, and leads to `127.0.0.1:port` outside. `insidePort` is `port` if left out. */
  async reverse(options: { readonly port: number; readonly insidePort?: number }): Promise<Gate> {
    const insidePort = options.insidePort ?? options.port;
    const { id, handle } = await this.#parts.channel.request({ method: "reverse", port: insidePort });
    if (handle === undefined) throw new ClusterError("REQUEST_FAILED", "reverse: the inside sent no listening socket");
    this.#gates.lead(id, handle, { host: loopback, port: options.port });
    return { host: hostAddress, port: insidePort, close: async () => this.#gates.close(id) };
  }

  /**
   * Runs a program in the cluster's network, at the host's address; files and processes are the outside's.
   * It takes signals like any child, and dies with the thread that started it; `stop` also ends what it started itself.
   * Ctrl-C does not reach it.
   */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const { pid } = this.#parts.root;
    if (pid === undefined) throw new ClusterError("NOT_RUNNING", "spawn: the cluster has ended");
    const [program = "", ...args] = inNetworkOf(pid, command);
    const env = toolEnvironment(options.env ?? process.env);
    const child = spawn(program, args, { ...options, env, detached: true });
    this.#spawned.add(child);
    child.once("exit", () => this.#spawned.delete(child));
    child.once("error", () => this.#spawned.delete(child));
    return child;
  }

  /** Runs kubectl against the cluster. `input` is its standard input. Throws `ToolError` when `signal` aborts. */
  kubectl(args: readonly string[], input = "", signal?: AbortSignal): Promise<ToolResult> {
    const environment = { ...process.env, KUBECONFIG: this.kubeconfig };
    return tryTool(this.kubectlPath, args, { input, environment, ...(signal === undefined ? {} : { signal }) });
  }

  /** Stops one component as a crash would: SIGTERM, a second later SIGKILL. */
  async stopComponent(name: ComponentName): Promise<void> {
    await this.#parts.channel.request({ method: "stop-component", name });
  }

  /** Starts a stopped component on its old data and resolves when it is ready. */
  async startComponent(name: ComponentName): Promise<void> {
    await this.#parts.channel.request({ method: "start-component", name });
  }

  /** Stops the API server, runs `whileDown`, and starts it again on the same data. */
  async restartApiServer(whileDown: () => Promise<void> = async () => {}): Promise<void> {
    await this.stopComponent("kube-apiserver");
    await whileDown();
    await this.startComponent("kube-apiserver");
  }

  stopPrometheus(): Promise<void> {
    return this.stopComponent("prometheus");
  }

  startPrometheus(): Promise<void> {
    return this.startComponent("prometheus");
  }

  /** Every write that the API server has answered, oldest first. */
  async auditLog(): Promise<readonly AuditEntry[]> {
    return parseAuditLog(await readFile(this.#parts.files.auditLog, "utf8")).filter(isWrite);
  }

  /** Every request, reads too, of the operator that install/operator.yaml runs, oldest first. */
  async operatorRequests(): Promise<readonly AuditEntry[]> {
    const entries = parseAuditLog(await readFile(this.#parts.files.auditLog, "utf8"));
    return entries.filter(({ user }) => user.username === operatorUser);
  }

  /** Memory of all processes of the cluster, pods and spawned programs included. */
  memory(): Promise<MemoryUse> {
    const roots = [this.#parts.root, ...this.#spawned].flatMap(({ pid }) => pid ?? []);
    return measureMemory(roots);
  }

  /** Ends everything in the cluster and removes what it had on this machine. May be called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #closeInside(gate: number): Promise<void> {
    await this.#parts.channel.request({ method: "close", gate });
  }

  async #stop(): Promise<void> {
    for (const { pid } of this.#spawned) if (pid !== undefined) killGroup(pid);
    const { root, files } = this.#parts;
    // Without its starter the inside ends everything in order; the first process in the namespaces outlives all others.
    if (root.connected) root.disconnect();
    const deadline = setTimeout(() => root.kill("SIGKILL"), stopTimeoutMs);
    await this.ended;
    clearTimeout(deadline);
    this.#gates.closeAll();
    await removeControlGroups(basename(files.directory));
    await rm(files.directory, { recursive: true, force: true });
  }
}

/** Kills a process and those of its group. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
