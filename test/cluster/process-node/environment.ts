// Makes the environment of a container: literal values, references, whole ConfigMaps and Secrets, $(VARIABLE) references.

import type { ConfigMap, Container, EnvVarSource, ResourceFieldSelector, Secret } from "kubernetes-types/core/v1.js";

/** A container that cannot be started as it is configured; kubelets call that CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  readonly code = "CreateContainerConfigError";
}

/** Where references lead; an object that does not exist is undefined. */
export interface ReferenceSources {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  field(fieldPath: string): string;
  resource(selector: ResourceFieldSelector): string;
}

/** The container's variables on top of `base`; later ones win, and may refer to earlier ones as $(NAME). */
export async function makeEnvironment(
  container: Container,
  base: Readonly<Record<string, string>>,
  sources: ReferenceSources,
): Promise<Record<string, string>> {
  const environment: Record<string, string> = { ...base };
  for (const source of container.envFrom ?? []) {
    const reference = source.configMapRef ?? source.secretRef;
    const values =
      source.configMapRef === undefined
        ? await secretValues(sources, source.secretRef?.name, reference?.optional)
        : await configMapValues(sources, source.configMapRef.name, reference?.optional);
    for (const [key, value] of Object.entries(values)) environment[`${source.prefix ?? ""}${key}`] = value;
  }
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined
        ? expandVariables(variable.value ?? "", environment)
        : await referencedValue(variable.valueFrom, sources);
    if (value !== undefined) environment[variable.name] = value;
  }
  return environment;
}

/** `undefined` where an optional reference leads nowhere: the variable is then left out. */
async function referencedValue(from: EnvVarSource, sources: ReferenceSources): Promise<string | undefined> {
  if (from.fieldRef !== undefined) return sources.field(from.fieldRef.fieldPath);
  if (from.resourceFieldRef !== undefined) return sources.resource(from.resourceFieldRef);
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (reference === undefined) throw new ContainerConfigError("valueFrom names no source that a process node knows");
  const isConfigMap = from.configMapKeyRef !== undefined;
  const values = isConfigMap
    ? await configMapValues(sources, reference.name, reference.optional)
    : await secretValues(sources, reference.name, reference.optional);
  const value = values[reference.key];
  if (value === undefined && reference.optional !== true) {
    throw new ContainerConfigError(
      `couldn't find key ${reference.key} in ${isConfigMap ? "ConfigMap" : "Secret"} ${reference.name}`,
    );
  }
  return value;
}

async function configMapValues(
  sources: ReferenceSources,
  name = "",
  optional = false,
): Promise<Record<string, string>> {
  const object = await sources.configMap(name);
  if (object === undefined && !optional) throw new ContainerConfigError(`configmap "${name}" not found`);
  return object?.data ?? {};
}

async function secretValues(sources: ReferenceSources, name = "", optional = false): Promise<Record<string, string>> {
  const object = await sources.secret(name);
  if (object === undefined && !optional) throw new ContainerConfigError(`secret "${name}" not found`);
  const entries = Object.entries(object?.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]));
}

/** Replaces $(NAME) by the variable's value; $$(NAME) stands for the text $(NAME), and unknown names stay as they are. */
export function expandVariables(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) =>
    match === "$$" ? "$" : (environment[name ?? ""] ?? match),
  );
}
