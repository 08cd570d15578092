// The pods of an InferenceService: one container that serves the model, and where and as what it runs.

import type { PodSpec, PodTemplateSpec, TopologySpreadConstraint, Volume } from "kubernetes-types/core/v1.js";
import { revisionLabel } from "../api/group.ts";
import type { InferenceService } from "../api/inference-service.ts";
import { placeAccelerator } from "./accelerator.ts";
import { drainDelaySeconds, makeContainer } from "./container.ts";
import { commonLabels, podSelector } from "./names.ts";
import { revisionOf } from "./revision.ts";
import { modelVolume } from "./storage-uri.ts";

/** What the operator's configuration, not the service's spec, decides about pods. */
export interface PodSettings {
  /** Image of the bundled inference server. */
  readonly serverImage: string;
}

/** For the server to end by itself before the kubelet kills it. */
const graceMarginSeconds = 5;

/** The pod template, labelled with its revision. Equal specs give equal templates, byte for byte. */
export function makePodTemplate(service: InferenceService, settings: PodSettings): PodTemplateSpec {
  const spec = makePodSpec(service, settings);
  return {
    metadata: { labels: { ...commonLabels(service.metadata.name), [revisionLabel]: revisionOf(spec) } },
    spec,
  };
}

function makePodSpec(service: InferenceService, settings: PodSettings): PodSpec {
  const { affinity, drainSeconds, imagePullSecrets, securityContext } = service.spec.predictor;
  const { priorityClassName, runtimeClassName, serviceAccountName } = service.spec.predictor;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: drainDelaySeconds + drainSeconds + graceMarginSeconds,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
      seccompProfile: { type: "RuntimeDefault" },
      ...securityContext,
    },
    ...makeScheduling(service),
    ...(affinity === undefined ? {} : { affinity }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    ...(imagePullSecrets === undefined ? {} : { imagePullSecrets }),
    containers: [makeContainer(service, settings.serverImage)],
    volumes: makeVolumes(service),
  };
}

function makeScheduling(service: InferenceService): Partial<PodSpec> {
  const { accelerator, nodeSelector, tolerations = [], topologySpreadConstraints } = service.spec.predictor;
  const device = placeAccelerator(accelerator);
  const labels = { ...device.nodeSelector, ...nodeSelector };
  const borne = [...device.tolerations, ...tolerations];
  const spread = topologySpreadConstraints ?? [spreadOverNodes];
  return {
    ...(Object.keys(labels).length === 0 ? {} : { nodeSelector: labels }),
    ...(borne.length === 0 ? {} : { tolerations: borne }),
    ...(spread.length === 0
      ? {}
      : { topologySpreadConstraints: spread.map((constraint) => withSelector(constraint, service)) }),
  };
}

/** A wish only, so that it keeps no pod from being placed; among the pods of one revision, else the old ones skew a roll-out. */
const spreadOverNodes: TopologySpreadConstraint = {
  topologyKey: "kubernetes.io/hostname",
  maxSkew: 1,
  whenUnsatisfiable: "ScheduleAnyway",
  matchLabelKeys: ["pod-template-hash"],
};

/** Without a selector Kubernetes would count no pod, and the constraint would do nothing. */
function withSelector(constraint: TopologySpreadConstraint, { metadata }: InferenceService): TopologySpreadConstraint {
  return { labelSelector: { matchLabels: podSelector(metadata.name) }, ...constraint };
}

function makeVolumes(service: InferenceService): Volume[] {
  const { model, volumes = [] } = service.spec.predictor;
  const mounted = modelVolume(model.storageUri);
  return [
    { name: "tmp", emptyDir: {} },
    ...(mounted === undefined ? [] : [mounted.volume]),
    ...(model.credentials === undefined
      ? []
      : // Readable for the server's group only, which fsGroup makes the owner.
        [{ name: "credentials", secret: { secretName: model.credentials.secretName, defaultMode: 0o440 } }]),
    ...volumes,
  ];
}
