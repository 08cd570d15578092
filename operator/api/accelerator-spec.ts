// The GPU or other device that each replica needs, as part of the spec.

import { z } from "zod";
import { validations } from "./field-kinds.ts";

export const accelerator = z
  .object({
    product: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/)
      .optional()
      .describe(
        "Value of the node label nvidia.com/gpu.product that replicas need, e.g. NVIDIA-L4. Absent: any node that has the resource.",
      ),
    count: z.int().min(1).max(16).default(1).describe("Number of devices of one replica. Default 1."),
    resourceName: z
      .string()
      .min(3)
      .max(317)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$/)
      .optional()
      .describe(
        "Resource that the device plugin offers and that replicas are limited to, e.g. amd.com/gpu. Default: nvidia.com/gpu, or nvidia.com/mig-PROFILE with migProfile. Taints of that name are tolerated.",
      ),
    migProfile: z
      .string()
      .max(32)
      .regex(/^[1-7]g[.][0-9]{1,3}gb([.]me)?$/)
      .optional()
      .describe(
        "MIG device that one replica gets, where the device plugin's MIG strategy is mixed, e.g. 1g.5gb: the resource is nvidia.com/mig-1g.5gb.",
      ),
    nodeSelector: z
      .record(z.string(), z.string().max(63))
      .optional()
      .describe("Further labels that the nodes of such devices must have, e.g. {cloud.google.com/gke-spot: 'true'}.")
      .meta({ maxProperties: 64, "x-kubernetes-map-type": "atomic" }),
  })
  .meta(
    validations(
      {
        rule: "!has(self.migProfile) || !has(self.resourceName)",
        message: "must be left out with migProfile, which names the resource nvidia.com/mig-PROFILE",
        fieldPath: ".resourceName",
      },
      {
        rule: "!has(self.migProfile) || self.count == 1",
        message:
          "must be 1 with migProfile: a process uses one MIG device only; take a larger profile, or raise minReplicas and maxReplicas instead",
        fieldPath: ".count",
      },
      {
        rule: "!has(self.product) || !has(self.resourceName) || self.resourceName.startsWith('nvidia.com/')",
        message:
          "must only be given with a resource of nvidia.com, since it is the node label nvidia.com/gpu.product; use accelerator.nodeSelector instead",
        fieldPath: ".product",
      },
      {
        rule: "!has(self.product) || !has(self.nodeSelector) || !('nvidia.com/gpu.product' in self.nodeSelector)",
        message: "must not hold nvidia.com/gpu.product beside product: leave one of them out",
        fieldPath: ".nodeSelector",
      },
    ),
  );
