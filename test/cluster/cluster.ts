// Starts a real Kubernetes control plane with process nodes and Prometheus, in namespaces of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { apiServerPort, hostAddress, prometheusPort } from "./addresses.ts";
import { findBinaries } from "./binaries.ts";
import { ClusterError } from "./errors.ts";
import { listen } from "./gates.ts";
import { InsideChannel } from "./inside-channel.ts";
import type { InsideMessage } from "./inside-protocol.ts";
import { clusterFolderName, removeLeftovers } from "./leftovers.ts";
import { findLimitObstacle } from "./limit-obstacle.ts";
import { describeLogEnd } from "./log-tail.ts";
import { inNewNamespaces, requireNamespaces } from "./namespaces.ts";
import { type ClusterOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { adminTls, type ClusterFiles, writePlan } from "./plan.ts";
import { waitUntilUsable } from "./readiness.ts";
import { Cluster } from "./running-cluster.ts";
import { toolEnvironment } from "./tool.ts";

const startTimeoutMs = 120_000;

/**
 * Starts a cluster and resolves when it can be used: nodes Ready, default service account there, Prometheus ready.
 * Throws `ClusterError`; then nothing is left running. The cluster ends with the calling process, however that ends.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const resolved = resolveOptions(options);
  await requireNamespaces();
  for (const what of await removeLeftovers()) resolved.log(`removed ${what} of a cluster that did not end in order`);
  const binaries = await findBinaries({ environment: process.env, log: resolved.log, signal: resolved.signal });
  const startedAtMs = performance.now();
  const sockets = { api: await listen("127.0.0.1", 0), prometheus: await listen("127.0.0.1", 0) };
  const ports = { api: portOf(sockets.api), prometheus: portOf(sockets.prometheus) };
  const directory = await makeDirectory(resolved.name);
  const files = await writePlan({ directory, binaries, options: resolved, apiPort: ports.api });
  const obstacle = await findLimitObstacle(basename(directory));
  if (obstacle !== undefined) {
    resolved.log(
      `CPU and memory limits of pods are not enforced, so more replicas do not carry more load: ${obstacle}`,
    );
  }
  const root = startInside(files);
  const news = new StartNews(resolved.log);
  const channel = new InsideChannel(root, (message) => news.receive(message));
  const cluster = new Cluster({ files, channel, root, kubectl: binaries.kubectl, ports });
  try {
    await bringUp({ cluster, channel, news, files, resolved, sockets });
  } catch (error) {
    const explained = await explain(error as Error, news, files);
    await cluster.stop();
    throw explained;
  }
  resolved.log(`the cluster is ready after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
  return cluster;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function makeDirectory(name: string): Promise<string> {
  for (let count = 1; ; count += 1) {
    // One process may run several clusters; the folder's name must still end with the process id.
    const directory = join(tmpdir(), clusterFolderName(count === 1 ? name : `${name}-${count}`, process.pid));
    try {
      await mkdir(directory, { mode: 0o700 });
      return directory;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** A session of its own: Ctrl-C reaches the starter alone, which then ends the cluster in order. */
function startInside(files: ClusterFiles): ChildProcess {
  const inside = join(import.meta.dirname, "inside.ts");
  const [program = "", ...args] = inNewNamespaces([process.execPath, inside, files.insideConfig]);
  const log = openSync(join(files.logs, "inside.log"), "a");
  const root = spawn(program, args, {
    stdio: ["ignore", log, log, "ipc"],
    detached: true,
    env: toolEnvironment(process.env),
  });
  closeSync(log);
  return root;
}

/** What the inside tells while it starts, and later. */
class StartNews {
  readonly #ready = Promise.withResolvers<void>();
  readonly #log: (line: string) => void;
  /** The component that failed first. */
  failedComponent: string | undefined;

  constructor(log: (line: string) => void) {
    this.#log = log;
    // Whoever waits hears of a failure; before that, and afterwards, nobody does.
    this.#ready.promise.catch(() => {});
  }

  /** Rejects when a component or the inside itself fails before everything is ready. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  receive(message: Exclude<InsideMessage, { type: "answer" }>): void {
    switch (message.type) {
      case "ready":
        this.#ready.resolve();
        return;
      case "component-ready":
        this.#log(`${message.component} is ready after ${message.seconds.toFixed(1)} s`);
        return;
      case "failed":
        this.failedComponent ??= message.component;
        this.#log(message.message);
        this.#ready.reject(new ClusterError("START_FAILED", message.message));
    }
  }
}

interface BringUp {
  readonly cluster: Cluster;
  readonly channel: InsideChannel;
  readonly news: StartNews;
  readonly files: ClusterFiles;
  readonly resolved: ResolvedOptions;
  readonly sockets: { readonly api: Server; readonly prometheus: Server };
}

async function bringUp({ cluster, channel, news, files, resolved, sockets }: BringUp): Promise<void> {
  const timeout = AbortSignal.timeout(startTimeoutMs);
  const signal = resolved.signal === undefined ? timeout : AbortSignal.any([timeout, resolved.signal]);
  const usable = async (): Promise<void> => {
    await channel.request({ method: "forward", host: hostAddress, port: apiServerPort }, sockets.api);
    await channel.request({ method: "forward", host: hostAddress, port: prometheusPort }, sockets.prometheus);
    await news.ready;
    await waitUntilUsable(cluster.apiServerAddress, adminTls(files.certificates), resolved.nodes.length, signal);
  };
  const ended = async (): Promise<never> => {
    await cluster.ended;
    throw new ClusterError("START_FAILED", "the cluster ended while it started");
  };
  const aborted = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void =>
      reject(
        resolved.signal?.aborted === true
          ? new ClusterError("START_ABORTED", "starting was given up")
          : new ClusterError("START_FAILED", `the cluster was not ready within ${startTimeoutMs / 1000} s`),
      );
    // A signal that has aborted while the plan was written fires no event.
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp);
  });
  await Promise.race([usable(), ended(), aborted]);
}

/** Adds the end of the log in which the reason is most likely found. */
async function explain(failure: Error, news: StartNews, files: ClusterFiles): Promise<ClusterError> {
  if (failure instanceof ClusterError && failure.code === "START_ABORTED") return failure;
  const name = news.failedComponent ?? "inside";
  const end = await describeLogEnd(files.logs, name);
  return new ClusterError("START_FAILED", `${failure.message}\n${end}`, { cause: failure });
}
