// Lays out a cluster's folder: certificates, kubeconfigs, configuration files, and which component starts after which.

import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { apiServerPort, bridge, etcdPort, hostAddress, kubeletPort, podCidr, prometheusPort } from "./addresses.ts";
import type { BinaryName } from "./binaries.ts";
import { type CertificateFiles, writeCertificates } from "./certificates.ts";
import { auditPolicy, controlPlaneComponents } from "./control-plane.ts";
import type { ClientTls } from "./https-get.ts";
import type { InsideConfig, StartStep } from "./inside-protocol.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { ResolvedOptions } from "./options.ts";
import type { ProcessNodeConfigInput } from "./process-node/config.ts";
import { prometheusComponent, prometheusConfig } from "./prometheus.ts";

/** Paths in a cluster's folder, which is outside and inside the same. */
export interface ClusterFiles {
  readonly directory: string;
  readonly certificates: CertificateFiles;
  readonly logs: string;
  readonly auditLog: string;
  /** For programs outside the cluster's network. */
  readonly kubeconfig: string;
  /** For programs in the cluster's network. */
  readonly insideKubeconfig: string;
  readonly insideConfig: string;
}

export interface PlanOptions {
  readonly directory: string;
  readonly binaries: Readonly<Record<BinaryName, string>>;
  readonly options: ResolvedOptions;
  /** Loopback port, outside, that leads to the API server. */
  readonly apiPort: number;
}

const insideServer = `https://${hostAddress}:${apiServerPort}`;

export function adminTls(certificates: CertificateFiles): ClientTls {
  return { authority: certificates.authority, ...certificates.admin };
}

function processNodeConfig(directory: string, certificates: CertificateFiles, options: ResolvedOptions): string {
  const config: ProcessNodeConfigInput = {
    nodes: [...options.nodes],
    images: Object.fromEntries(Object.entries(options.images).map(([image, command]) => [image, [...command]])),
    bridge,
    hostAddress,
    podCidr,
    dataDirectory: join(directory, "data", "pods"),
    cgroupParent: basename(directory),
    kubeletPort,
    kubeletCertificate: {
      cert: certificates.kubelet.certificate,
      key: certificates.kubelet.key,
      clientCA: certificates.authority,
    },
    servicesInHosts: true,
    ...(options.restartBackOff === undefined ? {} : { restartBackOff: options.restartBackOff }),
  };
  return JSON.stringify(config, undefined, 2);
}

async function writeKubeconfigs(directory: string, certificates: CertificateFiles, apiPort: number) {
  const { authority, admin, controllerManager, scheduler } = certificates;
  const write = async (name: string, server: string, user: typeof admin): Promise<string> => {
    const file = join(directory, name);
    await writeKubeconfig(file, { server, authority, user });
    return file;
  };
  return {
    outside: await write("kubeconfig", `https://127.0.0.1:${apiPort}`, admin),
    inside: await write("inside.kubeconfig", insideServer, admin),
    controllerManager: await write("controller-manager.kubeconfig", insideServer, controllerManager),
    scheduler: await write("scheduler.kubeconfig", insideServer, scheduler),
  };
}

/** The components in the order of their needs. The slowest chain is etcd, API server, then everything that talks to it. */
function startSteps(
  plan: PlanOptions,
  files: ClusterFiles,
  kubeconfigs: Record<"controllerManager" | "scheduler", string>,
) {
  const { directory, binaries, options } = plan;
  const data = (folder: string) => join(directory, "data", folder);
  const [etcd, apiServer, controllerManager, scheduler] = controlPlaneComponents({
    ...options,
    binaries,
    certificates: files.certificates,
    etcdDirectory: data("etcd"),
    auditPolicyFile: join(directory, "audit-policy.json"),
    auditLogFile: files.auditLog,
    controllerManagerKubeconfig: kubeconfigs.controllerManager,
    schedulerKubeconfig: kubeconfigs.scheduler,
  });
  const processNode = {
    name: "process-node",
    command: process.execPath,
    args: [
      join(import.meta.dirname, "process-node", "main.ts"),
      "--kubeconfig",
      files.insideKubeconfig,
      "--config",
      join(directory, "process-node.json"),
    ],
  };
  const prometheus = prometheusComponent({
    binary: binaries.prometheus,
    configFile: join(directory, "prometheus.json"),
    dataDirectory: data("prometheus"),
  });
  const afterApiServer = ["kube-apiserver"];
  const steps: readonly StartStep[] = [
    { component: etcd, after: [], readyUrl: `http://127.0.0.1:${etcdPort}/health` },
    {
      component: apiServer,
      after: ["etcd"],
      readyUrl: `${insideServer}/readyz`,
      readyTls: adminTls(files.certificates),
    },
    { component: controllerManager, after: afterApiServer },
    { component: scheduler, after: afterApiServer },
    { component: processNode, after: afterApiServer },
    { component: prometheus, after: afterApiServer, readyUrl: `http://${hostAddress}:${prometheusPort}/-/ready` },
  ];
  return steps;
}

/** Writes everything that a cluster is made of into `directory`, an empty folder. */
export async function writePlan(plan: PlanOptions): Promise<ClusterFiles> {
  const { directory, options } = plan;
  for (const folder of ["pki", "logs", "data"]) await mkdir(join(directory, folder));
  const nodeNames = options.nodes.map(({ name }) => name);
  const certificates = await writeCertificates(join(directory, "pki"), nodeNames);
  const kubeconfigs = await writeKubeconfigs(directory, certificates, plan.apiPort);
  const files: ClusterFiles = {
    directory,
    certificates,
    logs: join(directory, "logs"),
    auditLog: join(directory, "logs", "audit.log"),
    kubeconfig: kubeconfigs.outside,
    insideKubeconfig: kubeconfigs.inside,
    insideConfig: join(directory, "inside.json"),
  };
  const config: InsideConfig = {
    directory,
    logDirectory: files.logs,
    dataDirectory: join(directory, "data"),
    dataFolders: ["etcd", "prometheus", "pods"],
    components: startSteps(plan, files, kubeconfigs),
    kubernetes: { server: insideServer, tls: adminTls(certificates) },
    cgroupParent: basename(directory),
  };
  await writeFile(files.auditLog, "");
  await writeFile(join(directory, "audit-policy.json"), auditPolicy);
  await writeFile(join(directory, "prometheus.json"), prometheusConfig(options.scrapeIntervalSeconds));
  await writeFile(join(directory, "process-node.json"), processNodeConfig(directory, certificates, options));
  await writeFile(files.insideConfig, JSON.stringify(config, undefined, 2));
  return files;
}
