// The spec of an InferenceService as a zod schema: its types, defaults and documentation.

import { z } from "zod";
import { accelerator } from "./accelerator-spec.ts";
import { autoScaling, defaultBehavior, defaultMetrics, type Metric } from "./auto-scaling-spec.ts";
import { validations } from "./field-kinds.ts";
import { model } from "./model-spec.ts";
import { podFieldRules, podFields } from "./pod-fields-spec.ts";
import { rollOutFields, rollOutRules } from "./roll-out-spec.ts";

const replicaRules = [
  {
    rule: "self.minReplicas <= self.maxReplicas",
    message: "maxReplicas (default 10) must be at least minReplicas (default 1)",
    fieldPath: ".maxReplicas",
  },
  {
    rule: "!has(self.replicas) || self.autoScaling.mode == 'External'",
    message:
      "replicas is only allowed with autoScaling.mode External; in mode HPA the load decides: set minReplicas and maxReplicas instead",
    fieldPath: ".replicas",
  },
  {
    rule: "self.autoScaling.mode != 'External' || (!has(self.autoScaling.metrics) && !has(self.autoScaling.behavior) && !has(self.autoScaling.fastPath) && !has(self.autoScaling.onMissingMetrics) && !has(self.scaleMetric))",
    message:
      "metrics, behavior, fastPath, onMissingMetrics and scaleMetric must be left out with mode External, in which whoever writes replicas decides; or set mode to HPA",
    fieldPath: ".autoScaling",
  },
  {
    rule: "!has(self.autoScaling.onMissingMetrics) || !has(self.autoScaling.onMissingMetrics.replicas) || self.autoScaling.onMissingMetrics.replicas <= self.maxReplicas",
    message: "replicas of onMissingMetrics must be at most maxReplicas (default 10): raise that, or ask for fewer",
    fieldPath: ".autoScaling",
  },
  {
    rule: "has(self.scaleMetric) == has(self.scaleTarget)",
    message: "scaleMetric and scaleTarget must be given together, e.g. scaleMetric: rps and scaleTarget: 50",
    fieldPath: ".scaleMetric",
  },
  {
    rule: "!has(self.scaleMetric) || !has(self.autoScaling.metrics)",
    message:
      "must only be given without autoScaling.metrics: write {type: RequestRate, target: SCALETARGET} there, and leave scaleMetric and scaleTarget out",
    fieldPath: ".scaleMetric",
  },
];

const scaleMetricMessage =
  "must be rps; instead of concurrency, cpu or memory use autoScaling.metrics with type QueueDepth or RequestRate";

const predictor = z
  .object({
    model: model.describe("The model and where it comes from."),
    accelerator: accelerator.optional().describe("GPU that each replica needs. Absent: the model runs on CPUs."),
    minReplicas: z.int().min(1).max(10_000).default(1).describe("Number of replicas: never fewer. Default 1."),
    maxReplicas: z
      .int()
      .min(1)
      .max(10_000)
      .default(10)
      .describe("Number of replicas: never more. Default 10; at least minReplicas."),
    replicas: z
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe(
        "Number of replicas in autoScaling.mode External; the target of the /scale subresource. Not allowed otherwise. Default: minReplicas.",
      ),
    scaleMetric: z
      .string()
      .max(32)
      .refine((metric) => metric === "rps", scaleMetricMessage)
      .optional()
      .describe("Short form of autoScaling.metrics, as in KServe: rps, requests that arrive per second.")
      .meta(validations({ rule: "self == 'rps'", message: scaleMetricMessage })),
    scaleTarget: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe("What one replica should carry of scaleMetric, in requests per second, e.g. 50."),
    autoScaling: autoScaling.prefault({}).describe("What replicas follow, and how."),
    ...rollOutFields,
    ...podFields,
  })
  .meta(validations(...replicaRules, ...rollOutRules, ...podFieldRules))
  .transform(withoutShortForm);

interface ShortForm {
  readonly scaleMetric?: string | undefined;
  readonly scaleTarget?: number | undefined;
  readonly autoScaling: z.output<typeof autoScaling>;
}

/** What replicas follow, said in one way only, with what is meant where nothing is said. */
function withoutShortForm<T extends ShortForm>(predictorWithBoth: T) {
  const { scaleMetric: _, scaleTarget, autoScaling: scaling, ...rest } = predictorWithBoth;
  const short: Metric[] | undefined =
    scaleTarget === undefined ? undefined : [{ type: "RequestRate", target: scaleTarget }];
  const { metrics = short ?? defaultMetrics, behavior = defaultBehavior } = scaling;
  return { ...rest, autoScaling: { ...scaling, metrics, behavior } };
}

export const inferenceServiceSpecSchema = z.object({
  predictor: predictor.describe("The model server's pods: what they run and how many there are."),
});

export type InferenceServiceSpec = z.output<typeof inferenceServiceSpecSchema>;
export type MetricType = Metric["type"];
