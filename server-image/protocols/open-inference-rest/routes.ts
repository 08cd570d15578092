// The paths of the Open Inference Protocol over HTTP: health, metadata, inference, and Triton's extensions of them.

import type { ServedModel } from "../../models/served-model.ts";
import { type ProtocolContext, SERVER_NAME } from "../context.ts";
import { findModel, serverReadiness } from "../find-model.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../http/exchange.ts";
import { infer, toErrorAnswer } from "./infer.ts";
import { modelConfig } from "./model-config.ts";
import { describeStatistics } from "./model-statistics.ts";
import { explicitControlRefused, repositoryIndex } from "./repository.ts";

/** Of the protocol, by Triton's names: what clients look for before they use it. */
export const EXTENSIONS = [
  "binary_tensor_data",
  "model_configuration",
  "model_repository",
  "schedule_policy",
  "statistics",
] as const;

/** At once where it can be: each promise in between would cost every inference request its part of a microsecond. */
type Answer = HttpAnswer | Promise<HttpAnswer>;

/** Undefined when the path is none of this protocol's (it does not begin with /v2). Does not reject. */
export function openInferenceRest(request: HttpRequest, context: ProtocolContext): Answer | undefined {
  if (request.path[0] !== "v2") {
    return undefined;
  }
  try {
    return route(request, context);
  } catch (error) {
    return toErrorAnswer(error, context.log);
  }
}

function route(request: HttpRequest, context: ProtocolContext): Answer {
  const [, section, ...rest] = request.path;
  switch (section) {
    case undefined:
      return get(request, () =>
        jsonAnswer(200, { name: SERVER_NAME, version: context.serverVersion, extensions: EXTENSIONS }),
      );
    case "health":
      return health(request, rest, context);
    case "models":
      return models(request, rest, context);
    case "repository":
      return repository(request, rest, context);
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

/** Nothing, `stats`, or `NAME[/versions/VERSION]` with one of the model's own verbs. */
function models(request: HttpRequest, rest: readonly string[], context: ProtocolContext): Answer {
  const [name] = rest;
  if (name === undefined) {
    return get(request, () => jsonAnswer(200, { models: [context.model.name] }));
  }
  if (name === "stats" && rest.length === 1) {
    return get(request, () => statistics(context.model, context));
  }
  const version = rest[1] === "versions" ? rest[2] : undefined;
  const verb = rest.slice(version === undefined ? 1 : 3).join("/");
  const find = () => findModel(context.model, name, version);
  switch (verb) {
    case "":
      return get(request, () => jsonAnswer(200, describe(find())));
    case "ready":
      return get(request, () => modelReady(find(), context));
    case "infer":
      return request.method === "POST" ? infer(request, context, find) : methodNotAllowed("POST");
    case "config":
      return get(request, () => jsonAnswer(200, modelConfig(find().readyMetadata(), find().readyPlan())));
    case "stats":
      return get(request, () => statistics(find(), context));
    case "calibration":
      return get(request, () => calibration(find(), context));
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

async function statistics(model: ServedModel, { log }: ProtocolContext): Promise<HttpAnswer> {
  try {
    const { version } = model.readyMetadata();
    return jsonAnswer(200, describeStatistics(model.name, version, await model.statistics()));
  } catch (error) {
    return toErrorAnswer(error, log);
  }
}

/** What was measured at the start, for `--calibration` of later replicas; this server's own addition. */
async function calibration(model: ServedModel, context: ProtocolContext): Promise<HttpAnswer> {
  const measured = await context.calibration();
  return measured === undefined
    ? errorAnswer(404, `model ${JSON.stringify(model.name)} was not calibrated`)
    : { status: 200, headers: { "content-type": "application/json" }, body: measured };
}

/** With what runs it among the parameters, which clients of the protocol may ignore. */
function describe(model: ServedModel): unknown {
  const { name, version, platform, inputs, outputs } = model.readyMetadata();
  const parameters = { execution_provider: model.readyPlan().executionProvider };
  return { name, versions: [version], platform, inputs, outputs, parameters };
}

/** `index` and `models/NAME/(load|unload)` */
function repository(request: HttpRequest, rest: readonly string[], context: ProtocolContext): Answer {
  const isIndex = rest.join("/") === "index";
  const isControl = rest.length === 3 && rest[0] === "models" && (rest[2] === "load" || rest[2] === "unload");
  if (!isIndex && !isControl) {
    return notFound();
  }
  if (request.method !== "POST") {
    return methodNotAllowed("POST");
  }
  if (isControl) {
    throw explicitControlRefused();
  }
  return index(request, context);
}

async function index(request: HttpRequest, { model, log }: ProtocolContext): Promise<HttpAnswer> {
  try {
    return jsonAnswer(200, repositoryIndex(await request.readBody(), model));
  } catch (error) {
    return toErrorAnswer(error, log);
  }
}

function get<T extends Answer>(request: HttpRequest, answer: () => T): T | HttpAnswer {
  return request.method === "GET" || request.method === "HEAD" ? answer() : methodNotAllowed("GET, HEAD");
}

function methodNotAllowed(allow: string): HttpAnswer {
  return errorAnswer(405, "Method Not Allowed", { allow });
}

function notFound(): HttpAnswer {
  return errorAnswer(404, "Not Found");
}
