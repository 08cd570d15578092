// Gives a pod a network namespace of its own, joined to the cluster's bridge by a veth pair.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressPool } from "./address-pool.ts";
import { runCommand, type Tools } from "./commands.ts";

export interface PodNetwork {
  readonly address: string;
  /** A file that holds the namespace open: what `nsenter --net=` takes. */
  readonly namespaceFile: string;
  remove(): Promise<void>;
}

export interface PodNetworkOptions {
  readonly tools: Tools;
  readonly pool: AddressPool;
  readonly bridge: string;
  readonly podUid: string;
  readonly namespaceFile: string;
}

/** @throws Error with what `ip` or `unshare` said; nothing is left behind then. */
export async function createPodNetwork(options: PodNetworkOptions): Promise<PodNetwork> {
  const { tools, pool, namespaceFile } = options;
  const address = pool.take();
  const hostInterface = hostInterfaceName(options.podUid);
  const remove = async (): Promise<void> => {
    // The peer dies with the namespace, but only later: the name must be free for a pod that starts at once.
    await runCommand([tools.ip, "link", "del", hostInterface]).catch(() => {});
    await runCommand([tools.umount, namespaceFile]).catch(() => {});
    pool.release(address);
  };
  try {
    await writeFile(namespaceFile, "");
    await runCommand([tools.unshare, `--net=${namespaceFile}`, "true"]);
    await runCommand(
      [tools.ip, "-batch", "-"],
      `link add ${hostInterface} type veth peer name eth0 netns ${namespaceFile}\n` +
        `link set ${hostInterface} master ${options.bridge} up\n`,
    );
    await runCommand(
      [tools.nsenter, `--net=${namespaceFile}`, tools.ip, "-batch", "-"],
      `link set lo up\naddr add ${address}/${pool.prefixLength} dev eth0\nlink set eth0 up\n` +
        `route add default via ${pool.gateway}\n`,
    );
  } catch (error) {
    await remove();
    throw error;
  }
  return { address, namespaceFile, remove };
}

/** Unmounts the namespaces that a process node before this one could not remove; their interfaces go with them. */
export async function removeLeftNamespaces(tools: Tools, dataDirectory: string): Promise<void> {
  const mountInfo = await readFile("/proc/self/mountinfo", "utf8");
  const mountPoints = mountInfo.split("\n").map((line) => line.split(" ")[4] ?? "");
  for (const path of mountPoints.filter((mountPoint) => mountPoint.startsWith(`${dataDirectory}/`))) {
    await runCommand([tools.umount, path]);
  }
}

/** At most 15 characters, the kernel's limit for names of interfaces. */
export function hostInterfaceName(podUid: string): string {
  return `veth${createHash("sha256").update(podUid).digest("hex").slice(0, 10)}`;
}
