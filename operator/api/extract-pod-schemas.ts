// Writes pod-schemas.json: the pod fields of an InferenceService, out of Kubernetes' own OpenAPI document, in structural form.
//
// node operator/api/extract-pod-schemas.ts kubernetes-1.36.3/api/openapi-spec/v3/api__v1_openapi.json
//
// The document is in the Kubernetes sources, e.g. `go mod download -json k8s.io/kubernetes@v1.36.3`; `biome check --write` afterwards.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

type Json = { [keyword: string]: unknown };

/** Name in pod-schemas.json -> the definition it comes from, and whether the field is a list of it. */
const roots = {
  affinity: { definition: "Affinity", list: false },
  env: { definition: "EnvVar", list: true },
  securityContext: { definition: "PodSecurityContext", list: false },
  tolerations: { definition: "Toleration", list: true },
  topologySpreadConstraints: { definition: "TopologySpreadConstraint", list: true },
  volumeMounts: { definition: "VolumeMount", list: true },
  volumes: { definition: "Volume", list: true },
} as const;

/** Fields that are left in, where not all are: what pods need to serve a model under the pod security profiles. */
const keptFields: Readonly<Record<string, readonly string[]>> = {
  // No path of the node, no volume plugins that CSI has replaced.
  Volume: [
    "name",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
  ],
  VolumeProjection: ["configMap", "downwardAPI", "secret", "serviceAccountToken"],
  EnvVarSource: ["configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"],
  ObjectMeta: ["annotations", "labels"],
  PodSecurityContext: [
    "appArmorProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
  ],
  // Mounts of other kinds need rights that the restricted profile does not give.
  VolumeMount: ["name", "mountPath", "readOnly", "subPath"],
};

/** What Kubernetes demands in words only: keys of merged lists are required in a custom resource definition. */
const alsoRequired: Readonly<Record<string, readonly string[]>> = {
  TopologySpreadConstraint: ["maxSkew", "topologyKey", "whenUnsatisfiable"],
  ConfigMapKeySelector: ["name"],
  SecretKeySelector: ["name"],
};

/** Bounds where Kubernetes names none: rules over unbounded fields would cost the API server too much. */
const bounds = { string: 1024, value: 32_768, array: 64, map: 64 };

const keptKeywords = ["type", "format", "enum", "required"];
const keptExtensions = ["x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"];

/** The schemas of `roots`, made from the `components.schemas` of the OpenAPI document. Throws for a shape it does not know. */
export function extractPodSchemas(definitions: Readonly<Record<string, Json>>): Record<string, Json> {
  const extracted = Object.entries(roots).map(([name, { definition, list }]) => {
    const item = resolve(`#/components/schemas/io.k8s.api.core.v1.${definition}`, definitions);
    return [name, list ? { type: "array", items: item, maxItems: bounds.array } : item];
  });
  return Object.fromEntries(extracted);
}

function resolve(reference: string, definitions: Readonly<Record<string, Json>>): Json {
  const definition = definitions[reference.replace("#/components/schemas/", "")];
  if (definition === undefined) throw new Error(`${reference} is not in the document`);
  const name = reference.slice(reference.lastIndexOf(".") + 1);
  if (name === "Quantity") return intOrString();
  const { properties } = definition;
  if (!isJson(properties)) return rewrite(definition, definitions);
  const names = keptFields[name] ?? Object.keys(properties);
  const required = [...new Set([...((definition["required"] ?? []) as string[]), ...(alsoRequired[name] ?? [])])];
  return rewrite(
    {
      ...definition,
      properties: Object.fromEntries(names.map((field) => [field, properties[field]])),
      ...(required.length > 0 ? { required: required.filter((field) => names.includes(field)) } : {}),
    },
    definitions,
  );
}

function rewrite(node: Json, definitions: Readonly<Record<string, Json>>): Json {
  const { description: text } = node;
  const description = typeof text === "string" ? { description: briefly(text) } : {};
  const [referred] = (node["allOf"] ?? []) as Json[];
  const reference = node["$ref"] ?? referred?.["$ref"];
  if (typeof reference === "string") {
    const resolved = resolve(reference, definitions);
    return { ...resolved, ...description };
  }
  if (node["format"] === "int-or-string") return { ...intOrString(), ...description };
  const kept = [...keptKeywords, ...keptExtensions].filter((keyword) => keyword in node);
  const result: Json = Object.fromEntries(kept.map((keyword) => [keyword, node[keyword]]));
  Object.assign(result, description);
  const { properties, items, additionalProperties } = node;
  if (isJson(properties)) {
    result["properties"] = Object.fromEntries(
      Object.entries(properties).map(([name, child]) => [name, bounded(name, rewrite(child as Json, definitions))]),
    );
  }
  if (isJson(items)) Object.assign(result, { items: bounded("", rewrite(items, definitions)), maxItems: bounds.array });
  if (isJson(additionalProperties)) {
    const values = bounded("value", rewrite(additionalProperties, definitions));
    Object.assign(result, { additionalProperties: values, maxProperties: bounds.map });
  }
  return result;
}

function bounded(name: string, schema: Json): Json {
  if (schema["type"] !== "string" || "enum" in schema) return schema;
  return { ...schema, maxLength: name === "value" ? bounds.value : bounds.string };
}

function intOrString(): Json {
  return { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }], maxLength: 32 };
}

/** The first sentences: the whole text would not leave room for the rest of the definition. */
function briefly(description: string): string {
  const [paragraph = ""] = description.split("\n\n");
  const text = paragraph.replaceAll(/\s+/g, " ").trim();
  const sentences = text.split(/(?<=[^.][.])\s+(?=[A-Z])/);
  let brief = sentences[0] ?? "";
  for (const sentence of sentences.slice(1)) {
    if (brief.length + sentence.length > 240) break;
    brief += ` ${sentence}`;
  }
  return /[.]$/.test(brief) ? brief : `${brief.replace(/[:;,]$/, "")}.`;
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

if (import.meta.main) {
  const [path] = process.argv.slice(2);
  if (path === undefined) throw new Error("name the file api__v1_openapi.json of the Kubernetes sources");
  const document = JSON.parse(await readFile(path, "utf8")) as { components: { schemas: Record<string, Json> } };
  const content = { source: "Kubernetes 1.36.3", schemas: extractPodSchemas(document.components.schemas) };
  await writeFile(join(import.meta.dirname, "pod-schemas.json"), `${JSON.stringify(content, undefined, 1)}\n`);
}
