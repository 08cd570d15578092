// The life of one InferenceService, step by step: what people do to it while something goes wrong.

import {
  deployments,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
  services,
} from "../../operator/kube/resource-types.ts";
import type { KubeClient, KubeObject, ResourceType } from "../../operator/kube/types.ts";
import { inferenceServices, type ServiceManifest } from "../integration/stage.ts";

export type StepName = "apply" | "edit" | "revert" | "scale" | "recreate" | "delete";

/** In this order: each step starts from what the one before has left. */
export const steps: readonly StepName[] = ["apply", "edit", "revert", "scale", "recreate", "delete"];

export const serviceName = "subject";
const person = { fieldManager: "person" } as const;
const neighbour = { fieldManager: "neighbour" } as const;

/** Nothing is fetched: no pod ever runs. */
const model = { modelFormat: { name: "onnx" }, storageUri: "https://models.example.com/subject/1/model.onnx" };
const edited = {
  model: {
    ...model,
    storageUri: "https://models.example.com/subject/2/model.onnx",
    resources: { requests: { cpu: "500m" } },
  },
  autoScaling: { behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } },
};

function manifest(namespace: string, predictor: object = {}): ServiceManifest {
  return { metadata: { name: serviceName, namespace }, spec: { predictor: { model, ...predictor } } };
}

/** What a person does in a step. */
export async function act(step: StepName, client: KubeClient, namespace: string): Promise<void> {
  const apply = (predictor?: object) => client.apply(inferenceServices, manifest(namespace, predictor), person);
  const remove = () => client.delete(inferenceServices, { namespace, name: serviceName });
  switch (step) {
    case "apply":
    case "revert":
      return void (await apply());
    case "edit":
      return void (await apply(edited));
    case "scale":
      return void (await apply({ minReplicas: 3 }));
    case "recreate":
      // At once: the children of the first are still there.
      await remove();
      return void (await apply());
    case "delete":
      return void (await remove());
  }
}

const marked: readonly ResourceType<KubeObject>[] = [
  services,
  deployments,
  horizontalPodAutoscalers,
  podDisruptionBudgets,
];

/** Another program writes fields of its own into every child and into the service itself: nothing may lose them. */
export async function leaveMarks(client: KubeClient, namespace: string): Promise<void> {
  const marks = { metadata: { annotations: { "example.com/note": "mine" }, labels: { "example.com/team": "blue" } } };
  const name = `${serviceName}-predictor`;
  for (const type of marked) await client.patch(type, { namespace, name }, marks, neighbour);
  await client.patch(deployments, { namespace, name }, { spec: { revisionHistoryLimit: 3 } }, neighbour);
  await client.patch(inferenceServices, { namespace, name: serviceName }, marks, neighbour);
}

/** Another program writes something of no importance into the children, so that whoever goes by their version is late. */
export async function jostle(client: KubeClient, namespace: string, text: string | null): Promise<void> {
  const patch = { metadata: { annotations: { "example.com/jostle": text } } };
  const name = `${serviceName}-predictor`;
  await Promise.allSettled([
    ...marked.map((type) => client.patch(type, { namespace, name }, patch, neighbour)),
    client.patch(inferenceServices, { namespace, name: serviceName }, patch, neighbour),
  ]);
}
