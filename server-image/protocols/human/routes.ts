// The server's human side: the page, and the description of the model's own interface in OpenAPI.

import { InferenceError } from "../../inference-error.ts";
import type { Shapes } from "../../models/sample-inputs.ts";
import type { ServedModel } from "../../models/served-model.ts";
import type { ProtocolContext } from "../context.ts";
import { findModel, serverReadiness } from "../find-model.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest, jsonAnswer } from "../http/exchange.ts";
import { describeInterface } from "./openapi.ts";
import { type PageModel, renderPage } from "./page.ts";
import { sampleRequest } from "./sample-request.ts";

const OPENAPI_FILE = "openapi.json";

/** Undefined for paths that are not for people. */
export async function humanSide(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer | undefined> {
  const { path } = request;
  if (path.length === 0) {
    return get(request, () => page(context));
  }
  return path.length === 4 && path[3] === OPENAPI_FILE && path[0] === "v2" && path[1] === "models"
    ? get(request, async () => openapi(path[2] ?? "", context))
    : undefined;
}

async function get(request: HttpRequest, answer: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  return request.method === "GET" || request.method === "HEAD"
    ? answer()
    : errorAnswer(405, "Method Not Allowed", { allow: "GET, HEAD" });
}

async function page(context: ProtocolContext): Promise<HttpAnswer> {
  return renderPage({
    name: context.model.name,
    readiness: serverReadiness(context),
    serverVersion: context.serverVersion,
    model: await pageModel(context),
  });
}

async function pageModel({ model, calibration }: ProtocolContext): Promise<PageModel | undefined> {
  const metadata = whenLoaded(() => model.readyMetadata());
  if (metadata === undefined) {
    return undefined;
  }
  return { metadata, plan: model.readyPlan(), sample: sampleRequest(metadata, readShapes(await calibration())) };
}

/** Undefined before the model is loaded. */
function whenLoaded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof InferenceError && error.code === "UNAVAILABLE") {
      return undefined;
    }
    throw error;
  }
}

/** Those that the model was warmed up with: it is known to take them. */
function readShapes(calibration: string | undefined): Shapes | undefined {
  if (calibration === undefined) {
    return undefined;
  }
  const stored = JSON.parse(calibration) as { calibration?: { shapes?: Shapes } };
  return stored.calibration?.shapes;
}

function openapi(name: string, { model, serverVersion }: ProtocolContext): HttpAnswer {
  try {
    return jsonAnswer(200, describeInterface(findModelOf(model, name), serverVersion));
  } catch (error) {
    if (error instanceof InferenceError) {
      return error.code === "NOT_FOUND"
        ? errorAnswer(404, error.message)
        : errorAnswer(503, error.message, { "retry-after": "1" });
    }
    throw error;
  }
}

function findModelOf(model: ServedModel, name: string) {
  return findModel(model, name, undefined).readyMetadata();
}
