// Gathers what the decision about a roll-out needs: the ReplicaSets are asked for only while revisions differ.

import type { Deployment, ReplicaSet } from "kubernetes-types/apps/v1.js";
import { replicaSets } from "../kube/resource-types.ts";
import { controllerUid } from "../kube/store.ts";
import type { KubeClient } from "../kube/types.ts";
import { selectorText } from "../resources/names.ts";
import { decideRollout, mayConcernReplicaSets, type RolloutDecision, type RolloutInput } from "./rollout.ts";

export interface PlanOptions {
  readonly client: KubeClient;
  readonly service: string;
  readonly signal: AbortSignal;
}

export async function planRollout(
  input: Omit<RolloutInput, "replicaSets">,
  options: PlanOptions,
): Promise<RolloutDecision> {
  const known = mayConcernReplicaSets(input) ? await list(input.live, options) : [];
  return decideRollout({ ...input, replicaSets: known });
}

async function list(live: Deployment | undefined, { client, service, signal }: PlanOptions): Promise<ReplicaSet[]> {
  const { namespace, uid } = live?.metadata ?? {};
  if (namespace === undefined || uid === undefined) return [];
  // A Deployment keeps ten of them.
  const { items } = await client.list(replicaSets, { namespace, labelSelector: selectorText(service), signal });
  return items.filter((set) => controllerUid(set).includes(uid));
}
