// Plays a story under a fault, and compares each step's end with that of a run in which nothing went wrong.

import { until } from "../integration/until.ts";
import { type Counts, createsAndDeletes } from "./audit.ts";
import type { Fault } from "./fault.ts";
import type { Scene } from "./scene.ts";
import { act, leaveMarks, type StepName } from "./story.ts";
import { differences, type World, worldOf } from "./world.ts";

/** How a step ends: what is there, and what was made and deleted on the way. */
export interface StepEnd {
  readonly world: World;
  readonly counts: Counts;
}

export type Reference = ReadonlyMap<StepName, StepEnd>;

export interface StepResult {
  readonly step: StepName;
  readonly seconds: number;
  /** Writes of the operator, answered or not. */
  readonly writes: number;
  /** What is not as in the reference; empty when all is well. */
  readonly problems: readonly string[];
}

const referenceQuietMs = 1_500;
const quietMs = 800;
/** The operator's own waits after failures go up to a minute. */
const deadlineSeconds = 150;

/** Plays the steps with no fault and keeps how each ended. */
export async function playReference(scene: Scene, steps: readonly StepName[]): Promise<Reference> {
  const namespace = await scene.newNamespace();
  const reference = new Map<StepName, StepEnd>();
  for (const step of steps) {
    const from = (await scene.cluster.auditLog()).length;
    await act(step, scene.client, namespace);
    await settled(step, scene, namespace);
    reference.set(step, await endOf(scene, namespace, from));
    if (step === "apply") await leaveMarks(scene.client, namespace);
    await scene.quiet(referenceQuietMs);
  }
  return reference;
}

/**
 * Leaves a service alone for so long, after a moment in which what was begun is finished. Throws when the operator writes
 * anything meanwhile: it would do so for ever.
 */
export async function playQuiet(scene: Scene, seconds: number): Promise<void> {
  const namespace = await scene.newNamespace();
  await act("apply", scene.client, namespace);
  await settled("apply", scene, namespace);
  await scene.quiet(seconds * 1000, seconds + 10);
}

/** Resolves when the operator and Kubernetes' own controllers have nothing left to do. */
async function settled(step: StepName, scene: Scene, namespace: string): Promise<void> {
  let before = "";
  const unchanged = async () => {
    await scene.quiet(referenceQuietMs);
    const world = await worldOf(scene.client, scene.types, namespace);
    const now = JSON.stringify(world);
    // The garbage collector takes its time, and nothing is heard of it meanwhile.
    const collected = step !== "delete" || Object.keys(world).length === 0;
    if (now === before && collected && !now.includes("ChildNotControlled")) return true;
    before = now;
    return false;
  };
  await until(unchanged, { what: "nothing changes any more", timeoutSeconds: deadlineSeconds });
}

async function endOf(scene: Scene, namespace: string, auditFrom: number): Promise<StepEnd> {
  const world = await worldOf(scene.client, scene.types, namespace);
  const counts = createsAndDeletes((await scene.cluster.auditLog()).slice(auditFrom), namespace);
  return { world, counts };
}

export interface Play {
  readonly scene: Scene;
  readonly reference: Reference;
  readonly steps: readonly StepName[];
}

/** Plays the steps under the fault. A step that goes wrong ends the story. */
export async function playUnder(fault: Fault, { scene, reference, steps }: Play): Promise<readonly StepResult[]> {
  const namespace = await scene.newNamespace();
  const results: StepResult[] = [];
  scene.proxy.fault = fault;
  try {
    for (const step of steps) {
      const wanted = reference.get(step);
      if (wanted === undefined) throw new Error(`the reference has no step ${step}`);
      const result = await playStep(step, { scene, fault, namespace, wanted });
      results.push(result);
      if (result.problems.length > 0) break;
      if (step === "apply") await leaveMarks(scene.client, namespace);
    }
  } finally {
    scene.proxy.fault = { name: "none" };
  }
  return results;
}

interface StepPlay {
  readonly scene: Scene;
  readonly fault: Fault;
  readonly namespace: string;
  readonly wanted: StepEnd;
}

async function playStep(step: StepName, { scene, fault, namespace, wanted }: StepPlay): Promise<StepResult> {
  const startedAt = performance.now();
  const writesBefore = scene.proxy.writes.length;
  const from = (await scene.cluster.auditLog()).length;
  let problems: readonly string[];
  try {
    await fault.beforeStep?.(step);
    await act(step, scene.client, namespace);
    await fault.afterAction?.(step);
    await reached(scene, namespace, wanted.world);
    await fault.afterStep?.(step);
    const end = await endOf(scene, namespace, from);
    problems = [...differences(end.world, wanted.world), ...differences(end.counts, wanted.counts, "audit log")];
  } catch (error) {
    const now = differences(await worldOf(scene.client, scene.types, namespace), wanted.world);
    const { message, cause } = error as Error;
    problems = [cause instanceof Error ? `${message} (${cause.message})` : message, ...now];
  }
  const writes = scene.proxy.writes.length - writesBefore;
  return { step, seconds: (performance.now() - startedAt) / 1000, writes, problems };
}

/** Resolves when the world is as wanted, an operator is at work that has seen it, and nothing is written any more. */
async function reached(scene: Scene, namespace: string, wanted: World): Promise<void> {
  const isAsWanted = async () => differences(await worldOf(scene.client, scene.types, namespace), wanted).length === 0;
  const lasting = async () => {
    await scene.operatorAtWork();
    if (!(await isAsWanted())) return false;
    await scene.quiet(quietMs);
    return isAsWanted();
  };
  await until(lasting, { what: "the world is as without the fault", timeoutSeconds: deadlineSeconds });
}
