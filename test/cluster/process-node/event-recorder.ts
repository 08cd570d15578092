// Tells people what happens to pods through Event objects, few of them however often a thing happens.

import { randomUUID } from "node:crypto";
import type { Event, Pod } from "kubernetes-types/core/v1.js";
import type { KubeClient, Logger } from "../../../operator/kube/types.ts";
import { timestamp } from "./container-record.ts";
import type { EmitEvent } from "./contexts.ts";
import { events } from "./resource-types.ts";
import { fieldManager } from "./status-writer.ts";

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, "create" | "patch">;
  readonly now: () => Date;
  readonly logger: Logger;
  readonly nodeName: string;
}

interface Recorded {
  readonly eventName: string;
  count: number;
}

/** Events of one pod. A repeated event is counted, and the count written when it reaches a power of two. */
export function recordEventsOf(pod: Pod, options: EventRecorderOptions): EmitEvent {
  const recorded = new Map<string, Recorded>();
  const { logger } = options;
  const { name = "", namespace = "" } = pod.metadata ?? {};
  return (type, reason, message) => {
    logger.info({ pod: `${namespace}/${name}`, reason, message }, "pod event");
    const key = `${reason} ${message}`;
    const known = recorded.get(key);
    if (known === undefined) {
      const event = makeEvent(pod, { type, reason, message }, options);
      recorded.set(key, { eventName: event.metadata.name ?? "", count: 1 });
      options.client
        .create(events, event, { fieldManager })
        .catch((error: unknown) => logger.debug({ err: error }, "event not written"));
      return;
    }
    known.count += 1;
    if (!Number.isInteger(Math.log2(known.count))) return;
    const patch = { count: known.count, lastTimestamp: timestamp(options.now()) };
    options.client
      .patch(events, { namespace, name: known.eventName }, patch, { fieldManager })
      .catch((error: unknown) => logger.debug({ err: error }, "event not counted"));
  };
}

function makeEvent(
  pod: Pod,
  { type, reason, message }: { type: string; reason: string; message: string },
  { now, nodeName }: EventRecorderOptions,
): Event {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const time = timestamp(now());
  return {
    metadata: { name: `${name}.${randomUUID().slice(0, 13)}`, namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component: "kubelet", host: nodeName },
    reportingComponent: "kubelet",
    reportingInstance: nodeName,
  };
}
