// Answers external.metrics.k8s.io from the autoscaler's last tick.

import type { MetricType } from "../api/inference-service-spec.ts";
import type { Autoscaler, ServedValue } from "../autoscaler/autoscaler.ts";
import type { World } from "../autoscaler/world.ts";
import type { ExternalMetricsSource, MetricSample } from "../external-metrics/source.ts";
import { externalMetricNames } from "../resources/horizontal-pod-autoscaler.ts";

/** `windowSeconds` is the one that rates are taken over. */
export function createMetricsSource(
  autoscaler: Autoscaler,
  world: World,
  windowSeconds: number,
): ExternalMetricsSource {
  const types = new Map(
    (Object.keys(externalMetricNames) as MetricType[]).map((type) => [externalMetricNames[type], type]),
  );
  const sample = (type: MetricType, served: ServedValue): MetricSample =>
    type === "RequestRate" ? { ...served, windowSeconds } : served;
  const value: ExternalMetricsSource["value"] = (namespace, serviceName, metricName) => {
    const type = types.get(metricName);
    const served = type && autoscaler.servedValue(namespace, serviceName, type);
    return type === undefined || served === undefined ? undefined : sample(type, served);
  };
  return {
    metricNames: [...types.keys()],
    value,
    list: (namespace, metricName) =>
      [...world.services()].flatMap(({ metadata }) => {
        if (metadata.namespace !== namespace) return [];
        const found = value(namespace, metadata.name, metricName);
        return found === undefined ? [] : [{ serviceName: metadata.name, ...found }];
      }),
  };
}
