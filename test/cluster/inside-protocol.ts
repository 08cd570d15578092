// What a cluster's starter and the process inside the cluster's namespaces tell each other, over Node's IPC channel. Closing the channel ends the cluster.

import type { ApiAccess } from "./api-access.ts";
import type { ComponentSpec } from "./component.ts";
import type { ClientTls } from "./https-get.ts";

/** The file that `inside.ts` reads; all paths are absolute and mean the same on both sides. */
export interface InsideConfig {
  readonly logDirectory: string;
  /** An empty folder; becomes a tmpfs that only the cluster sees, and ends with it. */
  readonly dataDirectory: string;
  /** Folders to make in `dataDirectory`. */
  readonly dataFolders: readonly string[];
  readonly components: readonly StartStep[];
  /** For the service proxy and the list of what Prometheus scrapes. */
  readonly kubernetes: ApiAccess;
  /** Where each controller's mount point may hold the pods' control groups; emptied at the end. */
  readonly cgroupParent: string;
  /** The cluster's own folder: removed by the inside when its starter dies. */
  readonly directory: string;
}

export interface StartStep {
  readonly component: ComponentSpec;
  /** Names of components that must be ready before this one starts. */
  readonly after: readonly string[];
  /** Answers 200 once the component is ready. Absent: ready when started. */
  readonly readyUrl?: string;
  /** For an https `readyUrl`. */
  readonly readyTls?: ClientTls;
}

/** A request to the inside. `forward` comes with a listening server of the outside as its handle. */
export type InsideRequest =
  | { readonly method: "forward"; readonly id: number; readonly host: string; readonly port: number }
  | { readonly method: "reverse"; readonly id: number; readonly port: number }
  | { readonly method: "close"; readonly id: number; readonly gate: number }
  | { readonly method: "start-component"; readonly id: number; readonly name: string }
  | { readonly method: "stop-component"; readonly id: number; readonly name: string };

/** An answer to the request of the same `id` (to `reverse` with a listening server as its handle), or news. */
export type InsideMessage =
  | { readonly type: "answer"; readonly id: number; readonly error?: string }
  | { readonly type: "component-ready"; readonly component: string; readonly seconds: number }
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly component?: string; readonly message: string };
