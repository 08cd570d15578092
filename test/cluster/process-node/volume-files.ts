// The files of ConfigMap, Secret, downward API and projected volumes.

import type {
  ConfigMap,
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  Volume,
  VolumeProjection,
} from "kubernetes-types/core/v1.js";
import { type PodFacts, readField, readResource } from "./downward-api.ts";

/** A volume that cannot be made yet; kubelets keep the pod in ContainerCreating and try again. */
export class VolumeError extends Error {
  readonly code = "FailedMount";
}

export interface VolumeFile {
  /** Relative to the volume. */
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

export interface VolumeFiles {
  readonly files: readonly VolumeFile[];
  /** When the files must be made again, because a token in them expires; undefined when never. */
  readonly refreshAfterSeconds: number | undefined;
}

export interface TokenRequestOptions {
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

export interface VolumeSources {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  /** A service account token bound to the pod, with its lifetime. */
  token(options: TokenRequestOptions): Promise<{ readonly token: string; readonly lifetimeSeconds: number }>;
  readonly facts: PodFacts;
}

/** Tokens are renewed after this part of their lifetime, as kubelets do. */
const tokenRenewalShare = 0.8;
const defaultMode = 0o644;

/** `undefined` for volumes that are not made of such files. */
export async function makeVolumeFiles(volume: Volume, sources: VolumeSources): Promise<VolumeFiles | undefined> {
  if (volume.projected !== undefined) {
    const parts: VolumeFiles[] = [];
    const mode = volume.projected.defaultMode ?? defaultMode;
    for (const source of volume.projected.sources ?? []) parts.push(await projectedFiles(source, mode, sources));
    const renewals = parts.flatMap(({ refreshAfterSeconds }) => refreshAfterSeconds ?? []);
    return {
      files: parts.flatMap(({ files }) => files),
      refreshAfterSeconds: renewals.length > 0 ? Math.min(...renewals) : undefined,
    };
  }
  const { configMap, secret, downwardAPI } = volume;
  const mode = configMap?.defaultMode ?? secret?.defaultMode ?? downwardAPI?.defaultMode ?? defaultMode;
  const projection: VolumeProjection = {
    ...(configMap !== undefined && { configMap }),
    ...(secret !== undefined && {
      secret: {
        name: secret.secretName ?? "",
        ...(secret.items && { items: secret.items }),
        ...(secret.optional !== undefined && { optional: secret.optional }),
      },
    }),
    ...(downwardAPI !== undefined && { downwardAPI }),
  };
  return Object.keys(projection).length > 0 ? projectedFiles(projection, mode, sources) : undefined;
}

async function projectedFiles(source: VolumeProjection, mode: number, sources: VolumeSources): Promise<VolumeFiles> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  const files: VolumeFile[] = [];
  if (configMap !== undefined) {
    const object = await sources.configMap(configMap.name ?? "");
    if (object === undefined && configMap.optional !== true)
      throw new VolumeError(`configmap "${configMap.name}" not found`);
    files.push(...selectKeys(configMapData(object), configMap.items, { mode, optional: configMap.optional === true }));
  }
  if (secret !== undefined) {
    const object = await sources.secret(secret.name ?? "");
    if (object === undefined && secret.optional !== true) throw new VolumeError(`secret "${secret.name}" not found`);
    files.push(...selectKeys(decode(object?.data), secret.items, { mode, optional: secret.optional === true }));
  }
  for (const item of downwardAPI?.items ?? []) files.push(downwardFile(item, mode, sources.facts));
  if (serviceAccountToken === undefined) return { files, refreshAfterSeconds: undefined };
  const { token, lifetimeSeconds } = await sources.token({
    audience: serviceAccountToken.audience,
    expirationSeconds: serviceAccountToken.expirationSeconds ?? 3600,
  });
  files.push({ path: serviceAccountToken.path, content: Buffer.from(token), mode });
  return { files, refreshAfterSeconds: lifetimeSeconds * tokenRenewalShare };
}

function selectKeys(
  data: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
  { mode, optional }: { mode: number; optional: boolean },
): VolumeFile[] {
  if (items === undefined) return [...data].map(([path, content]) => ({ path, content, mode }));
  return items.flatMap((item) => {
    const content = data.get(item.key);
    if (content !== undefined) return [{ path: item.path, content, mode: item.mode ?? mode }];
    if (optional) return [];
    throw new VolumeError(`references non-existent key: ${item.key}`);
  });
}

function downwardFile(item: DownwardAPIVolumeFile, mode: number, facts: PodFacts): VolumeFile {
  const { fieldRef, resourceFieldRef } = item;
  let text = "";
  if (fieldRef !== undefined) text = readField(fieldRef.fieldPath, facts);
  if (resourceFieldRef !== undefined) {
    text = readResource(resourceFieldRef, containerOf(facts.pod, resourceFieldRef.containerName ?? ""), facts);
  }
  return { path: item.path, content: Buffer.from(text), mode: item.mode ?? mode };
}

function containerOf(pod: Pod, name: string): Container {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const found = containers.find((container) => container.name === name);
  if (found === undefined)
    throw new VolumeError(`resourceFieldRef names container "${name}", which the pod does not have`);
  return found;
}

function configMapData(object: ConfigMap | undefined): Map<string, Buffer> {
  const texts = Object.entries(object?.data ?? {}).map(([key, text]): [string, Buffer] => [key, Buffer.from(text)]);
  return new Map([...texts, ...decode(object?.binaryData)]);
}

function decode(data: Readonly<Record<string, string>> | undefined): Map<string, Buffer> {
  return new Map(Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")]));
}
