// Makes a pod's volumes on disk and says what each container sees of them.

import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from "kubernetes-types/core/v1.js";
import { expandVariables } from "./environment.ts";
import type { Mount } from "./root-directory.ts";
import { makeVolumeFiles, VolumeError, type VolumeFiles, type VolumeSources } from "./volume-files.ts";

export interface PodVolumeSources extends VolumeSources {
  claim(name: string): Promise<PersistentVolumeClaim | undefined>;
  persistentVolume(name: string): Promise<PersistentVolume | undefined>;
}

/** Where a volume lies on the machine. `readOnly` volumes are so in every container. */
interface PreparedVolume {
  readonly source: string;
  readonly readOnly: boolean;
}

export interface PodVolumes {
  /** @throws VolumeError when a subPath is missing or leads out of its volume. */
  mounts(container: Container, environment: Readonly<Record<string, string>>): Promise<Mount[]>;
  /** Makes the files of projected volumes again when their tokens are due; resolves to the seconds until the next time. */
  refresh(): Promise<number | undefined>;
  readonly refreshAfterSeconds: number | undefined;
}

/** @throws VolumeError when an object that a volume needs does not exist (yet), or the kind of volume is not known here. */
export async function preparePodVolumes(pod: Pod, folder: string, sources: PodVolumeSources): Promise<PodVolumes> {
  const prepared = new Map<string, PreparedVolume>();
  const volumes = pod.spec?.volumes ?? [];
  const refresh = async (): Promise<number | undefined> => {
    const renewals: number[] = [];
    for (const volume of volumes) {
      const made = await makeVolumeFiles(volume, sources);
      if (made === undefined) continue;
      await writeFiles(join(folder, volume.name), made);
      if (made.refreshAfterSeconds !== undefined) renewals.push(made.refreshAfterSeconds);
    }
    return renewals.length > 0 ? Math.min(...renewals) : undefined;
  };
  await mkdir(folder, { recursive: true });
  for (const volume of volumes) prepared.set(volume.name, await prepare(volume, join(folder, volume.name), sources));
  return {
    refreshAfterSeconds: await refresh(),
    refresh,
    mounts: (container, environment) => containerMounts(container, environment, prepared),
  };
}

async function prepare(volume: Volume, folder: string, sources: PodVolumeSources): Promise<PreparedVolume> {
  const { emptyDir, hostPath, persistentVolumeClaim: claim } = volume;
  if (hostPath !== undefined)
    return { source: await hostDirectory(hostPath.path, hostPath.type ?? ""), readOnly: false };
  if (claim !== undefined) {
    return { source: await claimDirectory(claim.claimName, sources), readOnly: claim.readOnly === true };
  }
  if (emptyDir !== undefined) {
    await mkdir(folder, { recursive: true, mode: 0o777 });
    return { source: folder, readOnly: false };
  }
  if (volume.configMap ?? volume.secret ?? volume.projected ?? volume.downwardAPI) {
    await mkdir(folder, { recursive: true });
    return { source: folder, readOnly: true };
  }
  const kind = Object.keys(volume).find((key) => key !== "name");
  throw new VolumeError(
    `volume "${volume.name}" is of kind ${kind ?? "none"}, which a process node does not have: use emptyDir, configMap, ` +
      "secret, projected, downwardAPI, hostPath or persistentVolumeClaim",
  );
}

async function hostDirectory(path: string, type: string): Promise<string> {
  if (type === "DirectoryOrCreate") await mkdir(path, { recursive: true });
  if ((await stat(path).catch(() => undefined)) === undefined) {
    throw new VolumeError(`hostPath ${path} does not exist on this machine`);
  }
  return path;
}

async function claimDirectory(claimName: string, sources: PodVolumeSources): Promise<string> {
  const claim = await sources.claim(claimName);
  if (claim === undefined) throw new VolumeError(`persistentvolumeclaim "${claimName}" not found`);
  const volumeName = claim.spec?.volumeName ?? "";
  if (claim.status?.phase !== "Bound" || volumeName === "") {
    throw new VolumeError(`persistentvolumeclaim "${claimName}" is not bound to a volume yet`);
  }
  const volume = await sources.persistentVolume(volumeName);
  const path = volume?.spec?.hostPath?.path ?? volume?.spec?.local?.path;
  if (path === undefined) {
    throw new VolumeError(
      `persistentvolume "${volumeName}" must be of kind hostPath or local to be used on a process node`,
    );
  }
  return hostDirectory(path, volume?.spec?.hostPath?.type ?? "");
}

/** A file is replaced in one step, so that a container reads either the old content or the new. */
async function writeFiles(folder: string, { files }: VolumeFiles): Promise<void> {
  for (const { path, content, mode } of files) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(`${target}.new`, content, { mode });
    await rename(`${target}.new`, target);
  }
}

async function containerMounts(
  container: Container,
  environment: Readonly<Record<string, string>>,
  prepared: ReadonlyMap<string, PreparedVolume>,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const { name, mountPath, readOnly, subPath, subPathExpr } of container.volumeMounts ?? []) {
    const volume = prepared.get(name);
    if (volume === undefined) throw new VolumeError(`volumeMount "${name}" names no volume of the pod`);
    const inside = subPathExpr === undefined ? (subPath ?? "") : expandVariables(subPathExpr, environment);
    if (inside.split("/").includes("..")) throw new VolumeError(`subPath "${inside}" must not contain ".."`);
    const source = join(volume.source, inside);
    const isReadOnly = volume.readOnly || readOnly === true;
    if (inside !== "" && !volume.readOnly) await mkdirIfMissing(source);
    const found = await stat(source).catch(() => undefined);
    if (found === undefined) throw new VolumeError(`subPath "${inside}" does not exist in volume "${name}"`);
    mounts.push({ source, target: mountPath, readOnly: isReadOnly, type: found.isDirectory() ? "directory" : "file" });
  }
  return mounts;
}

async function mkdirIfMissing(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined)) === undefined) await mkdir(path, { recursive: true });
}
