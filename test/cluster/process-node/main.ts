// The process node: plays the kubelets of the local cluster and runs pods as processes of this machine.

import { mkdir, readFile, rm } from "node:fs/promises";
import type { Server } from "node:https";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import type { Service } from "kubernetes-types/core/v1.js";
import { z } from "zod";
import { systemClock } from "../../../operator/kube/clock.ts";
import { Reflector } from "../../../operator/kube/reflector.ts";
import { Store } from "../../../operator/kube/store.ts";
import { createLogger } from "../../../operator/observability/logger.ts";
import { AddressPool } from "./address-pool.ts";
import { createNodeApi } from "./api.ts";
import { codeMounts } from "./code-mounts.ts";
import { findTools } from "./commands.ts";
import { type NodeConfig, type ProcessNodeConfig, processNodeConfigSchema } from "./config.ts";
import type { ContainerServices } from "./contexts.ts";
import { ControlGroups } from "./control-groups.ts";
import { recordEventsOf } from "./event-recorder.ts";
import { HostsFiles } from "./hosts-files.ts";
import { serveKubeletApi } from "./kubelet-api.ts";

import { machine } from "./machine.ts";
import { runNode } from "./node.ts";
import { removeLeftNamespaces } from "./pod-network.ts";
import type { PodSetupServices } from "./pod-setup.ts";
import { PodWorker } from "./pod-worker.ts";
import { PodsOfNode } from "./pods-of-node.ts";
import { services as serviceType } from "./resource-types.ts";

const now = (): Date => new Date();
const logger = createLogger("info");

/** The checkout, whose programs the image table names. */
const checkout = join(import.meta.dirname, "..", "..", "..");

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { kubeconfig: { type: "string" }, config: { type: "string" } } });
  if (values.kubeconfig === undefined || values.config === undefined) {
    throw new Error("usage: node process-node/main.ts --kubeconfig FILE --config FILE.json");
  }
  const config = await readConfig(values.config);
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(values.kubeconfig);
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stopping.abort());
  await run(config, kubeConfig, stopping.signal);
}

async function readConfig(path: string): Promise<ProcessNodeConfig> {
  const parsed = processNodeConfigSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!parsed.success) throw new Error(`${path}:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

async function run(config: ProcessNodeConfig, kubeConfig: KubeConfig, signal: AbortSignal): Promise<void> {
  const searchPath = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
  const tools = findTools(searchPath);
  await removeLeftNamespaces(tools, config.dataDirectory);
  await rm(config.dataDirectory, { recursive: true, force: true });
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o755 });
  const controlGroups = await ControlGroups.open(config.cgroupParent);
  for (const problem of controlGroups.problems) logger.warn({ problem }, "limits of pods are not enforced");
  const api = createNodeApi(kubeConfig);
  const serviceStore = new Store<Service>({
    onListenerError: (err) => logger.error({ err }, "change of a Service not handled"),
  });
  const hostsFiles = new HostsFiles(
    () => serviceStore.list(),
    (err) => logger.warn({ err }, "a pod's hosts file not updated"),
  );
  serviceStore.subscribe(() => hostsFiles.servicesChanged());
  const serviceReflector = new Reflector({ client: api.client, type: serviceType, store: serviceStore, logger });
  const reflecting = serviceReflector.run(signal);

  const setup: PodSetupServices = {
    api,
    tools,
    hostsFiles,
    searchPath,
    addresses: new AddressPool(config.podCidr),
    bridge: config.bridge,
    hostAddress: config.hostAddress,
    servicesInHosts: config.servicesInHosts,
    apiService: () => serviceStore.get("default/kubernetes"),
  };
  const images = Object.values(config.images).flat();
  const containers: ContainerServices = {
    tools,
    now,
    logger,
    controlGroups,
    clock: systemClock,
    images: config.images,
    restartBackOff: config.restartBackOff,
    codeMounts: codeMounts([checkout, dirname(dirname(process.execPath)), ...images], machine),
  };
  const running = config.nodes.map(async (node, index) => {
    const kubeletPort = config.kubeletPort + index;
    await Promise.race([serviceReflector.synced, reflecting]);
    await runOneNode({ config, node, kubeletPort, setup, containers }, signal);
  });
  await Promise.all([reflecting, ...running]);
  await controlGroups.close();
  await rm(config.dataDirectory, { recursive: true, force: true });
  api.close();
  logger.info({}, "the process node has stopped");
}

interface OneNode {
  readonly config: ProcessNodeConfig;
  readonly node: NodeConfig;
  readonly kubeletPort: number;
  readonly setup: PodSetupServices;
  readonly containers: ContainerServices;
}

async function runOneNode(
  { config, node, kubeletPort, setup, containers }: OneNode,
  signal: AbortSignal,
): Promise<void> {
  const { client } = setup.api;
  const nodeLogger = logger.child({ node: node.name });
  const shared = { client, now, logger: nodeLogger, random: Math.random };
  const pods = new PodsOfNode({
    client,
    logger: nodeLogger,
    nodeName: node.name,
    startWorker: (pod) =>
      new PodWorker({
        pod,
        setup,
        containers: { ...containers, logger: nodeLogger },
        nodeCapacity: node.capacity,
        dataDirectory: config.dataDirectory,
        emitEvent: recordEventsOf(pod, { ...shared, nodeName: node.name }),
        logger: nodeLogger.child({ pod: `${pod.metadata?.namespace}/${pod.metadata?.name}` }),
        random: shared.random,
      }),
  });
  const server: Server = await serveKubeletApi({
    certificate: config.kubeletCertificate,
    host: config.hostAddress,
    port: kubeletPort,
    now,
    findPod: (namespace, name) => pods.worker(namespace, name),
  });
  const alive = runNode(
    { ...shared, config: node, hostAddress: config.hostAddress, kubeletPort, clock: systemClock },
    signal,
  );
  await Promise.all([alive, pods.run(signal)]);
  server.closeAllConnections();
  server.close();
}

try {
  await main();
} catch (error) {
  logger.error({}, (error as Error).message);
  process.exitCode = 1;
}
