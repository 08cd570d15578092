// The API group, the resource type and the labels and annotations that every part of Plimsoll agrees on.

export const group = "serving.plimsoll.dev";
export const apiVersion = `${group}/v1alpha1`;
export const kind = "InferenceService";

/** How the API server addresses InferenceServices. */
export const inferenceServiceResource = {
  apiVersion,
  kind,
  plural: "inferenceservices",
  namespaced: true,
  /** Which lists server-side apply merges by key; the same as `x-kubernetes-list-map-keys` in the schema. */
  structure: {
    fields: {
      status: {
        fields: { conditions: { keys: ["type"] }, autoScaling: { fields: { signals: { keys: ["type"] } } } },
      },
    },
  },
} as const;

/** On every object made for an InferenceService: the name of that service, in the object's own namespace. */
export const inferenceServiceLabel = `${group}/inference-service`;

/** On pods: a hash of what the model server runs. Two pods with the same revision give the same answers. */
export const revisionLabel = `${group}/revision`;

/** On children: a hash of what was last applied, so that an unchanged child costs no request. */
export const appliedHashAnnotation = `${group}/applied-hash`;

/** On an InferenceService, with the value `true`: its children are left as they are until the annotation goes. */
export const pausedAnnotation = `${group}/paused`;

/** On Deployments, while a revision that failed is not given up: JSON of which one, how often, why, and when it is tried again. */
export const rollOutAttemptsAnnotation = `${group}/roll-out-attempts`;

/** Who owns the fields that the reconciler applies. */
export const fieldManager = "plimsoll";

/** Who owns what is written once, when a child is created: later the HPA and `/scale` own it. */
export const createFieldManager = "plimsoll-create";

/** Who owns the HPA's bounds and the autoscaling part of the status. */
export const autoscalerFieldManager = "plimsoll-autoscaler";
