// The paths of the Open Inference Protocol over HTTP: health, metadata, inference.

import { InferenceError } from "../../inference-error.ts";
import type { ModelMetadata } from "../../models/metadata.ts";
import type { Readiness, ServedModel } from "../../models/served-model.ts";
import { type ProtocolContext, SERVER_NAME } from "../context.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../http/exchange.ts";
import { infer, toErrorAnswer } from "./infer.ts";

/** Undefined when the path is none of this protocol's (it does not begin with /v2). */
export async function openInferenceRest(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer | undefined> {
  if (request.path[0] !== "v2") {
    return undefined;
  }
  try {
    return await route(request, context);
  } catch (error) {
    return toErrorAnswer(error, context.log);
  }
}

async function route(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer> {
  const [, section, ...rest] = request.path;
  switch (section) {
    case undefined:
      return get(request, () => jsonAnswer(200, { name: SERVER_NAME, version: context.serverVersion, extensions: [] }));
    case "health":
      return health(request, rest, context);
    case "models":
      return rest.length === 0
        ? get(request, () => jsonAnswer(200, { models: [context.model.name] }))
        : modelRoute(request, rest, context);
    default:
      return notFound();
  }
}

function health(request: HttpRequest, rest: readonly string[], context: ProtocolContext): HttpAnswer {
  switch (rest.join("/")) {
    case "live":
      return get(request, () => jsonAnswer(200, { live: true }));
    case "ready":
      return get(request, () => {
        const readiness = serverReadiness(context);
        return readiness.ready
          ? jsonAnswer(200, { ready: true })
          : jsonAnswer(503, { ready: false, error: readiness.reason });
      });
    default:
      return notFound();
  }
}

function serverReadiness({ isStopping, model }: ProtocolContext): Readiness {
  return isStopping() ? { ready: false, reason: "server is stopping" } : model.readiness;
}

/** `NAME[/versions/VERSION][/ready|/infer]` */
async function modelRoute(
  request: HttpRequest,
  [name = "", ...rest]: readonly string[],
  context: ProtocolContext,
): Promise<HttpAnswer> {
  const version = rest[0] === "versions" ? rest[1] : undefined;
  const verb = (version === undefined ? rest : rest.slice(2)).join("/");
  const find = () => findModel(context.model, name, version);
  switch (verb) {
    case "":
      return get(request, () => jsonAnswer(200, describe(find().readyMetadata())));
    case "ready":
      return get(request, () => modelReady(find(), context));
    case "infer":
      return request.method === "POST" ? infer(request, context, find) : methodNotAllowed("POST");
    default:
      return notFound();
  }
}

function modelReady(model: ServedModel, context: ProtocolContext): HttpAnswer {
  const readiness = serverReadiness(context);
  return readiness.ready
    ? jsonAnswer(200, { name: model.name, ready: true })
    : jsonAnswer(503, { name: model.name, ready: false, error: readiness.reason });
}

function findModel(model: ServedModel, name: string, version: string | undefined): ServedModel {
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

function describe({ name, version, platform, inputs, outputs }: ModelMetadata): unknown {
  return { name, versions: [version], platform, inputs, outputs };
}

function get(request: HttpRequest, answer: () => HttpAnswer): HttpAnswer {
  return request.method === "GET" || request.method === "HEAD" ? answer() : methodNotAllowed("GET, HEAD");
}

function methodNotAllowed(allow: string): HttpAnswer {
  return errorAnswer(405, "Method Not Allowed", { allow });
}

function notFound(): HttpAnswer {
  return errorAnswer(404, "Not Found");
}
