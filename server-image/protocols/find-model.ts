// Which model a request means, and whether the server takes requests: the same answers in every protocol.

import { InferenceError } from "../inference-error.ts";
import type { Readiness, ServedModel } from "../models/served-model.ts";
import type { ProtocolContext } from "./context.ts";

/**
 * The model of that name. Throws `NOT_FOUND` for others, and `UNAVAILABLE` where a version is asked for before it is known.
 *
 * @param version undefined: the one that there is
 */
export function findModel(model: ServedModel, name: string, version: string | undefined): ServedModel {
  if (name !== model.name) {
    throw new InferenceError(
      "NOT_FOUND",
      `model ${JSON.stringify(name)} is not found; this server has ${JSON.stringify(model.name)}`,
    );
  }
  if (version !== undefined && version !== model.readyMetadata().version) {
    const has = model.readyMetadata().version;
    throw new InferenceError(
      "NOT_FOUND",
      `version ${JSON.stringify(version)} of model ${JSON.stringify(name)} is not found; this server has "${has}"`,
    );
  }
  return model;
}

export function serverReadiness({ isStopping, model }: Pick<ProtocolContext, "isStopping" | "model">): Readiness {
  return isStopping() ? { ready: false, reason: "server is stopping" } : model.readiness;
}
