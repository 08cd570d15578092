// One run of a container, from its directories and control group to its end and its termination message.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Container, ContainerStateTerminated } from "kubernetes-types/core/v1.js";
import type { ActionTarget } from "./actions.ts";
import type { ContainerLog } from "./container-log.ts";
import { type ContainerProcess, startContainerProcess } from "./container-process.ts";
import { terminatedState } from "./container-record.ts";
import type { ContainerServices, PodContext } from "./contexts.ts";
import { makeEnvironment } from "./environment.ts";
import { resolveImageCommand } from "./image-command.ts";
import { machine, makeRootDirectory } from "./machine.ts";
import { type Mount, planRootDirectory } from "./root-directory.ts";
import { readTerminationLog, terminationMessage } from "./termination-message.ts";

/** The image table has no entry for the container's image. */
export class ImageError extends Error {
  readonly code = "ErrImagePull";
}

export interface ContainerAttempt {
  readonly id: string;
  readonly startedAt: Date;
  readonly target: ActionTarget;
  readonly process: ContainerProcess;
  /** How it ended; resolves after everything of this attempt but its log is removed. */
  readonly ended: Promise<ContainerStateTerminated>;
}

export interface AttemptInput {
  readonly container: Container;
  /** 0 for the first; names the attempt's folder and control group. */
  readonly number: number;
  readonly log: ContainerLog;
  readonly pod: PodContext;
  readonly services: ContainerServices;
}

/** @throws ImageError, ContainerConfigError, VolumeError or ContainerStartError; nothing is left behind then. */
export async function startAttempt(input: AttemptInput): Promise<ContainerAttempt> {
  const { container, number, log, pod, services } = input;
  const environment = await makeEnvironment(container, pod.baseEnvironment, pod.references(container.name));
  const command = resolveImageCommand(container, services.images, environment);
  if ("unknownImage" in command) throw new ImageError(command.unknownImage);

  const folder = join(pod.folder, "containers", container.name, `${number}`);
  const root = join(folder, "root");
  const group = await services.controlGroups.create(
    `${pod.pod.metadata?.uid}.${container.name}.${number}`,
    container.resources,
  );
  const removeAll = async (): Promise<void> => {
    await group.remove();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(terminationLogFile(folder), "", { mode: 0o666 });
    const workingDirectory = container.workingDir ?? "/";
    const steps = planRootDirectory(root, await allMounts(input, environment, folder), machine);
    await makeRootDirectory(root, steps);
    const startedAt = services.now();
    const process = await startContainerProcess({
      tools: services.tools,
      root,
      steps,
      workingDirectory,
      processFiles: group.processFiles,
      argv: command.argv,
      environment,
      networkNamespace: pod.networkNamespace,
      log,
    });
    const id = `process://${pod.pod.metadata?.uid}/${container.name}/${number}`;
    const { podAddress } = pod;
    const target = {
      tools: services.tools,
      container,
      podAddress,
      pid: process.pid,
      environment,
      processFiles: group.processFiles,
    };
    const whenEnded = async (): Promise<ContainerStateTerminated> => {
      const exitCode = await process.exited;
      const finishedAt = services.now();
      await log.close();
      const message = terminationMessage({
        policy: container.terminationMessagePolicy,
        exitCode,
        terminationLog: await readTerminationLog(terminationLogFile(folder)),
        outputLines: await log.lastLines(80),
      });
      const memoryKills = await group.countMemoryKills();
      await removeAll().catch((error: unknown) =>
        services.logger.warn({ err: error, folder }, "leftovers of a container not removed"),
      );
      return terminatedState({ exitCode, memoryKills, message, containerId: id, startedAt, finishedAt });
    };
    return { id, startedAt, target, process, ended: whenEnded() };
  } catch (error) {
    await removeAll();
    throw error;
  }
}

async function allMounts(
  { container, pod, services }: AttemptInput,
  environment: Readonly<Record<string, string>>,
  folder: string,
): Promise<Mount[]> {
  const mounts: Mount[] = [
    ...services.codeMounts,
    ...pod.systemMounts,
    {
      source: terminationLogFile(folder),
      target: container.terminationMessagePath ?? "/dev/termination-log",
      readOnly: false,
      type: "file",
    },
    ...(await pod.volumes.mounts(container, environment)),
  ];
  const { workingDir } = container;
  // Container runtimes make the working directory when the image does not have it.
  if (workingDir !== undefined && machine.realPath(workingDir) === undefined && !isBelowAny(workingDir, mounts)) {
    const source = join(folder, "work");
    await mkdir(source, { recursive: true });
    mounts.push({ source, target: workingDir, readOnly: false, type: "directory" });
  }
  return mounts;
}

function terminationLogFile(folder: string): string {
  return join(folder, "termination-log");
}

function isBelowAny(path: string, mounts: readonly Mount[]): boolean {
  return mounts.some(({ target }) => `${path}/`.startsWith(`${target}/`));
}
