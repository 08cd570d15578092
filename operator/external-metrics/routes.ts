// The paths of external.metrics.k8s.io/v1beta1 and the documents behind them.

import { rfc3339 } from "../api/conditions.ts";
import { inferenceServiceLabel } from "../api/group.ts";
import { milliQuantity } from "../api/quantity.ts";
import type { AccessAttributes } from "./authorization.ts";
import { LabelSelectorError, matchesLabels, onlyValue, parseLabelSelector } from "./label-selector.ts";
import type { ExternalMetricsSource, ServiceSample } from "./source.ts";
import { StatusError } from "./status-error.ts";

export const metricsGroup = "external.metrics.k8s.io";
export const metricsVersion = "v1beta1";
const groupVersion = `${metricsGroup}/${metricsVersion}`;

export type Route = DocumentRoute | MetricRoute;

/** Discovery: the same for everybody who may read it. */
interface DocumentRoute {
  readonly kind: "document";
  readonly path: string;
  readonly read: (source: ExternalMetricsSource) => object;
}

interface MetricRoute {
  readonly kind: "metric";
  readonly namespace: string;
  readonly metricName: string;
  readonly labelSelector: string;
  readonly watch: boolean;
}

const documents: ReadonlyMap<string, DocumentRoute["read"]> = new Map([
  [`/apis/${metricsGroup}`, apiGroup],
  [`/apis/${groupVersion}`, resourceList],
  // Empty ones: kube-apiserver asks for them for ever, and logs an error each time there is none.
  ["/openapi/v2", () => ({ swagger: "2.0", info: { title: metricsGroup, version: metricsVersion }, paths: {} })],
  ["/openapi/v3", () => ({ paths: {} })],
]);

/** Finds what a request target names. Throws `StatusError` 400 for one that is not a URL, 404 for an unknown path. */
export function findRoute(target: string): Route {
  const { path, segments, query } = parseTarget(target);
  const read = documents.get(path);
  if (read !== undefined) return { kind: "document", path, read };
  const [apis, group, version, namespaces, namespace, metricName, ...rest] = segments;
  const known = apis === "apis" && group === metricsGroup && version === metricsVersion && namespaces === "namespaces";
  if (!known || !namespace || !metricName || rest.length > 0) {
    throw new StatusError(404, `the server could not find the requested resource: ${path}`);
  }
  return {
    kind: "metric",
    namespace,
    metricName,
    labelSelector: query.get("labelSelector") ?? "",
    watch: ["true", "1"].includes(query.get("watch") ?? ""),
  };
}

/** What a user needs permission for to read the route. */
export function attributesOf(route: Route): AccessAttributes {
  if (route.kind === "document") return { nonResourceAttributes: { path: route.path, verb: "get" } };
  const { namespace, metricName } = route;
  return {
    resourceAttributes: {
      namespace,
      verb: route.watch ? "watch" : "list",
      group: metricsGroup,
      version: metricsVersion,
      resource: metricName,
    },
  };
}

export interface ReadContext {
  readonly source: ExternalMetricsSource;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Older samples are not served: the HPA itself takes a sample of any age for the present. */
  readonly maxSampleAgeMs: number;
}

/** The answer to a route. Throws `StatusError`. */
export function readRoute(route: Route, context: ReadContext): object {
  return route.kind === "document" ? route.read(context.source) : metricValues(route, context);
}

function parseTarget(target: string): { path: string; segments: string[]; query: URLSearchParams } {
  try {
    const { pathname, searchParams } = new URL(target, "https://external-metrics");
    return {
      // With a slash at its end, the path of a document names the same one.
      path: pathname.replace(/\/$/, ""),
      segments: pathname.slice(1).split("/").map(decodeURIComponent),
      query: searchParams,
    };
  } catch (error) {
    throw new StatusError(400, `${JSON.stringify(target)} is not a valid request target`, { cause: error });
  }
}

function apiGroup(): object {
  const version = { groupVersion, version: metricsVersion };
  return { kind: "APIGroup", apiVersion: "v1", name: metricsGroup, versions: [version], preferredVersion: version };
}

function resourceList({ metricNames }: ExternalMetricsSource): object {
  const resources = metricNames.map((name) => ({
    name,
    singularName: "",
    namespaced: true,
    kind: "ExternalMetricValueList",
    verbs: ["get"],
  }));
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources };
}

function metricValues(route: MetricRoute, { source, nowMs, maxSampleAgeMs }: ReadContext): object {
  if (route.watch) throw new StatusError(405, `${route.metricName} cannot be watched: list it instead`);
  const items = selectSamples(route, source)
    .filter(({ value, atMs }) => Number.isFinite(value) && value >= 0 && nowMs - atMs <= maxSampleAgeMs)
    .map(({ serviceName, value, atMs, windowSeconds }) => ({
      metricName: route.metricName,
      metricLabels: { [inferenceServiceLabel]: serviceName },
      timestamp: rfc3339(new Date(atMs)),
      ...(windowSeconds === undefined ? {} : { window: Math.round(windowSeconds) }),
      value: milliQuantity(value),
    }));
  return { kind: "ExternalMetricValueList", apiVersion: groupVersion, metadata: {}, items };
}

function selectSamples(route: MetricRoute, source: ExternalMetricsSource): readonly ServiceSample[] {
  const { namespace, metricName } = route;
  const selector = selectorOf(route.labelSelector);
  const matches = (serviceName: string): boolean =>
    matchesLabels(selector, new Map([[inferenceServiceLabel, serviceName]]));
  const serviceName = onlyValue(selector, inferenceServiceLabel);
  if (serviceName === undefined) {
    return source.list(namespace, metricName).filter((sample) => matches(sample.serviceName));
  }
  const sample = source.value(namespace, serviceName, metricName);
  return sample !== undefined && matches(serviceName) ? [{ ...sample, serviceName }] : [];
}

function selectorOf(text: string): ReturnType<typeof parseLabelSelector> {
  try {
    return parseLabelSelector(text);
  } catch (error) {
    if (error instanceof LabelSelectorError) throw new StatusError(400, error.message, { cause: error });
    throw error;
  }
}
