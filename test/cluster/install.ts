// Installs what this checkout has to install on a cluster: the custom resource definition and the operator, as a user would.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError } from "./errors.ts";
import { setFlags, setReplicas } from "./operator-manifest.ts";
import type { Cluster } from "./running-cluster.ts";

const checkout = join(import.meta.dirname, "..", "..");

/** Flags of the operator in install/operator.yaml that depend on the cluster. */
export interface OperatorFlags {
  /** As seen from inside. Default: the cluster's own Prometheus. */
  readonly prometheusAddress?: string;
  /** Default 2, as the cluster's Prometheus. */
  readonly scrapeIntervalSeconds?: number;
  /** The only ones that it works in; those that exist get the Role for it. Default: all. */
  readonly watchNamespaces?: readonly string[];
}

/** Resolves when InferenceServices can be created. Throws ClusterError with kubectl's message; ToolError when `signal` aborts. */
export async function installDefinitions(cluster: Cluster, signal?: AbortSignal): Promise<void> {
  const folder = join(checkout, "crds");
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".yaml"))) {
    await kubectl(cluster, ["apply", "--server-side", "--filename", join(folder, file)], { signal });
  }
  const definition = "customresourcedefinition/inferenceservices.serving.plimsoll.dev";
  // A definition of a moment ago has null for conditions, over which waiting for one of them fails.
  for (const state of ["jsonpath={.status.acceptedNames.plural}=inferenceservices", "condition=Established"]) {
    await kubectl(cluster, ["wait", `--for=${state}`, definition, "--timeout=30s"], { signal });
  }
}

/** Resolves when the operator's pod is ready. Throws ClusterError with kubectl's message; ToolError when `signal` aborts. */
export async function installOperator(
  cluster: Cluster,
  flags: OperatorFlags = {},
  signal?: AbortSignal,
): Promise<void> {
  const {
    prometheusAddress = cluster.insidePrometheusAddress,
    scrapeIntervalSeconds = 2,
    watchNamespaces = [],
  } = flags;
  const folder = join(checkout, "install");
  const withFlags = setFlags(await readFile(join(folder, "operator.yaml"), "utf8"), {
    "prometheus-address": prometheusAddress,
    "scrape-interval": String(scrapeIntervalSeconds),
    "watch-namespaces": watchNamespaces.join(","),
  });
  // All nodes of this cluster are one machine: a second replica would only take its memory.
  const manifest = setReplicas(withFlags, 1);
  const apply = ["apply", "--server-side", "--filename"];
  await kubectl(cluster, [...apply, join(folder, "user-roles.yaml")], { signal });
  if (watchNamespaces.length === 0) await kubectl(cluster, [...apply, join(folder, "all-namespaces.yaml")], { signal });
  for (const namespace of watchNamespaces) {
    if ((await cluster.kubectl(["get", "namespace", namespace], "", signal)).exitCode !== 0) continue;
    const file = join(folder, "listed-namespaces", "namespace.yaml");
    await kubectl(cluster, [...apply, file, `--namespace=${namespace}`], { signal });
  }
  await kubectl(cluster, [...apply, "-"], { input: manifest, signal });
  const deployment = ["deployment/plimsoll-operator", "--namespace=plimsoll-system"];
  await kubectl(cluster, ["rollout", "status", ...deployment, "--timeout=60s"], { signal });
}

interface KubectlOptions {
  readonly input?: string;
  readonly signal: AbortSignal | undefined;
}

async function kubectl(cluster: Cluster, args: readonly string[], options: KubectlOptions): Promise<void> {
  const { exitCode, stdout, stderr } = await cluster.kubectl(args, options.input, options.signal);
  if (exitCode === 0) return;
  throw new ClusterError("REQUEST_FAILED", `kubectl ${args.join(" ")} failed: ${stderr.trim() || stdout.trim()}`);
}
