// One tick of the autoscaler: a snapshot of all signals, then for each service decide, actuate, and say why.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import type { HorizontalPodAutoscaler } from "kubernetes-types/autoscaling/v2.js";
import type { InferenceService } from "../api/inference-service.ts";
import type { MetricType } from "../api/inference-service-spec.ts";
import { TimeSlices } from "../kube/time-slices.ts";
import type { Logger } from "../observability/logger.ts";
import { replicaBounds } from "../resources/horizontal-pod-autoscaler.ts";
import { type Decision, decide, initialState } from "../scaling/decide.ts";
import type { ReadyPods } from "../scaling/observation.ts";
import { policyOf, type ScalingPolicy } from "../scaling/policy.ts";
import type { ServiceSignals } from "../scaling/signal.ts";
import type { Snapshot } from "../signals/collect.ts";
import { type QuerySettings, rateWindowSeconds } from "../signals/queries.ts";
import type { Actuator } from "./actuator.ts";
import { readyPods } from "./pods.ts";
import { computeAutoscalingStatus, computeExternalStatus, differs } from "./status.ts";
import type { World } from "./world.ts";

export interface AutoscalerOptions {
  readonly world: World;
  readonly collect: (signal: AbortSignal) => Promise<Snapshot>;
  readonly actuator: Actuator;
  /** Whether this replica is the one that acts; every replica decides, so that each can answer the HPA. */
  readonly mayWrite: () => boolean;
  readonly settings: QuerySettings;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: Logger;
  /** `namespace/name` of another program's Service behind external.metrics.k8s.io. */
  readonly foreignProvider: () => string | undefined;
  /** Told of each change of replicas, with the reason. */
  readonly onChange: (service: InferenceService, change: ReplicaChangeSeen) => void;
}

export interface ReplicaChangeSeen {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** A value for the HPA, and when it was taken. */
export interface ServedValue {
  readonly value: number;
  readonly atMs: number;
}

/** What is remembered of a service between ticks. */
interface Memory {
  readonly uid: string;
  readonly decision: Decision;
  readonly atMs: number;
  /** What the Deployment was last asked for, and the version from which: the cache may not show it yet. */
  readonly asked: { readonly replicas: number; readonly fromVersion: string | undefined };
}

/** A service in mode HPA with its objects, and all that a decision about it is made from. */
interface Subject {
  readonly service: InferenceService;
  readonly deployment: Deployment;
  readonly hpa: HorizontalPodAutoscaler;
  readonly policy: ScalingPolicy;
  readonly pods: ReadyPods;
  readonly signals: ServiceSignals;
  readonly currentReplicas: number;
}

interface Tick {
  readonly snapshot: Snapshot;
  /** Ends the writes of this tick. */
  readonly writes: AbortSignal;
  readonly stop: AbortSignal;
}

/** One service's slow writes must not keep the others' next decisions waiting. */
const writesTimeoutMs = 5_000;

export class Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #slices = new TimeSlices();
  #memories = new Map<string, Memory>();

  constructor(options: AutoscalerOptions) {
    this.#options = options;
  }

  /** The value that the HPA may have; undefined when it is unknown or not to be trusted. */
  servedValue(namespace: string, serviceName: string, type: MetricType): ServedValue | undefined {
    const memory = this.#memories.get(`${namespace}/${serviceName}`);
    const value = memory?.decision.servedValues[type];
    return memory === undefined || value === undefined ? undefined : { value, atMs: memory.atMs };
  }

  /** Never rejects because of one service: its failure is logged, and the others are served. */
  async tick(signal: AbortSignal): Promise<void> {
    const { world, collect } = this.#options;
    const snapshot = await collect(signal);
    const memories = new Map<string, Memory>();
    // One for all: a timer and a signal for each of thousands cost more than their decisions.
    const writes = AbortSignal.any([signal, AbortSignal.timeout(writesTimeoutMs)]);
    const scale = async (service: InferenceService): Promise<void> => {
      const { namespace, name, uid } = service.metadata;
      const known = this.#memories.get(`${namespace}/${name}`);
      // A service that was deleted and made anew under the same name starts without memories.
      const previous = known?.uid === uid ? known : undefined;
      const memory = await this.#scaleSafely(service, previous, { snapshot, writes, stop: signal });
      if (memory !== undefined) memories.set(`${namespace}/${name}`, memory);
    };
    const scaling: Promise<void>[] = [];
    for (const service of world.services()) {
      scaling.push(scale(service));
      await this.#slices.pause();
    }
    await Promise.all(scaling);
    this.#memories = memories;
  }

