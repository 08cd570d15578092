// The process node's view of the API server: the generic client, and two requests that only a kubelet makes.

import type { KubeConfig } from "@kubernetes/client-node";
import type { TokenRequest } from "kubernetes-types/authentication/v1.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import { createKubeClient } from "../../../operator/kube/client.ts";
import { isNotFound } from "../../../operator/kube/errors.ts";
import { objectPath } from "../../../operator/kube/paths.ts";
import { Transport } from "../../../operator/kube/transport.ts";
import type { KubeClient, KubeObject, ResourceType } from "../../../operator/kube/types.ts";
import { pods } from "./resource-types.ts";
import type { TokenRequestOptions } from "./volume-files.ts";

export interface NodeApi {
  readonly client: KubeClient;
  /** Removes the pod's object once its containers have ended; a pod that is gone, or replaced by another, is left alone. */
  finishPod(pod: Pod): Promise<void>;
  /** A token of the pod's service account that is valid as long as the pod exists. */
  requestToken(pod: Pod, options: TokenRequestOptions): Promise<{ token: string; lifetimeSeconds: number }>;
  close(): void;
}

const serviceAccounts: ResourceType<KubeObject> = {
  apiVersion: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  namespaced: true,
};

export function createNodeApi(kubeConfig: KubeConfig): NodeApi {
  const options = { kubeConfig, userAgent: "plimsoll-process-node" };
  const client = createKubeClient(options);
  const transport = new Transport(options);
  return {
    client,
    finishPod: (pod) => finishPod(transport, pod),
    requestToken: (pod, tokenOptions) => requestToken(transport, pod, tokenOptions),
    close() {
      client.close();
      transport.close();
    },
  };
}

async function finishPod(transport: Transport, pod: Pod): Promise<void> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  try {
    await transport.request({
      verb: "delete",
      resource: "pods",
      method: "DELETE",
      path: objectPath(pods, { namespace, name }),
      idempotent: true,
      attempted: `delete Pod ${namespace}/${name}`,
      body: { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } },
    });
  } catch (error) {
    if (!isNotFound(error) && (error as { status?: number }).status !== 409) throw error;
  }
}

async function requestToken(
  transport: Transport,
  pod: Pod,
  { audience, expirationSeconds }: TokenRequestOptions,
): Promise<{ token: string; lifetimeSeconds: number }> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const account = pod.spec?.serviceAccountName ?? "default";
  const body: TokenRequest = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
    },
  };
  const answer = (await transport.request({
    verb: "create",
    resource: "serviceaccounts/token",
    method: "POST",
    path: objectPath(serviceAccounts, { namespace, name: account }, "token"),
    idempotent: true,
    attempted: `create token of ServiceAccount ${namespace}/${account}`,
    body,
  })) as TokenRequest;
  return {
    token: answer.status?.token ?? "",
    // The server may grant another lifetime than was asked for.
    lifetimeSeconds: answer.spec.expirationSeconds ?? expirationSeconds,
  };
}
