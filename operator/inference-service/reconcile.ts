// Makes the world match one InferenceService: gather, make, apply, report.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { Pod, Service } from "kubernetes-types/core/v1.js";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import { z } from "zod";
import { type Finding, finding, mergeConditions } from "../api/conditions.ts";
import {
  appliedHashAnnotation,
  autoscalerFieldManager,
  createFieldManager,
  fieldManager,
  inferenceServiceResource,
  pausedAnnotation,
} from "../api/group.ts";
import { type InferenceService, parseInferenceService, type RawInferenceService } from "../api/inference-service.ts";
import { inferenceServiceStatusSchema } from "../api/inference-service-status.ts";
import { type ApplyResult, applyOwned } from "../kube/apply.ts";
import { applyStatus } from "../kube/apply-status.ts";
import { conditionOf } from "../kube/conditions.ts";
import type { ReconcileContext, ReconcileResult } from "../kube/controller.ts";
import { ApiError, ConflictError, NotControlledError, TerminalError } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import { deployments, horizontalPodAutoscalers, podDisruptionBudgets, services } from "../kube/resource-types.ts";
import { setScale } from "../kube/scale.ts";
import { controllerUid, type Lister } from "../kube/store.ts";
import type { KubeClient, KubeObject, ResourceType } from "../kube/types.ts";
import { initialReplicas, makeDeployment, mayReplaceInPlace } from "../resources/deployment.ts";
import {
  type AutoscalerSettings,
  makeHorizontalPodAutoscaler,
  replicaBounds,
} from "../resources/horizontal-pod-autoscaler.ts";
import { childName } from "../resources/names.ts";
import { makePodDisruptionBudget } from "../resources/pod-disruption-budget.ts";
import type { PodSettings } from "../resources/pod-template.ts";
import { makeService } from "../resources/service.ts";
import { planRollout } from "./plan-rollout.ts";
import { computeStatus, type StatusInput } from "./status.ts";
import { statusEvents } from "./status-events.ts";

/** What is read from caches. */
export interface Listers {
  readonly inferenceServices: Lister<RawInferenceService>;
  readonly deployments: Lister<Deployment>;
  readonly services: Lister<Service>;
  readonly horizontalPodAutoscalers: Lister<HorizontalPodAutoscaler>;
  readonly podDisruptionBudgets: Lister<PodDisruptionBudget>;
  /** The pods labelled with the service `namespace/name`: of every revision, and only what `podEssence` keeps of them. */
  readonly podsOf: (key: string) => readonly Pod[];
}

export interface ReconcilerOptions {
  readonly client: KubeClient;
  readonly listers: Listers;
  readonly settings: PodSettings & AutoscalerSettings;
  readonly now: () => Date;
  readonly events: Pick<EventRecorder, "record">;
}

type ReportedStatus = Parameters<typeof statusEvents>[1];

/** A name that is taken may become free without any event that this program sees. */
const blockedRetrySeconds = 30;

/** The reconcile function of the InferenceService controller; keys are `namespace/name`. */
export function createReconciler(options: ReconcilerOptions) {
  return async (key: string, signal: AbortSignal, { logger }: ReconcileContext): Promise<ReconcileResult> => {
    const raw = options.listers.inferenceServices.get(key);
    // Children are owned by UID, so the garbage collector removes them with the service.
    if (raw === undefined || raw.metadata?.deletionTimestamp !== undefined) return {};
    const parsed = parseInferenceService(raw);
    const report = async (status: ReportedStatus) => {
      await writeStatus(options.client, raw, status, signal);
      const before = parsed.success ? parsed.data.status : inferenceServiceStatusSchema.safeParse(raw.status).data;
      for (const event of statusEvents(before, status)) options.events.record(raw, event);
    };
    if (!parsed.success) {
      const message = z.prettifyError(parsed.error);
      await report(invalidStatus(raw, message, options.now()));
      throw new TerminalError(`InferenceService ${key} is not valid: ${message}`);
    }
    const service = parsed.data;
    const say = (seen: Omit<StatusInput, "service" | "pods">) =>
      report(computeStatus({ service, pods: options.listers.podsOf(key), ...seen }, options.now()));
    if (service.metadata.annotations?.[pausedAnnotation] === "true") {
      await say({ deployment: ownDeployment(options, service), paused: true });
      return {};
    }
    const rollout = await decideRevision(options, service, signal);
    const requeue =
      rollout.requeueAfterSeconds === undefined ? {} : { requeueAfterSeconds: rollout.requeueAfterSeconds };
    try {
      const deployment = await new Application(options, service, signal).applyAll(rollout.deployment, logger);
      await say({ deployment, rollout });
      return requeue;
    } catch (error) {
      const blocked = blockedBy(error);
      if (blocked === undefined) throw error;
      // What was made before may well be serving.
      await say({ deployment: ownDeployment(options, service), rollout, blocked });
      // Quotas and policies change without any event that this program sees, and often soon.
      if (blocked.reason === "ChildRefused") throw error;
      logger.warn({ err: error }, "children cannot be made");
      return { requeueAfterSeconds: blockedRetrySeconds };
    }
  };
}