  async #scaleSafely(
    service: InferenceService,
    previous: Memory | undefined,
    { snapshot, writes, stop }: Tick,
  ): Promise<Memory | undefined> {
    let decided: Memory | undefined;
    try {
      if (service.metadata.deletionTimestamp !== undefined) return undefined;
      if (service.spec.predictor.autoScaling.mode === "External") return await this.#stepBack(service, writes);
      const subject = this.#subject(service, snapshot, previous);
      if (subject === undefined) return undefined;
      const decision = this.#decide(subject, snapshot.atMs, previous);
      const asked = previous?.asked ?? { replicas: subject.currentReplicas, fromVersion: undefined };
      // Should a write fail: nothing is served from this tick, so the HPA holds; what it taught is kept, gaps above all.
      decided = { uid: service.metadata.uid, decision: { ...decision, servedValues: {} }, atMs: snapshot.atMs, asked };
      return await this.#carryOut(subject, decision, decided, writes);
    } catch (error) {
      const { namespace, name } = service.metadata;
      if (!stop.aborted) this.#options.logger.warn({ err: error, namespace, name }, "scaling failed");
      return decided;
    }
  }

  #subject(service: InferenceService, snapshot: Snapshot, previous: Memory | undefined): Subject | undefined {
    const { world, settings } = this.#options;
    const { namespace, name } = service.metadata;
    const deployment = world.deploymentOf(service);
    const hpa = world.autoscalerOf(service);
    if (deployment === undefined || hpa === undefined) return undefined;
    const asked = previous?.asked;
    const pods = readyPods(world.podsOf(service), settings.scrapeIntervalSeconds, snapshot.atMs);
    return {
      service,
      deployment,
      hpa,
      policy: policyOf(service.spec, rateWindowSeconds(settings)),
      pods,
      signals: snapshot.signalsOf(namespace, name, pods),
      currentReplicas:
        asked !== undefined && asked.fromVersion === deployment.metadata?.resourceVersion
          ? asked.replicas
          : (deployment.spec?.replicas ?? 1),
    };
  }

  #decide(subject: Subject, atMs: number, previous: Memory | undefined): Decision {
    const { hpa, policy, pods, signals, currentReplicas } = subject;
    const observation = {
      signals,
      currentReplicas,
      previousFloor: hpa.spec?.minReplicas ?? 1,
      expectedPods: pods.expected.length,
      newPods: pods.recent.length,
    };
    return decide(policy, observation, previous?.decision.state ?? initialState, atMs);
  }

  async #carryOut(subject: Subject, decision: Decision, decided: Memory, signal: AbortSignal): Promise<Memory> {
    const { deployment } = subject;
    if (!this.#options.mayWrite()) return follow(subject, decision, decided);
    if (!(await this.#holdFloor(subject, decision, signal))) return decided;
    const replicas = await this.#raise(subject, decision, signal);
    await this.#report(subject, decision, { from: decided.asked.replicas, to: replicas }, signal);
    const fromVersion = replicas === deployment.spec?.replicas ? undefined : deployment.metadata?.resourceVersion;
    return { ...decided, decision, asked: { replicas, fromVersion } };
  }

  /** In mode External somebody else decides; the status says so once. */
  async #stepBack(service: InferenceService, signal: AbortSignal): Promise<undefined> {
    const { actuator, mayWrite, now } = this.#options;
    if (!mayWrite()) return undefined;
    const status = computeExternalStatus(service, new Date(now()));
    if (differs(service.status, status)) await actuator.setStatus(service, status, signal);
    return undefined;
  }

  /**
   * The floor goes before the replicas: an HPA below its minReplicas jumps there by itself, so dying in between is
   * harmless. False when somebody else was faster: without the floor nothing else may be done, nor any value served.
   */
  async #holdFloor({ hpa, policy }: Subject, decision: Decision, signal: AbortSignal): Promise<boolean> {
    const bounds = replicaBounds(policy, decision.floor);
    if (hpa.spec?.minReplicas === bounds.minReplicas && hpa.spec.maxReplicas === bounds.maxReplicas) return true;
    return this.#options.actuator.setBounds(hpa, bounds, signal);
  }

  /** Returns the replicas that are now asked for. */
  async #raise(subject: Subject, decision: Decision, signal: AbortSignal): Promise<number> {
    const { service, deployment, currentReplicas } = subject;
    const { desiredReplicas } = decision;
    // Without the fast path the floor stands, and the HPA jumps to it when it next looks.
    if (service.spec.predictor.autoScaling.fastPath === "Disabled") return currentReplicas;
    if (desiredReplicas <= currentReplicas) return currentReplicas;
    const written = await this.#options.actuator.setReplicas(deployment, desiredReplicas, signal);
    return written ? desiredReplicas : currentReplicas;
  }

  async #report(
    subject: Subject,
    decision: Decision,
    replicas: { readonly from: number; readonly to: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { actuator, now, foreignProvider, logger, onChange } = this.#options;
    const { service, policy, signals } = subject;
    const { namespace, name } = service.metadata;
    const change = replicas.from === replicas.to ? undefined : replicas;
    const input = { service, policy, signals, decision, change, foreignProvider: foreignProvider() };
    const status = computeAutoscalingStatus(input, new Date(now()));
    logger.debug({ namespace, name, replicas: replicas.to, decision }, "decided");
    if (change !== undefined) {
      const reason = status.autoScaling.reason ?? "";
      logger.info({ namespace, name, ...change, reason }, "replicas changed");
      onChange(service, { ...change, reason });
    }
    if (differs(service.status, status)) await actuator.setStatus(service, status, signal);
  }
}

/**
 * What a follower remembers of its decision. It cannot raise a floor that is too low, so it then serves only what lets
 * the HPA raise: with the leader away nothing else would, and a lower value could lead below the floor to come.
 */
function follow({ hpa, policy, currentReplicas }: Subject, decision: Decision, decided: Memory): Memory {
  const { minReplicas } = replicaBounds(policy, decision.floor);
  const floorHolds = (hpa.spec?.minReplicas ?? 1) >= minReplicas;
  const lowersNothing = Object.values(decision.proposals).some((replicas) => replicas >= currentReplicas);
  return {
    ...decided,
    ...(floorHolds || lowersNothing ? { decision } : {}),
    // The leader asks for replicas, and the cache shows it.
    asked: { replicas: currentReplicas, fromVersion: undefined },
  };
}
