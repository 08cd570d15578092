// What replicas follow and how fast, as part of the spec.

import { z } from "zod";
import { positiveQuantity, validations } from "./field-kinds.ts";
import { parseQuantity } from "./quantity.ts";

const targetMessage = 'must be a quantity above 0, such as 50 or "2500m"';

const metric = z.object({
  type: z
    .enum(["RequestRate", "QueueDepth"])
    .describe(
      "RequestRate: inference requests that arrive per second, answered or not. QueueDepth: requests accepted and not yet running.",
    ),
  target: positiveQuantity(targetMessage)
    .refine((target) => (parseQuantity(target) ?? 0) > 0, targetMessage)
    .describe(
      "What one replica should carry: requests per second (RequestRate) or requests (QueueDepth). A quantity above 0.",
    ),
});

export type Metric = z.output<typeof metric>;

const scaleDownPolicy = z.object({
  type: z.enum(["Pods", "Percent"]).describe("Unit of value: pods, or percent of the present replicas."),
  value: z.int().min(1).max(10_000).describe("How much may be removed within periodSeconds, in the unit of type."),
  periodSeconds: z.int().min(1).max(1800).describe("Length of the period in seconds, 1 to 1800."),
});

const behavior = z.object({
  scaleDown: z
    .object({
      stabilizationWindowSeconds: z
        .int()
        .min(0)
        .max(3600)
        .default(300)
        .describe("Replicas fall only to the highest count that was needed within these last seconds. Default 300."),
      policies: z
        .array(scaleDownPolicy)
        .min(1)
        .max(10)
        .optional()
        .describe("Limits on how fast replicas fall. Default: all surplus replicas at once.")
        .meta({ "x-kubernetes-list-type": "atomic" }),
    })
    .prefault({})
    .describe("How replicas fall. They rise at once."),
});

/** What is meant by a spec that names none. Not filled in by the API server, so that rules can tell what was given. */
export const defaultMetrics: Metric[] = [{ type: "QueueDepth", target: 4 }];
export const defaultBehavior = behavior.parse({});

const onMissingMetrics = z
  .object({
    policy: z
      .enum(["Hold", "ScaleTo"])
      .default("Hold")
      .describe(
        "Hold (default): replicas stay, and rise only on what is known. ScaleTo: they rise to replicas, and fall again once signals are back. Neither lowers anything.",
      ),
    replicas: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe("Number of replicas that ScaleTo rises to, e.g. 6. Only with ScaleTo, and at most maxReplicas."),
    afterSeconds: z
      .int()
      .min(0)
      .max(3600)
      .optional()
      .describe("Seconds that signals are missing before ScaleTo rises, e.g. 120. Only with ScaleTo. Default: 60."),
  })
  .meta(
    validations(
      {
        rule: "(self.policy == 'ScaleTo') == has(self.replicas)",
        message: "must be given with policy ScaleTo, and only then: say how many, or write policy Hold without it",
        fieldPath: ".replicas",
      },
      {
        rule: "self.policy == 'ScaleTo' || !has(self.afterSeconds)",
        message: "must only be given with policy ScaleTo: Hold acts at once",
        fieldPath: ".afterSeconds",
      },
    ),
  );

export const autoScaling = z.object({
  mode: z
    .enum(["HPA", "External"])
    .default("HPA")
    .describe(
      "Who decides the number of replicas. HPA (default): Plimsoll and a HorizontalPodAutoscaler. External: whoever writes spec.predictor.replicas, e.g. kubectl scale.",
    ),
  metrics: z
    .array(metric)
    .min(1)
    .max(2)
    .optional()
    .describe(
      "Signals that replicas follow; the one that asks for most wins, e.g. [{type: RequestRate, target: 50}]. Default: QueueDepth with target 4.",
    )
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
  fastPath: z
    .enum(["Enabled", "Disabled"])
    .optional()
    .describe(
      "Enabled: Plimsoll raises replicas at once. Disabled: it tells the HorizontalPodAutoscaler, which raises them when it next looks, within 15 seconds. Default: Enabled.",
    ),
  onMissingMetrics: onMissingMetrics
    .optional()
    .describe("What becomes of replicas while signals are missing or incomplete. Default: policy Hold."),
  behavior: behavior
    .optional()
    .describe(
      "How fast replicas follow a falling load, in the terms of HorizontalPodAutoscaler v2. Default: scaleDown.stabilizationWindowSeconds 300.",
    ),
});
