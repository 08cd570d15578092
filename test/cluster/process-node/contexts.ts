// What the process node gives to each pod, and a pod to each of its containers.

import type { Pod } from "kubernetes-types/core/v1.js";
import type { Clock } from "../../../operator/kube/clock.ts";
import type { Logger } from "../../../operator/kube/types.ts";
import type { Tools } from "./commands.ts";
import type { RestartBackOff } from "./config.ts";
import type { ControlGroups } from "./control-groups.ts";
import type { ReferenceSources } from "./environment.ts";
import type { ImageTable } from "./image-command.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import type { Mount } from "./root-directory.ts";

export type EventType = "Normal" | "Warning";

/** Tells people what happens to a pod, as `kubectl describe` shows it. */
export type EmitEvent = (type: EventType, reason: string, message: string) => void;

export interface ContainerServices {
  readonly tools: Tools;
  readonly clock: Clock;
  readonly now: () => Date;
  readonly logger: Logger;
  readonly images: ImageTable;
  readonly controlGroups: ControlGroups;
  readonly restartBackOff: RestartBackOff;
  /** What a container sees of this machine's code, although the directories around it are the container's own. */
  readonly codeMounts: readonly Mount[];
}

/** A pod whose volumes and network are there. */
export interface PodContext {
  readonly pod: Pod;
  readonly podAddress: string;
  /** Undefined: the node's own network. */
  readonly networkNamespace: string | undefined;
  /** Where the containers' directories and logs go. */
  readonly folder: string;
  readonly volumes: PodVolumes;
  /** Where the references of the named container lead. */
  references(containerName: string): ReferenceSources;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** /etc/hosts and the like. */
  readonly systemMounts: readonly Mount[];
  readonly emitEvent: EmitEvent;
}
