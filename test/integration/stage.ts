// What the operator's integration tests share: a cluster with the CRD, a client, model files, and manifests.

import { KubeConfig } from "@kubernetes/client-node";
import type { Deployment } from "kubernetes-types/apps/v1.js";
import { inferenceServiceResource } from "../../operator/api/group.ts";
import type { InferenceServiceStatus } from "../../operator/api/inference-service-status.ts";
import { type ClosableKubeClient, createKubeClient } from "../../operator/kube/client.ts";
import { deployments } from "../../operator/kube/resource-types.ts";
import type { KubeObject, ResourceType } from "../../operator/kube/types.ts";
import { startCluster } from "../cluster/cluster.ts";
import { installDefinitions } from "../cluster/install.ts";
import type { Cluster } from "../cluster/running-cluster.ts";
import { ModelFiles } from "./model-files.ts";
import { until } from "./until.ts";

/** An InferenceService as a person writes it. */
export interface ServiceManifest extends KubeObject {
  readonly spec?: { readonly predictor: Readonly<Record<string, unknown>> };
  readonly status?: InferenceServiceStatus;
}

export const inferenceServices: ResourceType<ServiceManifest> = inferenceServiceResource;
export const asTester = { fieldManager: "integration-test" } as const;
export const namespace = "default";

export class Stage {
  readonly cluster: Cluster;
  readonly client: ClosableKubeClient;
  readonly models: ModelFiles;

  private constructor(cluster: Cluster, client: ClosableKubeClient, models: ModelFiles) {
    this.cluster = cluster;
    this.client = client;
    this.models = models;
  }

  /** Short periods where Kubernetes has long ones, so that a test sees several of them. */
  static async start(name: string): Promise<Stage> {
    const cluster = await startCluster({ name, horizontalPodAutoscalerSyncPeriodSeconds: 3 });
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfig);
    const client = createKubeClient({ kubeConfig, userAgent: "integration-test" });
    const stage = new Stage(cluster, client, await ModelFiles.start(cluster));
    await installDefinitions(cluster);
    return stage;
  }

  async stop(): Promise<void> {
    await this.models.stop();
    this.client.close();
    await this.cluster.stop();
  }

  /** What kubectl prints. Throws what it complains of. */
  async kubectl(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.cluster.kubectl(args);
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  }

  manifest(name: string, predictor: Readonly<Record<string, unknown>> = {}): ServiceManifest {
    return {
      metadata: { name, namespace },
      spec: {
        predictor: {
          model: { modelFormat: { name: "onnx" }, storageUri: this.models.uri("identity-fp32.onnx") },
          ...predictor,
        },
      },
    };
  }

  apply(manifest: ServiceManifest): Promise<ServiceManifest> {
    return this.client.apply(inferenceServices, manifest, asTester);
  }

  service(name: string): Promise<ServiceManifest | undefined> {
    return this.client.get(inferenceServices, { namespace, name });
  }

  deployment(name: string): Promise<Deployment | undefined> {
    return this.client.get(deployments, { namespace, name: `${name}-predictor` });
  }

  async replicas(name: string): Promise<number | undefined> {
    return (await this.deployment(name))?.spec?.replicas;
  }

  /** Resolves with the status once the condition has this status (and reason) for the present generation. */
  condition(name: string, type: string, wanted: { status: string; reason?: string; timeoutSeconds?: number }) {
    const { status, reason, timeoutSeconds = 60 } = wanted;
    const what = `${type} of ${name} is ${status}${reason === undefined ? "" : ` (${reason})`}`;
    return until(
      async () => {
        const service = await this.service(name);
        const found = service?.status?.conditions?.find((condition) => condition.type === type);
        if (found?.status !== status || found.observedGeneration !== service?.metadata?.generation) return undefined;
        return reason === undefined || found.reason === reason ? found : undefined;
      },
      { what, timeoutSeconds },
    );
  }
}
