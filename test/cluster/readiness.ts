// When a started cluster can be used: its nodes take pods and the first pod would find its service account.

import { setTimeout as sleep } from "node:timers/promises";
import type { Node, NodeList } from "kubernetes-types/core/v1.js";
import { type ClientTls, get } from "./https-get.ts";

const pollMs = 100;
const notReadyTaint = "node.kubernetes.io/not-ready";

async function readyNodes(server: string, tls: ClientTls): Promise<number> {
  const answer = await get(`${server}/api/v1/nodes`, tls);
  if (answer?.status !== 200) return 0;
  const { items } = JSON.parse(answer.body) as NodeList;
  return items.filter(isUsable).length;
}

/** A node is tainted until the node controller has seen that it is Ready, and takes no pods until then. */
function isUsable({ spec, status }: Node): boolean {
  const isReady = (status?.conditions ?? []).some(({ type, status: value }) => type === "Ready" && value === "True");
  return isReady && !(spec?.taints ?? []).some(({ key }) => key === notReadyTaint);
}

async function hasDefaultServiceAccount(server: string, tls: ClientTls): Promise<boolean> {
  const answer = await get(`${server}/api/v1/namespaces/default/serviceaccounts/default`, tls);
  return answer?.status === 200;
}

/** Resolves when `nodes` nodes are Ready and take pods, and the default service account exists. Rejects when `signal` aborts. */
export async function waitUntilUsable(
  server: string,
  tls: ClientTls,
  nodes: number,
  signal: AbortSignal,
): Promise<void> {
  while ((await readyNodes(server, tls)) < nodes) await sleep(pollMs, undefined, { signal });
  while (!(await hasDefaultServiceAccount(server, tls))) await sleep(pollMs, undefined, { signal });
}
