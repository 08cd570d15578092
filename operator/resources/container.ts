// The container that loads the model and answers requests.

import type { Container, Probe, ResourceRequirements } from "kubernetes-types/core/v1.js";
import type { InferenceService } from "../api/inference-service.ts";
import { parseQuantity } from "../api/quantity.ts";
import { type ServerParameters, serverFlags } from "../api/server-parameters.ts";
import { placeAccelerator } from "./accelerator.ts";
import { acceptanceArguments } from "./acceptance.ts";
import { modelName } from "./names.ts";
import { modelVolume } from "./storage-uri.ts";

export const httpPort = 8080;
export const grpcPort = 9000;

/** A terminating pod keeps accepting for so long, since endpoints are removed while it is told to stop. */
export const drainDelaySeconds = 5;

/** Where the Secret of `model.credentials` is mounted. */
export const credentialsDirectory = "/mnt/credentials";

/** Small, but not nothing: a pod without requests is the first to be starved and evicted. */
const defaultRequests = { cpu: "100m", memory: "256Mi" } as const;

type Predictor = InferenceService["spec"]["predictor"];

/** `serverImage` is what runs unless the spec names another image. */
export function makeContainer(service: InferenceService, serverImage: string): Container {
  const { model } = service.spec.predictor;
  const mounted = modelVolume(model.storageUri);
  return {
    name: "server",
    image: model.image ?? serverImage,
    args: makeArguments(service),
    ...(model.env === undefined ? {} : { env: model.env }),
    ports: [
      { name: "http", containerPort: httpPort, protocol: "TCP" },
      { name: "grpc", containerPort: grpcPort, protocol: "TCP" },
    ],
    resources: makeResources(service.spec.predictor),
    startupProbe: probe("/v2/health/ready", model.startupProbe),
    readinessProbe: probe("/v2/health/ready", model.readinessProbe),
    livenessProbe: probe("/v2/health/live", model.livenessProbe),
    terminationMessagePolicy: "FallbackToLogsOnError",
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "tmp", mountPath: "/tmp" },
      ...(mounted === undefined ? [] : [mounted.mount]),
      ...(model.credentials === undefined
        ? []
        : [{ name: "credentials", mountPath: credentialsDirectory, readOnly: true }]),
      ...(model.volumeMounts ?? []),
    ],
  };
}

/** Those that the pod relies on first, a person's own last. */
function makeArguments(service: InferenceService): string[] {
  const { drainSeconds, model } = service.spec.predictor;
  const { credentials, download, sha256, storageUri } = model;
  const maxBytes = download?.maxSize === undefined ? undefined : parseQuantity(download.maxSize);
  return [
    `--model-name=${modelName(service)}`,
    `--storage-uri=${storageUri}`,
    `--http-port=${httpPort}`,
    `--grpc-port=${grpcPort}`,
    // One place for all attempts: what a killed container left there is removed by the next one.
    "--model-directory=/tmp/model",
    `--drain-delay-seconds=${drainDelaySeconds}`,
    `--grace-period-seconds=${drainDelaySeconds + drainSeconds}`,
    ...flag("--storage-sha256", sha256?.toLowerCase()),
    ...flag("--storage-credentials-directory", credentials && credentialsDirectory),
    ...flag("--download-timeout-seconds", download?.timeoutSeconds),
    ...flag("--max-model-bytes", maxBytes === undefined ? undefined : Math.ceil(maxBytes)),
    ...parameterFlags(model.server ?? {}),
    ...acceptanceArguments(model),
    ...(model.args ?? []),
  ];
}

function parameterFlags(parameters: ServerParameters): string[] {
  // The order of the flags' own list: it must not depend on the order in a manifest.
  return (Object.keys(serverFlags) as (keyof ServerParameters)[]).flatMap((name) =>
    flag(serverFlags[name], parameters[name]),
  );
}

function flag(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${name}=${value}`];
}

function makeResources({ accelerator, model }: Predictor): ResourceRequirements {
  const limits = quantities({ ...model.resources?.limits, ...placeAccelerator(accelerator).limits });
  // Where there is a limit alone, Kubernetes itself requests as much.
  const derived = Object.entries(defaultRequests).filter(([resource]) => !Object.hasOwn(limits, resource));
  const requests = { ...Object.fromEntries(derived), ...quantities(model.resources?.requests ?? {}) };
  return {
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

function probe(path: string, timing: Predictor["model"]["startupProbe"]): Probe {
  const { periodSeconds, timeoutSeconds, failureThreshold } = timing;
  return { httpGet: { path, port: "http" }, periodSeconds, timeoutSeconds, failureThreshold };
}

/** Quantities as text, as the API server stores them. */
function quantities(amounts: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, String(amount)]));
}
