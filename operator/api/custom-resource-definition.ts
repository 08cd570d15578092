// The CustomResourceDefinition of InferenceService, made from its zod schema.

import { group, inferenceServiceResource, kind } from "./group.ts";
import { inferenceServiceSpecSchema } from "./inference-service-spec.ts";
import { inferenceServiceStatusSchema } from "./inference-service-status.ts";
import { type StructuralSchema, structuralSchema } from "./structural-schema.ts";

/** Children are named NAME-predictor, and a Service's name has at most 63 characters and starts with a letter. */
const nameRules = [
  {
    rule: "size(self.metadata.name) <= 53",
    message: "must be at most 53 characters: the Service NAME-predictor may have 63",
    fieldPath: ".metadata.name",
  },
  {
    rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    message:
      "must consist of lower case letters, digits and '-', start with a letter and end with a letter or digit: it names a Service",
    fieldPath: ".metadata.name",
  },
];

const printerColumns = [
  { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: "URL", type: "string", jsonPath: ".status.url" },
  { name: "Replicas", type: "integer", jsonPath: ".status.replicas" },
  { name: "Model", type: "string", jsonPath: ".spec.predictor.model.storageUri" },
  { name: "Reason", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
];

/** The whole definition, ready to be applied. */
export function customResourceDefinition(): Record<string, unknown> {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${inferenceServiceResource.plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural: inferenceServiceResource.plural,
        singular: "inferenceservice",
        shortNames: ["isvc"],
        categories: ["all"],
      },
      versions: [
        {
          name: inferenceServiceResource.apiVersion.split("/")[1],
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: ".spec.predictor.replicas",
              statusReplicasPath: ".status.replicas",
              labelSelectorPath: ".status.selector",
            },
          },
          additionalPrinterColumns: printerColumns,
          schema: { openAPIV3Schema: rootSchema() },
        },
      ],
    },
  };
}

function rootSchema(): StructuralSchema {
  return {
    description:
      "InferenceService serves a model: Plimsoll makes a Deployment, a Service, a HorizontalPodAutoscaler and a PodDisruptionBudget for it, and keeps as many replicas as its load needs.",
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: "serving.plimsoll.dev/v1alpha1" },
      kind: { type: "string", description: "InferenceService" },
      metadata: { type: "object", properties: { name: { type: "string" } } },
      spec: { ...structuralSchema(inferenceServiceSpecSchema), description: "What is wanted." },
      status: { ...structuralSchema(inferenceServiceStatusSchema), description: "What is." },
    },
    "x-kubernetes-validations": nameRules,
  };
}
