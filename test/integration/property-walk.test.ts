// Each field of an InferenceService is changed, or taken away, and put back: it has an effect, and afterwards everything is as it was.

import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { Scene } from "../faults/scene.ts";
import { differences, type World, worldOf } from "../faults/world.ts";
import { changes, leftOut, withChange } from "./every-change.ts";
import { everyField } from "./every-field.ts";
import { inferenceServices, type ServiceManifest } from "./stage.ts";
import { until } from "./until.ts";

const person = { fieldManager: "person" } as const;
type Fields = Readonly<Record<string, unknown>>;
const { model = {}, ...others } = everyField as Fields & { readonly model?: Fields };
/** Without these there is no model. */
const required = new Set(["modelFormat", "storageUri"]);
const rows = [
  ...Object.keys(others).map((field) => [field, { ...everyField, [field]: undefined }] as const),
  ...Object.keys(model)
    .filter((field) => !required.has(field))
    .map((field) => [`model.${field}`, { ...everyField, model: { ...model, [field]: undefined } }] as const),
];

let scene: Scene;
let namespace: string;
let snapshot: World;

beforeAll(async () => {
  scene = await Scene.start({ name: "walk" });
  await scene.startOperator();
  await scene.operatorAtWork();
  namespace = await scene.newNamespace();
  await apply(everyField);
  await scene.quiet(1_500);
  snapshot = await worldOf(scene.client, scene.types, namespace);
});

afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
});

/** Resolves when the status describes the service as it now is. */
async function apply(predictor: Fields): Promise<void> {
  const manifest: ServiceManifest = { metadata: { name: "walked", namespace }, spec: { predictor } };
  const { metadata } = await scene.client.apply(inferenceServices, manifest, person);
  await until(
    async () => {
      const service = await scene.client.get(inferenceServices, { namespace, name: "walked" });
      return service?.status?.observedGeneration === metadata?.generation;
    },
    { what: "the status is current", intervalMs: 50 },
  );
}

async function putBack(): Promise<void> {
  await apply(everyField);
  const asBefore = async () => differences(await worldOf(scene.client, scene.types, namespace), snapshot).length === 0;
  await until(asBefore, { what: "everything is as before", timeoutSeconds: 20 }).catch(async (error: Error) => {
    const left = differences(await worldOf(scene.client, scene.types, namespace), snapshot);
    throw new Error(`${error.message}:\n${left.slice(0, 20).join("\n")}`);
  });
}

test.each(Object.entries(changes))("%s is changed, which shows, and put back", async (path, change) => {
  await apply(withChange(everyField, path, change));
  const ofChildren = async () =>
    differences(await worldOf(scene.client, scene.types, namespace), snapshot).filter(
      (line) => !line.startsWith("inferenceservices/"),
    );
  await until(async () => (await ofChildren()).length > 0, { what: "a child differs", timeoutSeconds: 10 });
  await putBack();
});

test.each(rows)("%s is taken away and put back", async (_field, predictor) => {
  // Some fields need each other; the refusal must come from the API server, and change nothing.
  await apply(predictor).catch((error: unknown) => expect(error).toMatchObject({ status: 422 }));
  await putBack();
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Their insides are Kubernetes' own; what becomes of each is for the tests of the pod template. */
const kubernetesFields = new Set(["affinity", "securityContext"]);

function leaves({ properties }: Schema, path: string): readonly string[] {
  if (properties === undefined || kubernetesFields.has(path)) return [path];
  return Object.entries(properties).flatMap(([name, child]) => leaves(child, path === "" ? name : `${path}.${name}`));
}

test("every field of the definition is walked, or left out for a reason", async () => {
  const file = new URL("../../crds/serving.plimsoll.dev_inferenceservices.yaml", import.meta.url);
  const definition = parse(await readFile(file, "utf8"));
  const { predictor } = definition.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties;
  expect([...Object.keys(changes), ...Object.keys(leftOut)].toSorted()).toEqual(leaves(predictor, "").toSorted());
});
