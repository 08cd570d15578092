// The spec of an InferenceService as a zod schema: its types, defaults and documentation.

import { z } from "zod";
import { parseQuantity } from "./quantity.ts";

const quantity = (rule: string, message: string) =>
  z.union([z.int(), z.string()]).meta({
    "x-kubernetes-int-or-string": true,
    maxLength: 32,
    "x-kubernetes-validations": [{ rule, message }],
  });

const resourceAmounts = z
  .record(
    z.string(),
    quantity(
      "type(self) == int ? self >= 0 : (isQuantity(self) && !quantity(self).isLessThan(quantity('0')))",
      'must be a quantity such as "500m" or "1Gi"',
    ),
  )
  .meta({ maxProperties: 16 });

const resources = z
  .object({
    requests: resourceAmounts
      .optional()
      .describe("What the scheduler reserves for one replica, e.g. {cpu: 500m, memory: 1Gi}."),
    limits: resourceAmounts
      .optional()
      .describe("What one replica may use at most. A CPU limit sets how many threads the model gets."),
  })
  .meta({
    "x-kubernetes-validations": [
      {
        rule: "!has(self.limits) || !has(self.requests) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
        message: "each request must be at most the limit of the same resource",
      },
    ],
  });

const model = z.object({
  modelFormat: z
    .object({ name: z.enum(["onnx"]).describe("Format of the model: onnx.") })
    .describe("Format of the model. It decides which inference server runs it."),
  storageUri: z
    .string()
    .min(1)
    .max(2048)
    .describe(
      "Where the model is fetched from: https://HOST/PATH, http://HOST/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH, hf://OWNER/REPO[@REVISION]/FILE, or pvc://CLAIM/PATH for a PersistentVolumeClaim in the service's namespace. A file, an archive or, except for http, https and hf, a folder. Changing it rolls out a new revision.",
    )
    .meta({
      "x-kubernetes-validations": [
        {
          rule: "self.matches('^(https?://[^/@]+/.+|(s3|gs)://[a-z0-9][-a-z0-9._]+[a-z0-9](/.*)?|hf://[-A-Za-z0-9_.]+/[-A-Za-z0-9_.]+(@[^/@?#]+)?/[^?#]+|pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/.+)$')",
          message:
            "must be https://HOST/PATH, http://HOST/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH, hf://OWNER/REPO[@REVISION]/FILE or pvc://CLAIM/PATH, without user name or password",
        },
        { rule: "!self.matches('(^|/)[.][.](/|$)')", message: "must not contain a '..' segment" },
      ],
      example: "https://models.example.com/resnet/7/model.onnx",
    }),
  resources: resources.optional().describe("CPU, memory and other resources of one replica's container."),
});

const accelerator = z.object({
  product: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/)
    .describe("Value of the node label nvidia.com/gpu.product that replicas need, e.g. NVIDIA-L4."),
  count: z.int().min(1).max(16).default(1).describe("Number of GPUs of one replica (nvidia.com/gpu). Default 1."),
});

const targetMessage = 'must be a quantity above 0, such as 50 or "2500m"';

const metric = z.object({
  type: z
    .enum(["RequestRate", "QueueDepth"])
    .describe(
      "RequestRate: inference requests that arrive per second, answered or not. QueueDepth: requests accepted and not yet running.",
    ),
  target: quantity(
    "type(self) == int ? self > 0 : (isQuantity(self) && quantity(self).isGreaterThan(quantity('0')))",
    targetMessage,
  )
    .refine((target) => (parseQuantity(target) ?? 0) > 0, targetMessage)
    .describe(
      "What one replica should carry: requests per second (RequestRate) or requests (QueueDepth). A quantity above 0.",
    ),
});

const scaleDownPolicy = z.object({
  type: z.enum(["Pods", "Percent"]).describe("Unit of value: pods, or percent of the present replicas."),
  value: z.int().min(1).max(10_000).describe("How much may be removed within periodSeconds, in the unit of type."),
  periodSeconds: z.int().min(1).max(1800).describe("Length of the period in seconds, 1 to 1800."),
});

const autoScaling = z.object({
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
    .default([{ type: "QueueDepth", target: 4 }])
    .describe("Signals that replicas follow; the one that asks for most wins. Default: QueueDepth with target 4.")
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
  behavior: z
    .object({
      scaleDown: z
        .object({
          stabilizationWindowSeconds: z
            .int()
            .min(0)
            .max(3600)
            .default(300)
            .describe(
              "Replicas fall only to the highest count that was needed within these last seconds. Default 300.",
            ),
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
    })
    .prefault({})
    .describe("How fast replicas follow a falling load, in the terms of HorizontalPodAutoscaler v2."),
});

const predictor = z
  .object({
    model: model.describe("The model and where it comes from."),
    accelerator: accelerator.optional().describe("GPU that each replica needs. Absent: the model runs on CPUs."),
    minReplicas: z.int().min(1).max(10_000).default(1).describe("Replicas are never fewer. Default 1."),
    maxReplicas: z
      .int()
      .min(1)
      .max(10_000)
      .default(10)
      .describe("Replicas are never more. Default 10; at least minReplicas."),
    replicas: z
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe(
        "Number of replicas in autoScaling.mode External; the target of the /scale subresource. Not allowed otherwise.",
      ),
    autoScaling: autoScaling.prefault({}).describe("What replicas follow, and how."),
  })
  .meta({
    "x-kubernetes-validations": [
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
    ],
  });

export const inferenceServiceSpecSchema = z.object({
  predictor: predictor.describe("The model server's pods: what they run and how many there are."),
});

export type InferenceServiceSpec = z.output<typeof inferenceServiceSpecSchema>;
export type MetricType = InferenceServiceSpec["predictor"]["autoScaling"]["metrics"][number]["type"];