const inferenceServices: ResourceType<RawInferenceService> = inferenceServiceResource;

async function writeStatus(client: KubeClient, live: RawInferenceService, status: object, signal: AbortSignal) {
  const { name = "", namespace = "" } = live.metadata ?? {};
  const desired = { metadata: { name, namespace }, status };
  await applyStatus({ client, type: inferenceServices, desired, live, fieldManager, signal });
}

/**
 * For an object that cannot be read as an InferenceService: an older CRD may have let it in. Its pods may well be
 * serving, so everything else that was last seen stays.
 */
function invalidStatus(raw: RawInferenceService, message: string, now: Date) {
  const observedGeneration = raw.metadata?.generation ?? 0;
  const { autoScaling: _, conditions = [], ...seen } = inferenceServiceStatusSchema.safeParse(raw.status).data ?? {};
  const invalid = [
    finding("Ready", "False", "InvalidSpec", message),
    finding("Stalled", "True", "InvalidSpec", message),
  ];
  const kept = conditions.filter(({ type }) => type === "ModelReady" || type === "RolloutComplete");
  const merged = [...mergeConditions(conditions, invalid, observedGeneration, now), ...kept];
  return { ...seen, observedGeneration, conditions: merged };
}

/** Errors that a person has to mend become a condition; every other one is tried again without a word. */
function blockedBy(error: unknown): Finding<"Ready"> | undefined {
  if (error instanceof NotControlledError) return finding("Ready", "False", "ChildNotControlled", error.message);
  if (error instanceof ApiError && (error.status === 422 || error.status === 400)) {
    return finding("Ready", "False", "InvalidSpec", error.message);
  }
  if (error instanceof ApiError && error.status === 403)
    return finding("Ready", "False", "ChildRefused", error.message);
  return undefined;
}

function ownDeployment({ listers }: ReconcilerOptions, { metadata }: InferenceService): Deployment | undefined {
  const deployment = listers.deployments.get(`${metadata.namespace}/${childName(metadata.name)}`);
  return deployment !== undefined && controllerUid(deployment).includes(metadata.uid) ? deployment : undefined;
}

async function decideRevision(options: ReconcilerOptions, service: InferenceService, signal: AbortSignal) {
  const { client, listers, settings, now } = options;
  const { namespace, name } = service.metadata;
  const input = {
    wanted: makeDeployment(service, settings),
    live: ownDeployment(options, service),
    pods: listers.podsOf(`${namespace}/${name}`),
    previous: service.status?.model,
    mayReplaceInPlace: mayReplaceInPlace(service),
    now: now(),
  };
  return planRollout(input, { client, service: name, signal });
}

/** One pass over the children of one service. */
class Application {
  readonly #options: ReconcilerOptions;
  readonly #service: InferenceService;
  readonly #signal: AbortSignal;
  readonly #key: string;
  #serviceIsThere: Promise<void> | undefined;

  constructor(options: ReconcilerOptions, service: InferenceService, signal: AbortSignal) {
    this.#options = options;
    this.#service = service;
    this.#signal = signal;
    this.#key = `${service.metadata.namespace}/${childName(service.metadata.name)}`;
  }

