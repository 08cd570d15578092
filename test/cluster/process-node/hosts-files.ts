// Keeps the /etc/hosts of all pods in step with the cluster's Services, which stands in for the cluster's DNS.

import { open, writeFile } from "node:fs/promises";
import type { Service } from "kubernetes-types/core/v1.js";

export interface HostsFileOwner {
  readonly path: string;
  readonly namespace: string;
  readonly podName: string;
  readonly podAddress: string;
}

/** The content of one pod's file. Headless Services have no address of their own, and so no entry. */
export function hostsFileContent(owner: Omit<HostsFileOwner, "path">, services: readonly Service[]): string {
  const lines = [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    `${owner.podAddress}\t${owner.podName}`,
  ];
  const sorted = services
    .map(({ metadata, spec }) => ({
      name: metadata?.name ?? "",
      namespace: metadata?.namespace ?? "",
      address: spec?.clusterIP ?? "",
    }))
    .filter(({ address }) => address !== "" && address !== "None")
    .toSorted((left, right) => (`${left.namespace}/${left.name}` < `${right.namespace}/${right.name}` ? -1 : 1));
  for (const { name, namespace, address } of sorted) {
    const full = [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
    lines.push([address, ...(namespace === owner.namespace ? [name] : []), ...full].join("\t"));
  }
  return `${lines.join("\n")}\n`;
}

export class HostsFiles {
  readonly #listServices: () => readonly Service[];
  readonly #onError: (error: unknown) => void;
  readonly #files = new Map<string, { owner: HostsFileOwner; content: string }>();
  #changed = false;
  #updating = false;

  constructor(listServices: () => readonly Service[], onError: (error: unknown) => void) {
    this.#listServices = listServices;
    this.#onError = onError;
  }

  async add(owner: HostsFileOwner): Promise<void> {
    const content = hostsFileContent(owner, this.#listServices());
    await writeFile(owner.path, content);
    this.#files.set(owner.path, { owner, content });
    // A Service may have come while the file was written.
    this.servicesChanged();
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  /** Brings all files up to date soon; changes of the same moment are one update. */
  servicesChanged(): void {
    this.#changed = true;
    if (!this.#updating) void this.#update();
  }

  async #update(): Promise<void> {
    this.#updating = true;
    while (this.#changed) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#changed = false;
      const services = this.#listServices();
      for (const [path, file] of this.#files) {
        const content = hostsFileContent(file.owner, services);
        if (content === file.content) continue;
        file.content = content;
        await rewriteInPlace(path, content).catch(this.#onError);
      }
    }
    this.#updating = false;
  }
}

/** Containers see this very file by a bind mount, so it is neither replaced nor, for a reader in between, ever empty. */
async function rewriteInPlace(path: string, content: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const bytes = Buffer.from(content);
    await file.write(bytes, 0, bytes.length, 0);
    await file.truncate(bytes.length);
  } finally {
    await file.close();
  }
}
