// The status of an InferenceService as a zod schema: its types and documentation.

import { z } from "zod";

const signalStatus = z.object({
  type: z.string().describe("RequestRate or QueueDepth."),
  value: z
    .string()
    .describe("Sum over all pods as of the last change, or 'unknown'. A quantity; per second for RequestRate."),
  target: z.string().describe("What one replica should carry. A quantity."),
  proposal: z.int().optional().describe("Replicas that this signal asks for; absent when it is unknown."),
});

const replicaChange = z.object({
  time: z.string().describe("When, RFC 3339.").meta({ format: "date-time" }),
  from: z.int().describe("Replicas before."),
  to: z.int().describe("Replicas after."),
  reason: z.string().describe("Why, in one sentence."),
});

const condition = z.object({
  type: z.string().describe("Name of the condition."),
  status: z.enum(["True", "False", "Unknown"]).describe("True, False or Unknown."),
  observedGeneration: z.int().optional().describe("metadata.generation that the condition is about."),
  lastTransitionTime: z.string().describe("When status last flipped, RFC 3339.").meta({ format: "date-time" }),
  reason: z.string().describe("One word for machines; docs/conditions.md lists all of them."),
  message: z.string().describe("One sentence for people."),
});

const lastFailure = z.object({
  revision: z.string().describe("Revision whose pods failed."),
  reason: z.string().describe("One word for machines; docs/conditions.md lists all of them under Failures."),
  code: z.string().optional().describe("The inference server's own code, such as CHECKSUM_MISMATCH."),
  message: z.string().describe("What failed, in one sentence."),
  time: z.string().describe("When it was first seen, RFC 3339.").meta({ format: "date-time" }),
});

export const inferenceServiceStatusSchema = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status describes."),
  url: z.string().optional().describe("Where the model answers inside the cluster: append /v2/models/NAME/infer."),
  replicas: z.int().optional().describe("Pods that exist, ready or not."),
  readyReplicas: z.int().optional().describe("Pods that answer requests."),
  selector: z.string().optional().describe("Label selector of the pods, for the /scale subresource."),
  model: z
    .object({
      revision: z
        .string()
        .optional()
        .describe("Revision that the spec asks for: the value of the pods' revision label."),
      servingRevision: z
        .string()
        .optional()
        .describe("Revision that was last rolled out completely: what serves while another one comes, or fails."),
      pendingRevision: z
        .string()
        .optional()
        .describe("Revision that the spec asks for, while it is not rolled out completely."),
      attempts: z.int().optional().describe("How often pendingRevision was tried and failed."),
      nextAttemptTime: z
        .string()
        .optional()
        .describe("When pendingRevision is tried again, RFC 3339; servingRevision has all replicas until then.")
        .meta({ format: "date-time" }),
      lastFailure: lastFailure
        .optional()
        .describe("The last failure of pods of a revision that was then the newest; it stays when they recover."),
    })
    .optional()
    .describe("What is being served."),
  coldStart: z
    .object({
      revision: z.string().describe("Revision whose pod was measured."),
      scheduleSeconds: z.int().describe("Until the pod had a node."),
      containerSeconds: z.int().describe("From there until its container ran: volumes, image, init containers."),
      modelSeconds: z.int().describe("From there until it was ready: download, load and warm-up of the model."),
      totalSeconds: z.int().describe("From the pod's creation until it was ready."),
    })
    .optional()
    .describe("How long the first pod of a revision that became ready took; measured once for each revision."),
  autoScaling: z
    .object({
      desiredReplicas: z.int().optional().describe("Replicas that the load asks for, within the bounds."),
      reason: z.string().optional().describe("Why that many, in one sentence."),
      winner: z.string().optional().describe("Signal that asked for most: RequestRate or QueueDepth."),
      limit: z
        .string()
        .optional()
        .describe(
          "What kept the winner from having its way: minReplicas, maxReplicas, or floor, what was needed a moment ago.",
        ),
      signals: z
        .array(signalStatus)
        .optional()
        .describe("The signals as of the last change.")
        .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
      lastChanges: z
        .array(replicaChange)
        .optional()
        .describe("The last five changes of the number of replicas, newest first.")
        .meta({ "x-kubernetes-list-type": "atomic" }),
    })
    .optional()
    .describe("Why there are as many replicas as there are."),
  conditions: z
    .array(condition)
    .optional()
    .describe(
      "Ready, ModelReady, RolloutComplete, MetricsAvailable and ScalingActive; Reconciling and Stalled only while True.",
    )
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
});

export type InferenceServiceStatus = z.output<typeof inferenceServiceStatusSchema>;
export type ReplicaChange = z.output<typeof replicaChange>;
