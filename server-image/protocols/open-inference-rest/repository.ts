// The model repository extension for a server that has one model from start to end: an index, nothing to load or unload.

import { InferenceError, invalidArgument } from "../../inference-error.ts";
import type { ServedModel } from "../../models/served-model.ts";
import { parseJson } from "../../tensors/json-text.ts";
import { isAbsent, isObject } from "./json-fields.ts";

/**
 * The index as the protocol has it.
 *
 * @param body of the request; may be empty. Throws `INVALID_ARGUMENT` where it is no JSON object with `ready` as boolean.
 */
export function repositoryIndex(body: Buffer, model: ServedModel): unknown[] {
  const { readiness } = model;
  if (readOnlyReady(body) && !readiness.ready) {
    return [];
  }
  const entry = readiness.ready ? { state: "READY", reason: "" } : { state: "UNAVAILABLE", reason: readiness.reason };
  return [{ name: model.name, ...knownVersion(model), ...entry }];
}

/** Not known before the model is loaded; the protocol lets it be left out. */
function knownVersion(model: ServedModel): { version?: string } {
  try {
    return { version: model.readyMetadata().version };
  } catch (error) {
    if (error instanceof InferenceError && error.code === "UNAVAILABLE") {
      return {};
    }
    throw error;
  }
}

function readOnlyReady(body: Buffer): boolean {
  const request = body.length === 0 ? {} : parseJson(body, false);
  if (!isObject(request)) {
    throw invalidArgument('the body must be a JSON object; it may have the field "ready"');
  }
  const { ready } = request;
  if (!isAbsent(ready) && typeof ready !== "boolean") {
    throw invalidArgument('"ready" must be true or false');
  }
  return ready ?? false;
}

/** For load and unload. */
export function explicitControlRefused(): InferenceError {
  return new InferenceError(
    "UNSUPPORTED",
    "explicit model load / unload is not allowed: this server serves the model that it was started with",
  );
}
