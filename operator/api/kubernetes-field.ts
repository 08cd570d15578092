// Fields that are passed on to pods as they are: schemas from Kubernetes' own OpenAPI document, types from kubernetes-types.

import type {
  Affinity,
  EnvVar,
  PodSecurityContext,
  Toleration,
  TopologySpreadConstraint,
  Volume,
  VolumeMount,
} from "kubernetes-types/core/v1.js";
import { z } from "zod";
import podSchemas from "./pod-schemas.json" with { type: "json" };

/** What a field is when it is read: the API server has checked it against the schema, and checks it again in the pod. */
interface FieldTypes {
  affinity: Affinity;
  env: EnvVar[];
  securityContext: PodSecurityContext;
  tolerations: Toleration[];
  topologySpreadConstraints: TopologySpreadConstraint[];
  volumeMounts: VolumeMount[];
  volumes: Volume[];
}

type ListName = { [Name in keyof FieldTypes]: FieldTypes[Name] extends unknown[] ? Name : never }[keyof FieldTypes];

/** An object of the Kubernetes API. */
export function kubernetesObject<Name extends Exclude<keyof FieldTypes, ListName>>(
  name: Name,
): z.ZodType<FieldTypes[Name], FieldTypes[Name]> {
  const schema = z.record(z.string(), z.unknown()).meta(podSchemas.schemas[name]);
  return schema as unknown as z.ZodType<FieldTypes[Name], FieldTypes[Name]>;
}

/** A list of the Kubernetes API, merged by `keys`; without keys it is replaced whole. */
export function kubernetesList<Name extends ListName>(
  name: Name,
  keys: readonly string[] = [],
): z.ZodType<FieldTypes[Name], FieldTypes[Name]> {
  const listType =
    keys.length === 0
      ? { "x-kubernetes-list-type": "atomic" }
      : { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys };
  const schema = z.array(z.record(z.string(), z.unknown())).meta({ ...podSchemas.schemas[name], ...listType });
  return schema as unknown as z.ZodType<FieldTypes[Name], FieldTypes[Name]>;
}
