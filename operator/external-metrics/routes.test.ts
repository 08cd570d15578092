// The table of paths, as in the tests of the library that other providers are made with, and what is served there.

import { describe, expect, test } from "vitest";
import { attributesOf, findRoute, readRoute } from "./routes.ts";
import type { ExternalMetricsSource, MetricSample, ServiceSample } from "./source.ts";
import { StatusError } from "./status-error.ts";

const nowMs = Date.parse("2026-11-23T10:00:00Z");
const root = "/apis/external.metrics.k8s.io/v1beta1";

function sourceOf(samples: Readonly<Record<string, MetricSample>>): ExternalMetricsSource {
  return {
    metricNames: ["plimsoll_request_rate", "plimsoll_queue_depth"],
    value: (namespace, serviceName, metricName) => samples[`${namespace}/${serviceName}/${metricName}`],
    list: (namespace, metricName) =>
      Object.entries(samples).flatMap(([key, sample]): ServiceSample[] => {
        const [inNamespace, serviceName = "", name] = key.split("/");
        return inNamespace === namespace && name === metricName ? [{ ...sample, serviceName }] : [];
      }),
  };
}

const source = sourceOf({
  "vision/resnet/plimsoll_request_rate": { value: 10.5, atMs: nowMs - 2_000, windowSeconds: 10 },
  "vision/bert/plimsoll_request_rate": { value: 0, atMs: nowMs - 2_000, windowSeconds: 10 },
  "vision/resnet/plimsoll_queue_depth": { value: 3, atMs: nowMs - 2_000 },
  "vision/nan/plimsoll_queue_depth": { value: Number.NaN, atMs: nowMs },
  "vision/infinite/plimsoll_queue_depth": { value: Number.POSITIVE_INFINITY, atMs: nowMs },
  "vision/negative/plimsoll_queue_depth": { value: -1, atMs: nowMs },
  "vision/stale/plimsoll_queue_depth": { value: 7, atMs: nowMs - 30_001 },
  "vision/undated/plimsoll_queue_depth": { value: 7, atMs: Number.NaN },
  "other/resnet/plimsoll_request_rate": { value: 99, atMs: nowMs },
});

function read(target: string): unknown {
  return readRoute(findRoute(target), { source, nowMs, maxSampleAgeMs: 30_000 });
}

function statusOf(target: string): number {
  try {
    read(target);
    return 200;
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    return (error as StatusError).status;
  }
}

describe("the answer to GET", () => {
  test.each<[target: string, status: number]>([
    ["/", 404],
    ["/apis", 404],
    ["/apis/", 404],
    ["/apis/external.metrics.k8s.io", 200],
    ["/apis/external.metrics.k8s.io/", 200],
    ["/apis/external.metrics.k8s.io/v1", 404],
    ["/apis/custom.metrics.k8s.io", 404],
    [root, 200],
    [`${root}/`, 200],
    [`${root}?timeout=32s`, 200],
    [`${root}/plimsoll_request_rate`, 404],
    [`${root}/namespaces`, 404],
    [`${root}/namespaces/vision`, 404],
    [`${root}/namespaces/vision/`, 404],
    [`${root}/namespaces//plimsoll_request_rate`, 404],
    [`${root}/namespaces/vision/plimsoll_request_rate`, 200],
    [`${root}/namespaces/vision/plimsoll_request_rate/`, 404],
    [`${root}/namespaces/vision/plimsoll_request_rate/resnet`, 404],
    [`${root}/namespaces/vision/unknown`, 200],
    [`${root}/nodes/a/plimsoll_request_rate`, 404],
    [`${root}/namespaces/vision/plimsoll_request_rate?labelSelector=a%20b`, 400],
    [`${root}/namespaces/vision/plimsoll_request_rate?watch=true`, 405],
    [`${root}/namespaces/%ff/plimsoll_request_rate`, 400],
    [`${root}/../v1beta1`, 200],
    ["/openapi/v2", 200],
    ["/openapi/v3", 200],
    ["/openapi/v3/apis/external.metrics.k8s.io/v1beta1", 404],
    ["/version", 404],
    ["/metrics", 404],
    ["http://[", 400],
    ["*", 404],
  ])("%s is %i", (target, status) => {
    expect(statusOf(target)).toBe(status);
  });
});

