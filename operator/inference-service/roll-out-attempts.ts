// What is remembered of a revision that failed: an annotation of the Deployment, written together with its template.

import type { Deployment } from "kubernetes-types/apps/v1.js";
import { z } from "zod";
import { type FailureReason, failureReasons } from "../api/conditions.ts";
import { rollOutAttemptsAnnotation } from "../api/group.ts";

/**
 * Kept where the template is, so that no restart, no crash between two writes and no outdated cache can see the one
 * without the other.
 */
const attemptsSchema = z.object({
  revision: z.string(),
  /** Attempts that failed; 0: the first one was put off. */
  failed: z.int().min(0),
  /** RFC 3339. Absent: not before the spec changes. */
  next: z.iso.datetime().optional(),
  reason: z.enum(["failed", "raise"]),
  /** What the last attempt failed for. */
  message: z.string(),
  /** What was wrong with its pods, if anything was: they are gone, and the status goes on saying it. */
  failure: z
    .object({
      reason: z.custom<FailureReason>((reason) => typeof reason === "string" && Object.hasOwn(failureReasons, reason)),
      message: z.string(),
      code: z.string().exactOptional(),
    })
    .optional(),
});

export type RollOutAttempts = z.output<typeof attemptsSchema>;

/** Undefined where nothing failed; so is what anybody else wrote there. */
export function readAttempts(deployment: Deployment | undefined): RollOutAttempts | undefined {
  const text = deployment?.metadata?.annotations?.[rollOutAttemptsAnnotation];
  if (text === undefined) return undefined;
  try {
    return attemptsSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export function withAttempts(deployment: Deployment, attempts: RollOutAttempts): Deployment {
  const annotations = { ...deployment.metadata?.annotations, [rollOutAttemptsAnnotation]: JSON.stringify(attempts) };
  return { ...deployment, metadata: { ...deployment.metadata, annotations } };
}

const firstWaitSeconds = 30;
const longestWaitSeconds = 600;

/** Seconds until a revision is tried again that has failed so often: 30, doubling to 600. */
export function retrySeconds(failed: number): number {
  return Math.min(firstWaitSeconds * 2 ** Math.max(failed - 1, 0), longestWaitSeconds);
}
