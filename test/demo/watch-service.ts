// Looks at one InferenceService once: what Prometheus measures, and what the API server has about its replicas.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Pod } from "kubernetes-types/core/v1.js";
import type { KubeClient, KubeObject, ResourceType } from "../../operator/kube/types.ts";
import type { Change, ClusterView } from "./story.ts";

interface InferenceService extends KubeObject {
  readonly status?: {
    readonly url?: string;
    readonly conditions?: readonly Condition[];
    readonly autoScaling?: { readonly lastChanges?: readonly Change[] };
  };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
}

const inferenceServices: ResourceType<InferenceService> = {
  apiVersion: "serving.plimsoll.dev/v1alpha1",
  kind: "InferenceService",
  plural: "inferenceservices",
  namespaced: true,
};
const deployments: ResourceType<Deployment> = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};
const pods: ResourceType<Pod> = { apiVersion: "v1", kind: "Pod", plural: "pods", namespaced: true };
const autoscalers: ResourceType<HorizontalPodAutoscaler> = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  namespaced: true,
};

/** Four scrapes of the local cluster, as the operator takes its rate. */
const rateWindowSeconds = 8;

export class ServiceWatch {
  readonly #kube: KubeClient;
  readonly #prometheusAddress: string;
  readonly #service: ServiceRef;
  readonly #child: ServiceRef;

  /** @param prometheusAddress e.g. "http://127.0.0.1:9090" */
  constructor(kube: KubeClient, prometheusAddress: string, service: ServiceRef) {
    this.#kube = kube;
    this.#prometheusAddress = prometheusAddress;
    this.#service = service;
    this.#child = { namespace: service.namespace, name: `${service.name}-predictor` };
  }

  /** What the live table shows. A part that cannot be read is absent: a busy second must not end the demo. */
  async view(signal: AbortSignal): Promise<ClusterView> {
    const labels = `{namespace="${this.#service.namespace}",inference_service="${this.#service.name}"}`;
    const [measuredPerSecond, queueDepth, deployment, podList, service] = await Promise.all([
      this.#measure(`sum(rate(plimsoll_requests_received_total${labels}[${rateWindowSeconds}s]))`, signal),
      this.#measure(`sum(plimsoll_queue_depth${labels})`, signal),
      orAbsent(this.#kube.get(deployments, this.#child, { signal })),
      orAbsent(
        this.#kube.list(pods, {
          namespace: this.#service.namespace,
          labelSelector: `serving.plimsoll.dev/inference-service=${this.#service.name}`,
          signal,
        }),
      ),
      orAbsent(this.#kube.get(inferenceServices, this.#service, { signal })),
    ]);
    return {
      measuredPerSecond,
      queueDepth,
      desiredReplicas: deployment?.spec?.replicas,
      readyReplicas: deployment && (deployment.status?.readyReplicas ?? 0),
      pods: podList?.items.length,
      changes: service?.status?.autoScaling?.lastChanges ?? [],
    };
  }

  async conditions(signal: AbortSignal): Promise<readonly Condition[]> {
    return (await this.#kube.get(inferenceServices, this.#service, { signal }))?.status?.conditions ?? [];
  }

  /** The external metrics of the HPA's spec, each with the average value that the HPA has last read for it. */
  async hpaMetrics(signal: AbortSignal): Promise<{ name: string; value?: string | undefined }[]> {
    const autoscaler = await this.#kube.get(autoscalers, this.#child, { signal });
    const current = autoscaler?.status?.currentMetrics ?? [];
    return (autoscaler?.spec?.metrics ?? []).map((metric) => {
      const name = metric.external?.metric.name ?? metric.type;
      return {
        name,
        value: current.find((each) => each.external?.metric.name === name)?.external?.current.averageValue,
      };
    });
  }

  async #measure(query: string, signal: AbortSignal): Promise<number | undefined> {
    const url = `${this.#prometheusAddress}/api/v1/query?query=${encodeURIComponent(query)}`;
    const answer = await orAbsent(fetch(url, { signal }).then((response) => response.json()));
    return parseScalar(answer);
  }
}

/** The one number of an answer of Prometheus' query API; absent when there is none, or none that is finite. */
export function parseScalar(answer: unknown): number | undefined {
  const rows = (answer as { data?: { result?: { value?: [number, string] }[] } } | undefined)?.data?.result;
  const value = Number(rows?.length === 1 ? rows[0]?.value?.[1] : undefined);
  return Number.isFinite(value) ? value : undefined;
}

async function orAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch {
    return undefined;
  }
}