interface ValueList {
  items: { metricLabels: Record<string, string>; value: string }[];
}

describe("the items of", () => {
  const rate = `${root}/namespaces/vision/plimsoll_request_rate`;
  const depth = `${root}/namespaces/vision/plimsoll_queue_depth`;
  const label = "serving.plimsoll.dev%2Finference-service";
  test.each<[sentence: string, target: string, items: Record<string, string>]>([
    ["a service that is named", `${rate}?labelSelector=${label}%3Dresnet`, { resnet: "10500m" }],
    ["a service without load: 0 is a value", `${rate}?labelSelector=${label}%3Dbert`, { bert: "0" }],
    ["an unknown service", `${rate}?labelSelector=${label}%3Dgpt`, {}],
    ["a named service that another requirement excludes", `${rate}?labelSelector=${label}%3Dbert%2Ctier%3Dgold`, {}],
    ["a service named twice, differently", `${rate}?labelSelector=${label}%3Dbert%2C${label}%3Dresnet`, {}],
    ["several services", `${rate}?labelSelector=${label}+in+(resnet%2Cbert%2Cgpt)`, { resnet: "10500m", bert: "0" }],
    ["all but one", `${rate}?labelSelector=${label}%21%3Dbert`, { resnet: "10500m" }],
    ["a whole namespace, without what is not a number or stale", depth, { resnet: "3" }],
    ["a service whose value is not a number", `${depth}?labelSelector=${label}%3Dnan`, {}],
    ["a service whose value is infinite", `${depth}?labelSelector=${label}%3Dinfinite`, {}],
    ["a service whose value is negative", `${depth}?labelSelector=${label}%3Dnegative`, {}],
    ["a service whose value is too old", `${depth}?labelSelector=${label}%3Dstale`, {}],
    ["a service whose value has no date", `${depth}?labelSelector=${label}%3Dundated`, {}],
    ["a namespace without services", `${root}/namespaces/empty/plimsoll_request_rate`, {}],
    ["an unknown metric", `${root}/namespaces/vision/unknown`, {}],
  ])("%s", (_sentence, target, items) => {
    const list = read(target) as ValueList;
    const found = list.items.map(({ metricLabels, value }) => [
      metricLabels["serving.plimsoll.dev/inference-service"],
      value,
    ]);
    expect(Object.fromEntries(found)).toEqual(items);
  });
});

test("an item carries the time and the window of its sample", () => {
  expect(read(`${root}/namespaces/other/plimsoll_request_rate`)).toEqual({
    kind: "ExternalMetricValueList",
    apiVersion: "external.metrics.k8s.io/v1beta1",
    metadata: {},
    items: [
      {
        metricName: "plimsoll_request_rate",
        metricLabels: { "serving.plimsoll.dev/inference-service": "resnet" },
        timestamp: "2026-11-23T10:00:00Z",
        value: "99",
      },
    ],
  });
  const { items } = read(`${root}/namespaces/vision/plimsoll_request_rate`) as { items: { window?: number }[] };
  expect(items.map((item) => item.window)).toEqual([10, 10]);
});

test("discovery lists every metric", () => {
  const { groupVersion, resources } = read(root) as { groupVersion: string; resources: object[] };
  expect(groupVersion).toBe("external.metrics.k8s.io/v1beta1");
  expect(resources).toEqual(
    ["plimsoll_request_rate", "plimsoll_queue_depth"].map((name) => ({
      name,
      singularName: "",
      namespaced: true,
      kind: "ExternalMetricValueList",
      verbs: ["get"],
    })),
  );
});

test("a metric needs permission to list it, discovery to get its path", () => {
  expect(attributesOf(findRoute(`${root}/namespaces/vision/plimsoll_request_rate`))).toEqual({
    resourceAttributes: {
      namespace: "vision",
      verb: "list",
      group: "external.metrics.k8s.io",
      version: "v1beta1",
      resource: "plimsoll_request_rate",
    },
  });
  expect(attributesOf(findRoute(`${root}/`))).toEqual({ nonResourceAttributes: { path: root, verb: "get" } });
});