  /** Returns the Deployment as it now is. */
  async applyAll(desired: Deployment, logger: ReconcileContext["logger"]): Promise<Deployment> {
    const { listers } = this.#options;
    const service = this.#service;
    const results = {
      service: await this.#apply(services, makeService(service), listers.services),
      podDisruptionBudget: await this.#apply(
        podDisruptionBudgets,
        makePodDisruptionBudget(service),
        listers.podDisruptionBudgets,
      ),
      deployment: await this.#apply(deployments, desired, listers.deployments, {
        spec: { replicas: initialReplicas(service) },
      }),
    };
    const deployment = results.deployment.object;
    const scaling =
      service.spec.predictor.autoScaling.mode === "External"
        ? await this.#leaveToOthers(deployment)
        : await this.#applyAutoscaler(deployment);
    for (const [child, { outcome }] of Object.entries({ ...results, ...scaling })) {
      if (outcome !== "unchanged") logger.info({ child, outcome }, "child applied");
    }
    return deployment;
  }

  /** The bounds are written once, around the present replicas, and belong to the autoscaler afterwards. */
  async #applyAutoscaler(deployment: Deployment) {
    const { listers, settings } = this.#options;
    const bounds = replicaBounds(this.#service.spec.predictor, deployment.spec?.replicas ?? 1);
    return {
      horizontalPodAutoscaler: await this.#apply(
        horizontalPodAutoscalers,
        makeHorizontalPodAutoscaler(this.#service, settings),
        listers.horizontalPodAutoscalers,
        { spec: bounds },
      ),
    };
  }

  /** autoScaling.mode External: no HPA, and the count is the service's own `replicas`. */
  async #leaveToOthers(deployment: Deployment): Promise<Record<string, { outcome: string }>> {
    const { client, listers } = this.#options;
    const hpa = listers.horizontalPodAutoscalers.get(this.#key);
    if (hpa?.metadata?.uid !== undefined && controllerUid(hpa).includes(this.#service.metadata.uid)) {
      await client.delete(horizontalPodAutoscalers, this.#ref(), { uid: hpa.metadata.uid, signal: this.#signal });
    }
    const { replicas } = this.#service.spec.predictor;
    if (replicas !== undefined && replicas !== deployment.spec?.replicas) {
      const write = { fieldManager: autoscalerFieldManager, signal: this.#signal };
      await setScale(client, deployments, { scale: deployment, replicas }, write);
      return { replicas: { outcome: `set to ${replicas}` } };
    }
    return {};
  }

  #ref() {
    const { namespace, name } = this.#service.metadata;
    return { namespace, name: childName(name) };
  }

  async #apply<T extends KubeObject>(
    type: ResourceType<T>,
    desired: T,
    lister: Lister<T>,
    createOnly?: object,
  ): Promise<ApplyResult<T>> {
    const cached = lister.get(this.#key);
    if (cached === undefined) await (this.#serviceIsThere ??= this.#assertServiceIsThere());
    return applyOwned({
      client: this.#options.client,
      type,
      desired,
      ...(createOnly === undefined ? {} : { createOnly }),
      live: cached ?? (await this.#stranger(type)),
      fieldManager,
      createFieldManager,
      hashAnnotation: appliedHashAnnotation,
      signal: this.#signal,
    });
  }

  /**
   * Asked before anything is created, once in a pass: the garbage collector removes at once what is made for a service
   * that is gone, so that an outdated cache would have it made again and again.
   */
  async #assertServiceIsThere(): Promise<void> {
    const { namespace, name, uid } = this.#service.metadata;
    const live = await this.#options.client.get(inferenceServices, { namespace, name }, { signal: this.#signal });
    if (live?.metadata?.uid === uid && live.metadata.deletionTimestamp === undefined) return;
    throw new ConflictError(`InferenceService ${namespace}/${name} (uid ${uid}) was deleted a moment ago`);
  }

  /** Caches hold only what is labelled as ours. Once a name was taken, look before trying to create again. */
  async #stranger<T extends KubeObject>(type: ResourceType<T>): Promise<T | undefined> {
    const ready = conditionOf(this.#service.status, "Ready");
    if (ready?.reason !== "ChildNotControlled") return undefined;
    return this.#options.client.get(type, this.#ref(), { signal: this.#signal });
  }
}
