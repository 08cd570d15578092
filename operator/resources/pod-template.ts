// The pods of an InferenceService: one container that loads the model and answers requests.

import type { Container, PodSpec, PodTemplateSpec } from "kubernetes-types/core/v1.js";
import { revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { commonLabels } from "./names.ts";
import { revisionOf } from "./revision.ts";
import { claimName } from "./storage-uri.ts";

/** What the operator's configuration, not the service's spec, decides about pods. */
export interface PodSettings {
  /** Image of the bundled inference server. */
  readonly serverImage: string;
}

export const httpPort = 8080;
export const grpcPort = 9000;

/** A terminating pod keeps accepting for so long, since endpoints are removed while it is told to stop. */
const drainDelaySeconds = 5;
/** After the drain delay, requests that are under way have so long to finish. */
const drainSeconds = 30;
/** Slower than this to download and load, and the container is restarted. */
const startupSeconds = 3600;

/** The pod template, labelled with its revision. Equal specs give equal templates, byte for byte. */
export function makePodTemplate(service: InferenceService, settings: PodSettings): PodTemplateSpec {
  const spec = makePodSpec(service, settings);
  return {
    metadata: { labels: { ...commonLabels(service.metadata.name), [revisionLabel]: revisionOf(spec) } },
    spec,
  };
}

function makePodSpec(service: InferenceService, settings: PodSettings): PodSpec {
  const { accelerator, model } = service.spec.predictor;
  const claim = claimName(model.storageUri);
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: drainDelaySeconds + drainSeconds + 5,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(accelerator === undefined
      ? {}
      : {
          nodeSelector: { "nvidia.com/gpu.product": accelerator.product },
          tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
        }),
    containers: [makeContainer(service, settings)],
    volumes: [
      { name: "tmp", emptyDir: {} },
      ...(claim === undefined ? [] : [{ name: "model", persistentVolumeClaim: { claimName: claim, readOnly: true } }]),
    ],
  };
}

function makeContainer(service: InferenceService, settings: PodSettings): Container {
  const { accelerator, model } = service.spec.predictor;
  const claim = claimName(model.storageUri);
  const limits = {
    ...model.resources?.limits,
    ...(accelerator === undefined ? {} : { "nvidia.com/gpu": accelerator.count }),
  };
  const resources = {
    ...(model.resources?.requests === undefined ? {} : { requests: quantities(model.resources.requests) }),
    ...(Object.keys(limits).length === 0 ? {} : { limits: quantities(limits) }),
  };
  return {
    name: "server",
    image: settings.serverImage,
    args: [
      `--model-name=${service.metadata.name}`,
      `--storage-uri=${model.storageUri}`,
      `--http-port=${httpPort}`,
      `--grpc-port=${grpcPort}`,
      // One place for all attempts: what a killed container left there is removed by the next one.
      "--model-directory=/tmp/model",
      `--drain-delay-seconds=${drainDelaySeconds}`,
      `--grace-period-seconds=${drainDelaySeconds + drainSeconds}`,
    ],
    ports: [
      { name: "http", containerPort: httpPort, protocol: "TCP" },
      { name: "grpc", containerPort: grpcPort, protocol: "TCP" },
    ],
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    // Loading may take minutes and is watched once a second; after that, readiness is asked for at leisure.
    startupProbe: {
      httpGet: probe("/v2/health/ready"),
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: startupSeconds,
    },
    readinessProbe: { httpGet: probe("/v2/health/ready"), periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2 },
    livenessProbe: { httpGet: probe("/v2/health/live"), periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 6 },
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      ...(claim === undefined ? [] : [{ name: "model", mountPath: `/mnt/pvc/${claim}`, readOnly: true }]),
    ],
  };
}

function probe(path: string) {
  return { path, port: "http" };
}

/** Quantities as text, as the API server stores them. */
function quantities(amounts: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, String(amount)]));
}
