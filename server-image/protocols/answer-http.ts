// All that is answered over HTTP: each protocol in turn, the metrics, and what is left is not found.

import { METRICS_CONTENT_TYPE } from "../process-metrics.ts";
import type { ProtocolContext } from "./context.ts";
import { errorAnswer, type HttpAnswer, type HttpRequest } from "./http/exchange.ts";
import type { HttpHandler } from "./http/listener.ts";
import { humanSide } from "./human/routes.ts";
import { openInferenceRest } from "./open-inference-rest/routes.ts";
import { tensorflowServingRest } from "./tensorflow-serving-rest/routes.ts";

/** Lies among the paths of the Open Inference Protocol, but is none of its own. */
const OPEN_API = "openapi.json";

/** The usual one, and TensorFlow Serving's. */
const METRICS_PATHS = new Set(["metrics", "monitoring/prometheus/metrics"]);

export function answerHttp(context: ProtocolContext): HttpHandler {
  return (request) => {
    // The protocol that small models are asked in most comes first, since each promise on the way is felt there.
    const atOnce = request.path.at(-1) === OPEN_API ? undefined : openInferenceRest(request, context);
    return atOnce ?? answerOthers(request, context);
  };
}

async function answerOthers(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer> {
  return (
    (await humanSide(request, context)) ??
    (await openInferenceRest(request, context)) ??
    (await tensorflowServingRest(request, context)) ??
    (await serveMetrics(request, context)) ??
    errorAnswer(404, "Not Found")
  );
}

async function serveMetrics(request: HttpRequest, context: ProtocolContext): Promise<HttpAnswer | undefined> {
  if (!METRICS_PATHS.has(request.path.join("/"))) {
    return undefined;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return errorAnswer(405, "Method Not Allowed", { allow: "GET, HEAD" });
  }
  return { status: 200, headers: { "content-type": METRICS_CONTENT_TYPE }, body: await context.renderMetrics() };
}
