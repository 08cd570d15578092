// How one revision takes over from another, and how long pods may take to come and to go, as part of the spec.

import { z } from "zod";
import { podsOrPercent, validations } from "./field-kinds.ts";

const deploymentStrategy = z
  .object({
    type: z
      .enum(["RollingUpdate", "Recreate"])
      .default("RollingUpdate")
      .describe(
        "RollingUpdate (default): pods of the new revision come beside the earlier ones. Recreate: the earlier ones go first, and nothing answers meanwhile.",
      ),
    rollingUpdate: z
      .object({
        maxSurge: podsOrPercent()
          .optional()
          .describe("Pods that may be there beyond the replicas: a number, or percent rounded up. Default: 25%."),
        maxUnavailable: podsOrPercent()
          .optional()
          .describe(
            "Pods that may be missing from the replicas: a number, or percent rounded down. Default: 0, so that capacity never falls.",
          ),
      })
      .optional()
      .describe("How many pods are exchanged at once, e.g. {maxSurge: 1}. Only with RollingUpdate."),
  })
  .meta(
    validations(
      {
        rule: "self.type == 'RollingUpdate' || !has(self.rollingUpdate)",
        message: "must only be given with type RollingUpdate: leave it out with Recreate",
        fieldPath: ".rollingUpdate",
      },
      {
        rule: "!has(self.rollingUpdate) || !has(self.rollingUpdate.maxSurge) || !(string(self.rollingUpdate.maxSurge).matches('^0+%?$') && (!has(self.rollingUpdate.maxUnavailable) || string(self.rollingUpdate.maxUnavailable).matches('^0+%?$')))",
        message:
          "maxSurge and maxUnavailable (default 0) must not both be 0: nothing could be exchanged; with maxSurge 0 set maxUnavailable: 1",
        fieldPath: ".rollingUpdate",
      },
    ),
  );

export const rollOutFields = {
  deploymentStrategy: deploymentStrategy
    .prefault({})
    .describe("How pods of an earlier revision are replaced, as in a Deployment."),
  progressDeadlineSeconds: z
    .int()
    .min(1)
    .max(172_800)
    .optional()
    .describe(
      "Seconds without progress after which a roll-out has failed, e.g. 1800. Default: 600 more than model.startupProbe allows, for scheduling and pulling the image.",
    ),
  drainSeconds: z
    .int()
    .min(0)
    .max(3600)
    .default(30)
    .describe(
      "Seconds that a pod which is told to stop has for requests that are under way, after 5 seconds in which it still takes new ones. Default 30.",
    ),
};

export const rollOutRules = [
  {
    rule: "!has(self.progressDeadlineSeconds) || self.progressDeadlineSeconds > self.model.startupProbe.periodSeconds * self.model.startupProbe.failureThreshold",
    message:
      "must be more seconds than model.startupProbe allows (periodSeconds x failureThreshold, by default 1800): a model that still loads would count as failed; lower model.startupProbe.failureThreshold too",
    fieldPath: ".progressDeadlineSeconds",
  },
];
