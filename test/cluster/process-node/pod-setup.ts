// Makes what a pod's containers share: folder, volumes, network, /etc/hosts, environment.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigMap, Pod, Secret, Service } from "kubernetes-types/core/v1.js";
import type { AddressPool } from "./address-pool.ts";
import type { NodeApi } from "./api.ts";
import type { Tools } from "./commands.ts";
import type { EmitEvent, PodContext } from "./contexts.ts";
import { type PodFacts, readField, readResource } from "./downward-api.ts";
import type { ReferenceSources } from "./environment.ts";
import type { HostsFiles } from "./hosts-files.ts";
import { createPodNetwork, type PodNetwork } from "./pod-network.ts";
import { type PodVolumeSources, preparePodVolumes } from "./pod-volumes.ts";
import { configMaps, persistentVolumeClaims, persistentVolumes, secrets } from "./resource-types.ts";
import type { Mount } from "./root-directory.ts";

export interface PodSetupServices {
  readonly api: NodeApi;
  readonly tools: Tools;
  readonly addresses: AddressPool;
  readonly bridge: string;
  readonly hostAddress: string;
  readonly hostsFiles: HostsFiles;
  readonly servicesInHosts: boolean;
  readonly searchPath: string;
  /** The Service `default/kubernetes`, once it exists. */
  readonly apiService: () => Service | undefined;
}

export interface PodSetupInput {
  readonly pod: Pod;
  readonly folder: string;
  readonly nodeCapacity: Readonly<Record<string, string>>;
  readonly emitEvent: EmitEvent;
  readonly services: PodSetupServices;
}

export interface PodSetup {
  readonly context: PodContext;
  /** Frees address, interfaces and namespace; the folder is the caller's. */
  readonly remove: () => Promise<void>;
}

/** @throws VolumeError or Error; nothing but files in the folder is left behind then. */
export async function setUpPod(input: PodSetupInput): Promise<PodSetup> {
  const { pod, folder, services } = input;
  const facts: PodFacts = { pod, podAddress: "", hostAddress: services.hostAddress, nodeCapacity: input.nodeCapacity };
  await mkdir(folder, { recursive: true });
  const volumes = await preparePodVolumes(pod, join(folder, "volumes"), volumeSources(services.api, facts));
  const network = await networkOf(input);
  const podAddress = network?.address ?? services.hostAddress;
  const hostsPath = join(folder, "hosts");
  const remove = async (): Promise<void> => {
    services.hostsFiles.remove(hostsPath);
    await network?.remove();
  };
  try {
    return {
      remove,
      context: {
        pod,
        podAddress,
        networkNamespace: network?.namespaceFile,
        folder,
        volumes,
        references: referenceSources(services.api, { ...facts, podAddress }),
        baseEnvironment: baseEnvironment(pod, services),
        systemMounts: await systemFiles(input, hostsPath, podAddress),
        emitEvent: input.emitEvent,
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function networkOf({ pod, folder, services }: PodSetupInput): Promise<PodNetwork | undefined> {
  if (pod.spec?.hostNetwork === true) return undefined;
  return createPodNetwork({
    tools: services.tools,
    pool: services.addresses,
    bridge: services.bridge,
    podUid: pod.metadata?.uid ?? "",
    namespaceFile: join(folder, "network-namespace"),
  });
}

async function systemFiles(
  { pod, folder, services }: PodSetupInput,
  hostsPath: string,
  podAddress: string,
): Promise<Mount[]> {
  const { name: podName = "", namespace = "" } = pod.metadata ?? {};
  const resolvPath = join(folder, "resolv.conf");
  // Nothing answers at the pod's own port 53: a name that is not in /etc/hosts fails at once instead of after seconds.
  await writeFile(
    resolvPath,
    `nameserver 127.0.0.1\nsearch ${namespace}.svc.cluster.local svc.cluster.local cluster.local\n`,
  );
  const mounts: Mount[] = [{ source: resolvPath, target: "/etc/resolv.conf", readOnly: false, type: "file" }];
  if (!services.servicesInHosts) return mounts;
  await services.hostsFiles.add({ path: hostsPath, namespace, podName, podAddress });
  return [...mounts, { source: hostsPath, target: "/etc/hosts", readOnly: false, type: "file" }];
}

/** What an image and a kubelet give to each container before its own variables. */
function baseEnvironment(pod: Pod, { searchPath, apiService }: PodSetupServices): Record<string, string> {
  const service = apiService();
  const port = service?.spec?.ports?.find(({ name }) => name === "https")?.port;
  return {
    PATH: searchPath,
    HOME: "/root",
    HOSTNAME: pod.spec?.hostname ?? pod.metadata?.name ?? "",
    ...(service?.spec?.clusterIP !== undefined && { KUBERNETES_SERVICE_HOST: service.spec.clusterIP }),
    ...(port !== undefined && { KUBERNETES_SERVICE_PORT: `${port}`, KUBERNETES_SERVICE_PORT_HTTPS: `${port}` }),
  };
}

function objectSources(
  { client }: NodeApi,
  { pod }: PodFacts,
): {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
} {
  const namespace = pod.metadata?.namespace ?? "";
  return {
    configMap: (name) => client.get(configMaps, { namespace, name }),
    secret: (name) => client.get(secrets, { namespace, name }),
  };
}

function volumeSources(api: NodeApi, facts: PodFacts): PodVolumeSources {
  const namespace = facts.pod.metadata?.namespace ?? "";
  return {
    ...objectSources(api, facts),
    facts,
    token: (options) => api.requestToken(facts.pod, options),
    claim: (name) => api.client.get(persistentVolumeClaims, { namespace, name }),
    persistentVolume: (name) => api.client.get(persistentVolumes, { name }),
  };
}

function referenceSources(api: NodeApi, facts: PodFacts): (containerName: string) => ReferenceSources {
  return (containerName) => {
    const all = [...(facts.pod.spec?.initContainers ?? []), ...(facts.pod.spec?.containers ?? [])];
    return {
      ...objectSources(api, facts),
      field: (fieldPath) => readField(fieldPath, facts),
      resource: (selector) => {
        const name = selector.containerName ?? containerName;
        const container = all.find((candidate) => candidate.name === name);
        if (container === undefined)
          throw new Error(`resourceFieldRef names container "${name}", which the pod does not have`);
        return readResource(selector, container, facts);
      },
    };
  };
}
